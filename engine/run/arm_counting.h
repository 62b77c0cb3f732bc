#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/arm_scores.h"
#include "engine/generation.h"
#include "engine/mutex.h"
#include "engine/plan.h"
#include "engine/record_batch.h"
#include "engine/run/compared_cells.h"
#include "engine/run/written_rows.h"
#include "engine/strategy/arm_counts.h"
#include "engine/strategy/arm_rules.h"

namespace anabranch {

// Counts how the arms of generations differ, for the rows of one lane: from StageRows::arms of each batch, once its
// results were handed over. What it has counted reaches Generations::Counted() when those rows are durable in every
// target, so no row is counted twice by a run that dies; what was counted and not committed is lost with it. Lane
// thread, but for Committed().
//
// A guard counts the paired rows that it can judge. kErrors: those that the serving version answered. The others: those
// that both arms answered; kSlower also needs both times. One call of a model times all rows of a batch, so for kSlower
// a batch is one unit.
//
// Without generations with several arms it does nothing, and costs one look per stage and batch.
class ArmCounting {
 public:
  // `generations` may be null. Both outlive it.
  ArmCounting(const Plan& plan, Generations* generations) : plan_(plan), generations_(generations) {}

  // The batch is in the epoch that is open now, or, `closed`, in the one that was closed last. Rows that were taken up
  // from kept results, and those that all targets had before, are not counted.
  void Count(const RecordBatch& batch, const WrittenRows& written, bool closed = false);
  // The open epoch is about to be closed.
  void Closed();
  // What was counted since the last commit is computed again.
  void Forget();
  // Writer thread. The oldest closed epoch is durable.
  void Committed();

 private:
  using Place = std::pair<StageId, GenerationId>;
  // How the rows of one generation are counted in one stage.
  struct Counter {
    std::shared_ptr<const ArmRules> rules;  // null: they are not
    std::vector<ColumnId> segment;          // columns of that name: one for each source that has it
    KeyWindow keys;
    std::unique_ptr<ArmCounts> open;  // of the open epoch; null: nothing
  };
  struct Epoch {
    std::vector<std::pair<Place, std::unique_ptr<ArmCounts>>> counts;
  };

  Epoch TakeOpen();
  void Report(const Epoch& epoch) const;
  void CountInClosed();
  Counter& CounterOf(Place place);
  bool IsCounted(const RecordBatch& batch, const ArmScores& arms, uint32_t row, size_t arm_count) const;
  void CountArms(const RecordBatch& batch, StageId stage, const ArmScores& arms);
  void CountPairs(const RecordBatch& batch, const StageRows& rows, const ArmScores& arms, Counter* counter);
  void ReadPair(const RecordBatch& batch, const StageRows& rows, const ArmScores& arms, uint32_t row,
                std::span<const CompareSpec::Output> outputs);
  static std::span<const ComparedValue> Read(const RecordBatch& batch, const ArmScores& arms, uint32_t row,
                                             bool answered, std::span<const CompareSpec::Output> outputs,
                                             ComparedCells* cells);
  void CountGuards(const RecordBatch& batch, uint32_t row, Counter* counter);
  bool IsEvent(const RolloutSpec::Guard& guard) const;

  const Plan& plan_;
  Generations* const generations_;
  std::map<Place, Counter> counters_;
  const WrittenRows* written_ = nullptr;  // while a batch is counted, where some of its rows were written before
  // Of the row that is counted.
  ComparedRow pair_;
  std::string id_, segment_;
  ComparedCells serving_, candidate_;
  bool timed_ = false;  // a row of this batch was

  Mutex mutex_;
  std::deque<Epoch> closed_ GUARDED_BY(mutex_);
};

}  // namespace anabranch
