#pragma once

#include "engine/registry.h"

namespace anabranch {

void RegisterNodeTransform(Registry& registry);

}  // namespace anabranch
