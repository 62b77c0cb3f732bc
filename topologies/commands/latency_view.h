#pragma once

#include <string>

#include "engine/plan.h"

namespace anabranch {

// What was chosen for the latency target of a plan, for `explain`: opens the nodes, so that models are loaded and
// measured here. Empty when there is no target.
std::string LatencyText(const Plan& plan);

}  // namespace anabranch
