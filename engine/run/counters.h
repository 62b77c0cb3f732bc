#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/plan.h"
#include "engine/record_batch.h"
#include "engine/run/runner.h"

namespace anabranch {

// What the stages of a run did, added up once per batch. Thread-safe.
class Counters {
 public:
  explicit Counters(const Plan& plan);

  // Adds a finished batch's stage states.
  void Add(const RecordBatch& batch);
  void AddRead(int64_t rows) { rows_read_.fetch_add(rows, std::memory_order_relaxed); }
  void AddCommitted(int64_t rows) { rows_committed_.fetch_add(rows, std::memory_order_relaxed); }
  RunSnapshot Snapshot(int64_t elapsed_ns) const;

 private:
  struct Stage {
    std::atomic<int64_t> invocations{0}, rows_in{0}, rows_out{0}, filtered{0}, skipped{0}, failed{0}, dead_lettered{0},
        retried{0}, busy_ns{0}, missed{0}, defaulted{0};
    std::vector<std::string> tally_names;
    std::unique_ptr<std::atomic<int64_t>[]> tallies;
  };
  const Plan& plan_;
  std::vector<Stage> stages_;
  std::atomic<int64_t> rows_read_{0};
  std::atomic<int64_t> rows_committed_{0};
};

}  // namespace anabranch
