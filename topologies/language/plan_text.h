#pragma once

#include <string>
#include <string_view>

#include "engine/plan.h"

namespace anabranch {

// The plan in words: order, what each stage reads and makes, batches, the guarantee of each target and
// why. Deterministic, ending in a newline.
std::string ExplainPlan(const Plan& plan);

// What plan.targets[target] promises, and why not more. One line.
std::string GuaranteeText(const Plan& plan, size_t target);

// The graph of a plan; `format` is "ascii" (also for any other word), "dot", "mermaid" or "json".
std::string GraphText(const Plan& plan, std::string_view format);

}  // namespace anabranch
