#pragma once

#include <string>

#include "engine/plan.h"

namespace anabranch {

// 16 hex digits.
std::string HashText(const std::string& text);

// 12 hex digits over everything in the file that changes what the topology does, and over what its
// nodes add (model bytes). Descriptions, tags, tests and annotations of the file do not count.
std::string HashPlan(const ConfigValue& root, const Plan& plan);

}  // namespace anabranch
