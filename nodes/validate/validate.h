#pragma once

#include "engine/registry.h"

namespace anabranch {

// Kind "validate": checks records against the schema of their source and against named rules.
void RegisterNodeValidate(Registry& registry);

}  // namespace anabranch
