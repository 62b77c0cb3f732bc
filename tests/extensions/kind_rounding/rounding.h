#pragma once

#include "engine/registry.h"

namespace anabranch {

// A kind that is not part of the program: {"kind": "rounding", "column": …, "batch": …, "output": …} rounds a number to
// a multiple of `batch`.
void RegisterNodeRounding(Registry& registry);

}  // namespace anabranch
