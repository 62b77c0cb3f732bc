#pragma once

#include "engine/registry.h"

namespace anabranch {

void RegisterConnectorFile(Registry& registry);

}  // namespace anabranch
