#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/generation.h"
#include "engine/mutex.h"
#include "engine/plan.h"
#include "engine/record_batch.h"
#include "engine/strategy/arm_counts.h"

namespace anabranch {

// Counts how the arms of generations differ, for the rows of one lane: from StageRows::arms of each batch, once its
// results were handed over. What it has counted reaches Generations::Counted() when those rows are durable in every
// target, so no row is counted twice by a run that dies; what was counted and not committed is lost with it. Lane
// thread, but for Committed().
//
// Without generations with several arms it does nothing, and costs one look per stage and batch.
class ArmCounting {
 public:
  // `generations` may be null. Both outlive it.
  ArmCounting(const Plan& plan, Generations* generations);

  // The batch is in the epoch that is open now, or was in one before.
  void Count(const RecordBatch& batch);
  // The open epoch is closed: its number in the writer.
  void Closed();
  // What was counted since the last commit is computed again.
  void Forget();
  // Writer thread. The oldest closed epoch is durable.
  void Committed();

  // ... the rest is up to the implementation
};

}  // namespace anabranch
