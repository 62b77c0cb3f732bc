#pragma once

#include <cstdint>
#include <vector>

#include "engine/ids.h"
#include "engine/mutex.h"

namespace anabranch {

// The order in which the batches of one lane pass its keyed stages: that in which they were read, whatever threads
// compute them. A batch passes each keyed stage exactly once, in the order of the plan.
//
// No deadlock: batches are given to threads in that order, so the oldest that has not passed a stage is always at work
// on it or above it, and waits for nobody. A batch that fails breaks the row: those behind it are not to pass.
// Thread-safe.
class Turns {
 public:
  explicit Turns(size_t stages) : next_(stages, 1) {}

  // Waits until every batch before `sequence` has passed `stage`. False: one of them failed.
  bool Enter(StageId stage, uint64_t sequence);
  // The batch that entered has passed.
  void Pass(StageId stage, uint64_t sequence);
  // A batch failed: nothing that waits, or comes, passes any stage.
  void Break();
  // Nobody waits: the next batch to pass is `sequence`.
  void Begin(uint64_t sequence);

 private:
  Mutex mutex_;
  Condition changed_;
  std::vector<uint64_t> next_ GUARDED_BY(mutex_);  // by stage
  bool broken_ GUARDED_BY(mutex_) = false;
};

}  // namespace anabranch
