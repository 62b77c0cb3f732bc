#pragma once

#include "engine/registry.h"

namespace anabranch {

// Files as sources (JSON Lines, CSV: file_source.h), as targets and for dead letters (file_target.h).
void RegisterConnectorFile(Registry& registry);

}  // namespace anabranch
