#pragma once

#include "engine/registry.h"

namespace anabranch {

// The connector "lines": rows and progress in one text file, exactly once. Target only.
void RegisterConnectorLines(Registry& registry);

}  // namespace anabranch
