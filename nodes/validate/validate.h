#pragma once

#include "engine/registry.h"

namespace anabranch {

// Kind "validate": holds records to the schema of their source and to named rules.
void RegisterNodeValidate(Registry& registry);

}  // namespace anabranch
