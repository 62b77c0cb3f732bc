#pragma once

#include <cstdint>
#include <string>

#include "engine/plan.h"

namespace anabranch {

// The micro-batches with which a plan begins: as written, or, with a latency target, the largest whose time, twice (its
// own, and that of the batch before it), stays within the target, by what the nodes measured when they were opened.
// What is left over may be waited, half of it and 100 ms at most, where larger batches cost less per record. Where even
// one record takes too long, the largest batch that takes no more than two of it: smaller ones would not be quicker,
// and records would wait for each other.
struct BatchChoice {
  BatchLimits limits;
  int64_t batch_ns = 0;   // of the measured nodes, for limits.max_rows records
  int64_t record_ns = 0;  // of the measured nodes, for one record
  StageId slowest;        // node that takes the most for one record
};
// After the plan's nodes were opened (PlanWorker::Open).
BatchChoice ChooseBatch(const Plan& plan);
// Why the latency target cannot be met, with figures; empty: it can, as far as was measured, or there is none.
std::string WhyTooSlow(const Plan& plan, const BatchChoice& choice);
// The same at run time.
struct BatchMiss {
  uint32_t rows = 0;  // of a batch that smaller ones would not have beaten; 0 = none
  int64_t ns = 0;     // what it took
};
std::string TooSlowNow(const Plan& plan, const BatchMiss& miss);

// Keeps a lane's micro-batches within the latency target by the time that batches really take. Only batches of about
// the present size say something about it; the size changes by steps, between one record and the plan's max_rows, and
// no further down than it helps: what a call costs whatever its rows is not saved by smaller ones. One thread.
class BatchPacer {
 public:
  BatchPacer(const Plan& plan, const BatchChoice& choice);

  const BatchLimits& limits() const { return limits_; }
  // Without a target nothing needs to be measured.
  bool adapts() const { return limits_.latency_target_ns > 0; }
  void Note(uint32_t rows, int64_t ns);
  // Once, when batches are late and smaller ones would be no quicker; rows 0 otherwise.
  BatchMiss TakeMiss();

 private:
  const uint32_t most_rows_;
  const int64_t most_linger_ns_;
  const int64_t budget_ns_;  // of one batch
  BatchLimits limits_;
  void Shrink(uint32_t rows, int64_t ns);

  int late_ = 0;           // in a row
  uint32_t least_ = 1;     // smaller batches were no quicker
  BatchMiss before_ = {};  // the first late batch since the last in time: what shrinking is measured by
  BatchMiss miss_ = {};
  bool told_ = false;
};

}  // namespace anabranch
