#pragma once

#include "engine/registry.h"

namespace anabranch {

// Registers every node kind under nodes/. The source is generated from the folder names.
void RegisterAllNodes(Registry& registry);

}  // namespace anabranch
