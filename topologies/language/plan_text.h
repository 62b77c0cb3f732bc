#pragma once

#include <string>
#include <string_view>

#include "engine/plan.h"

namespace anabranch {

// The plan in words: order, what each stage reads and makes, batches, the guarantee of each target and
// why. Deterministic, ending in a newline.
std::string ExplainPlan(const Plan& plan);

// The graph of a plan.
enum class GraphFormat : uint8_t { kAscii, kDot, kMermaid, kJson };
std::string GraphText(const Plan& plan, GraphFormat format);

}  // namespace anabranch
