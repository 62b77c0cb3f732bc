#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ids.h"
#include "engine/status.h"
#include "engine/strategy/bandit.h"
#include "engine/strategy/off_policy.h"
#include "engine/strategy/wide_sum.h"

namespace anabranch {

// The rewards of one bandit below a position of one partition. They depend on that position alone: whoever counts the
// same records, in the same order, comes to the same sums to the last bit.
struct RewardTotals {
  uint32_t began = 0;            // the generation with which the bandit began; 0: nothing was counted yet
  OffPolicy rounds{0};           // by arm
  std::vector<WideSum> squares;  // Σr², by arm
  int64_t unmatched = 0;         // rewards of no row that this bandit answered: counted, and used for nothing else
  Scoring scoring = {};          // of the rewards' own partition, stored with the position

  // For another bandit, which began with this generation: what the one before earned is forgotten.
  void Restart(uint32_t generation, size_t arm_count);
  // kInvalid as OffPolicy::Add.
  Status Reward(size_t arm, double probability, double reward);
  // Of another partition. Totals of another bandit add to `unmatched` only.
  void Add(const RewardTotals& other);

  std::vector<ArmTotals> ByArm() const;

  // One line of JSON, and back. kInvalid: a damaged text.
  std::string Print() const;
  static Result<RewardTotals> Parse(std::string_view text);
};

}  // namespace anabranch
