#pragma once

#include <cstdint>
#include <string>

#include "engine/plan.h"

namespace anabranch {

// The micro-batches with which a plan begins: as written, or, with a latency target, the largest whose time, twice (its
// own, and that of the batch before it), stays within the target, by what the nodes measured when they were opened.
// What is left over may be waited, half of it and 100 ms at most, where larger batches cost less per record.
struct BatchChoice {
  BatchLimits limits;
  int64_t batch_ns = 0;   // of the measured nodes, for limits.max_rows records
  int64_t record_ns = 0;  // of the measured nodes, for one record
  StageId slowest = 0;    // node that takes the most for one record
};
// After the plan's nodes were opened (PlanWorker::Open).
BatchChoice ChooseBatch(const Plan& plan);
// Why the latency target cannot be met, with figures; empty: it can, as far as was measured, or there is none.
std::string WhyTooSlow(const Plan& plan, const BatchChoice& choice);
// The same at run time: a batch of one record took `ns`.
std::string TooSlowNow(const Plan& plan, int64_t ns);

// Keeps a lane's micro-batches within the latency target by the time that batches really take. Looks at full batches
// and late ones only; the size changes by steps, between one record and the plan's max_rows. One thread.
class BatchPacer {
 public:
  BatchPacer(const Plan& plan, const BatchChoice& choice);

  const BatchLimits& limits() const { return limits_; }
  // Without a target nothing needs to be measured.
  bool adapts() const { return limits_.latency_target_ns > 0; }
  void Note(uint32_t rows, int64_t ns);
  // Once, when batches of one record are late all the same: what one takes. 0 otherwise.
  int64_t TakeMiss();

 private:
  const uint32_t most_rows_;
  const int64_t most_linger_ns_;
  const int64_t budget_ns_;  // of one batch
  BatchLimits limits_;
  int late_ = 0;  // in a row
  int64_t miss_ns_ = 0;
  bool told_ = false;
};

}  // namespace anabranch
