#pragma once

#include <string>

#include "engine/registry.h"

namespace anabranch {

// The JSON Schema (draft-07) of the topology format for editors, made from the specs that the check
// uses: the format's own, every node kind's and every connector's. Pretty-printed, ending in a newline.
std::string TopologySchema(const Registry& registry);

}  // namespace anabranch
