#pragma once

#include <cstddef>
#include <vector>

#include "engine/rollout_spec.h"
#include "engine/strategy/compare.h"

namespace anabranch {

// How rows of a generation with several arms are counted.
struct ArmRules {
  CompareSpec compare;                     // what ArmScores::columns are
  std::vector<RolloutSpec::Guard> guards;  // ArmCounts::guards
  size_t arms = 2;
};

}  // namespace anabranch
