#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/mutex.h"
#include "engine/plan.h"
#include "engine/record_batch.h"
#include "engine/run/run_counts.h"

namespace anabranch {

// What the stages of a run did, added up once per batch. Thread-safe.
class Counters {
 public:
  explicit Counters(const Plan& plan);

  // What a finished batch's stages did, to be added, and taken back when the batch is dropped uncommitted.
  static constexpr size_t kNumbers = 11;
  using Reasons = std::map<std::string, StageCounts::Reason>;  // by error code
  struct StageNumbers {
    std::array<int64_t, kNumbers> numbers{};
    std::vector<int64_t> tally;
    Reasons reasons;
  };
  using BatchCounts = std::vector<StageNumbers>;  // by StageId; empty: nothing to count
  BatchCounts Of(const RecordBatch& batch) const;
  void Add(const BatchCounts& counts, int64_t times = 1);
  void AddRead(int64_t rows) { rows_read_.fetch_add(rows, std::memory_order_relaxed); }
  // Once per epoch.
  void AddCommitted(int64_t rows) {
    rows_committed_.fetch_add(rows, std::memory_order_relaxed);
    epochs_.fetch_add(1, std::memory_order_relaxed);
  }
  RunSnapshot Snapshot(int64_t elapsed_ns) const;

 private:
  // In the order of StageCounts: invocations, rows_in, rows_out, filtered, skipped, failed, dead_lettered, retried,
  // busy_ns, missed, defaulted.
  struct Stage {
    std::array<std::atomic<int64_t>, kNumbers> numbers{};
    std::vector<std::string> tally_names;
    std::unique_ptr<std::atomic<int64_t>[]> tallies;
  };
  static Reasons ReasonsOf(const std::vector<RowError>& errors);
  void AddReasons(size_t stage, const Reasons& added, int64_t times);

  const Plan& plan_;
  std::vector<Stage> stages_;
  mutable Mutex mutex_;
  std::vector<Reasons> reasons_ GUARDED_BY(mutex_);  // by StageId
  std::atomic<int64_t> rows_read_{0};
  std::atomic<int64_t> rows_committed_{0};
  std::atomic<int64_t> epochs_{0};
};

}  // namespace anabranch
