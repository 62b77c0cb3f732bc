#pragma once

#include "engine/registry.h"

namespace anabranch {

void RegisterNodePersist(Registry& registry);

}  // namespace anabranch
