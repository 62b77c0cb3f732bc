#pragma once

#include <string>

#include "engine/plan.h"

namespace anabranch {

// The batch limits chosen for the latency target of a plan, for `explain`. Opens the nodes, so models are loaded and
// measured. Empty if there is no target.
std::string LatencyText(const Plan& plan);

}  // namespace anabranch
