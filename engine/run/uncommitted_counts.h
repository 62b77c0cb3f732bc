#pragma once

#include <cstdint>
#include <deque>

#include "engine/mutex.h"
#include "engine/record_batch.h"
#include "engine/run/counters.h"

namespace anabranch {

// What one lane has counted of batches that are not committed. A record is counted by the run that commits it, so the
// counts of dropped batches are taken back. Thread-safe.
class UncommittedCounts {
 public:
  explicit UncommittedCounts(Counters& counters) : counters_(counters) {}

  // Counts what the stages did with a batch. It completes `rows` source rows; of these `read` were counted as read.
  void Add(int64_t rows, int64_t read, const RecordBatch& batch);
  // The oldest batches, with `rows` source rows, are committed: their counts stand.
  void Commit(int64_t rows);
  void TakeBack();

 private:
  struct Counted {
    int64_t rows = 0, read = 0;
    Counters::BatchCounts counts;
  };

  Counters& counters_;
  Mutex mutex_;
  std::deque<Counted> counted_ GUARDED_BY(mutex_);  // in the order of the batches
};

}  // namespace anabranch
