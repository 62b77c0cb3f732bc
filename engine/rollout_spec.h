#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/generation_record.h"

namespace anabranch {

// How a new version of a model comes to score all rows: `rollout` of a model in the topology file, checked. A
// deployment begins with the first step; the last one is always "all". Immutable.
struct RolloutSpec {
  struct Step {
    ArmRule rule = ArmRule::kOne;  // kShadow, kCanary, or kOne for "all", which ends the rollout
    double share = 1;              // kShadow: of the rows; kCanary: of the keys
    int64_t min_rows = 0;          // rows that were compared, and
    int64_t min_ms = 0;            // time since the step began, before it may be passed
  };
  // A limit for one kind of event. kPsi is a figure that is compared with it; all others are rates of compared rows,
  // tested by RateGuard.
  struct Guard {
    enum class What : uint8_t {
      kErrors,     // the candidate fails a row that the serving version answers
      kDisagrees,  // a label differs, or one of two numbers is above `size` and the other is not, or a null or NaN
      kSlower,     // the candidate takes more than `size` times the time of the serving version
      kNan,        // an output of the candidate is NaN where that of the serving version is not
      kDiffers,    // a number differs by more than `size`, or one of two is null or NaN
      kPsi,        // population stability index of the candidate against the serving version; the worst output
    };
    What what = What::kErrors;
    double limit = 0;
    double size = 0;
    bool per_key = false;  // at most one row of a key counts among 1,024: kErrors, kDisagrees
  };
  enum class Then : uint8_t { kRollBack, kHold, kNext };

  std::vector<Step> steps;
  std::vector<Guard> guards;
  bool by_record = false;              // the record draws, not its key
  std::string segment;                 // a column that the nodes of the model can read; empty: none
  double alpha = 0.01;                 // the probability that a rollout of a good version is rolled back
  int64_t max_rows = 500'000;          // compared in one step: then it is inconclusive
  Then on_breach = Then::kRollBack;    // kRollBack, kHold
  Then on_pass = Then::kNext;          // kNext, kHold
  Then on_inconclusive = Then::kHold;  // kHold, kRollBack
  bool needs_approval = false;         // a person promotes to the last step
};

// As a topology writes it: "errors", "disagrees", …
const char* NameOf(RolloutSpec::Guard::What what);
// The rates that are counted for one row: all but kPsi.
inline bool IsRate(RolloutSpec::Guard::What what) { return what != RolloutSpec::Guard::What::kPsi; }

}  // namespace anabranch
