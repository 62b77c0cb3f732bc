#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/status.h"
#include "engine/strategy/compare.h"
#include "engine/strategy/rate_guard.h"

namespace anabranch {

// What was counted of the arms of one generation in one node. Additive: over batches, lanes, instances.
struct ArmCounts {
  ArmCounts(CompareSpec spec, size_t guard_count, size_t arm_count)
      : guards(guard_count), drawn(arm_count, 0), answered(arm_count, 0), compare(std::move(spec)) {}

  std::vector<GuardCounts> guards;  // by guard of the rollout, over the paired rows; those that are no rates stay 0
  std::vector<int64_t> drawn;       // rows by the arm that they drew
  std::vector<int64_t> answered;    // rows by the arm that answered them
  CompareCounters compare;          // the paired rows

  int64_t rows() const;    // that were scored
  int64_t paired() const;  // that two arms scored
  // kInvalid: counts of other guards, arms or outputs.
  Status Add(const ArmCounts& other);

  // One line of JSON that holds its CompareSpec too, and back. kInvalid: a damaged text.
  std::string Print() const;
  static Result<ArmCounts> Parse(std::string_view text);
  // Without the segments: they are added up. For logs that take entries of a limited size.
  ArmCounts WithoutSegments() const;
};

}  // namespace anabranch
