#pragma once

#include "engine/registry.h"

namespace anabranch {

// Kind "transform": new columns by expressions (`set`), rows filtered by a condition (`where`), columns hidden (`drop`)
// or renamed (`rename`) for the nodes below.
void RegisterNodeTransform(Registry& registry);

}  // namespace anabranch
