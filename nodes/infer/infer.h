#pragma once

#include "engine/registry.h"

namespace anabranch {

void RegisterNodeInfer(Registry& registry);

}  // namespace anabranch
