#pragma once

#include "engine/registry.h"

namespace anabranch {

// A format that is not part of the program: the cells of a row one behind the other, each as LENGTH:BYTES, null as "-".
void RegisterFormatCells(Registry& registry);

}  // namespace anabranch
