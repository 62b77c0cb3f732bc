#pragma once

#include "engine/registry.h"

namespace anabranch {

// Registers every connector under connectors/. The source is generated from the folder names.
void RegisterAllConnectors(Registry& registry);

}  // namespace anabranch
