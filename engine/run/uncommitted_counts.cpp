#include "engine/run/uncommitted_counts.h"

#include <utility>

namespace anabranch {

void UncommittedCounts::Add(int64_t rows, int64_t read, const RecordBatch& batch) {
  Counted counted{rows, read, counters_.Of(batch)};
  counters_.Add(counted.counts);
  const MutexLock lock(mutex_);
  counted_.push_back(std::move(counted));
}

void UncommittedCounts::Commit(int64_t rows) {
  counters_.AddCommitted(rows);
  const MutexLock lock(mutex_);
  for (int64_t left = rows; left > 0 && !counted_.empty(); counted_.pop_front()) left -= counted_.front().rows;
}

void UncommittedCounts::TakeBack() {
  const MutexLock lock(mutex_);
  for (const Counted& counted : counted_) {
    counters_.Add(counted.counts, -1);
    counters_.AddRead(-counted.read);
  }
  counted_.clear();
}

}  // namespace anabranch
