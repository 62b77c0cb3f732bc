#pragma once

#include "engine/registry.h"

namespace anabranch {

void RegisterNodeEnsemble(Registry& registry);

}  // namespace anabranch
