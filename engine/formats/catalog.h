#pragma once

#include "engine/registry.h"

namespace anabranch {

// Registers every format under engine/formats/. The source is generated from the folder names.
void RegisterAllFormats(Registry& registry);

}  // namespace anabranch
