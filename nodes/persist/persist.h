#pragma once

#include "engine/registry.h"

namespace anabranch {

// Writes rows to a target. The node itself only binds: the engine encodes the rows that reach it with the target's
// RowEncoder (NodeProgram::target) and the target's committer writes them.
void RegisterNodePersist(Registry& registry);

}  // namespace anabranch
