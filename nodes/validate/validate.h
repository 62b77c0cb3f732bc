#pragma once

#include "engine/registry.h"

namespace anabranch {

void RegisterNodeValidate(Registry& registry);

}  // namespace anabranch
