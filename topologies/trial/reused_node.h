#pragma once

#include <memory>

#include "engine/node.h"

namespace anabranch {

// `program`, whose opened nodes are used again: a node that is closed waits for the next Open(). So a model is loaded
// once for many runs. Thread-safe, as every program.
std::shared_ptr<const NodeProgram> ReuseNodes(std::shared_ptr<const NodeProgram> program);

}  // namespace anabranch
