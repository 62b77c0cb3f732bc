#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "engine/mutex.h"
#include "engine/plan.h"
#include "engine/record_batch.h"
#include "engine/status.h"

namespace anabranch {

// Watches the record errors of one stage, in all threads of a run: trips at the `failures`-th failed row among the last
// `rows` rows that the stage worked on, in the order in which their batches were noted. For stages whose failed rows
// become dead letters: of a flood at most failures-1 leave, over any number of restarts in which nothing changed when
// each begins with what the one before counted (Count, Resume). Thread-safe; a batch without failures costs one
// addition.
class RowBreaker {
 public:
  explicit RowBreaker(const Breaker& limits) : limits_(limits) {}

  // Notes a batch that the stage is done with; its errors are in row order. kStage, with the reason, when they trip
  // the breaker, or when it tripped before and this batch has failures too: that batch must not leave. With `batch`, a
  // record that is in the window already does not count again (its epoch was dropped and is computed anew), unless it
  // is a letter that is replayed.
  Status Note(const StageRows& rows, const RecordBatch* batch = nullptr) {
    if (!rows.errors.empty()) return NoteErrors(rows, batch);
    rows_seen_.fetch_add(rows.active_count, std::memory_order_relaxed);
    return Status::Ok();
  }

  // Failed rows among the last `rows` whose batches were not stopped, so that they may have left as dead letters.
  uint32_t Count() const;
  // Before the first Note(): `failed` such rows of an earlier process, as if the latest rows. `code` and `message`
  // stand for all of them in the text of a trip.
  void Resume(uint32_t failed, const std::string& code, const std::string& message);
  // The most frequent code of the window with its first message; empty when nothing failed.
  std::pair<std::string, std::string> Most() const;

 private:
  struct Reason {
    uint32_t count = 0;         // in the window
    std::string first_message;  // of those that brought the count up from 0
  };
  using Record = std::pair<const SourcePartition*, int64_t>;  // null: not known
  struct Failed {
    uint64_t at;  // rows_seen_ when it failed, itself included
    std::map<std::string, Reason>::iterator reason;
    Record record;
  };

  Status NoteErrors(const StageRows& rows, const RecordBatch* batch);
  // False: it is in the window already.
  bool Add(uint64_t at, const RowError& error, const Record& record) REQUIRES(mutex_);
  Status Trip(uint64_t at) const REQUIRES(mutex_);
  std::map<std::string, Reason>::const_iterator MostFrequent() const REQUIRES(mutex_);  // there is a reason

  const Breaker limits_;
  std::atomic<uint64_t> rows_seen_{0};
  mutable Mutex mutex_;
  uint32_t stopped_ GUARDED_BY(mutex_) = 0;  // of window_: rows of the batch that tripped it
  std::deque<Failed> window_ GUARDED_BY(mutex_);
  std::map<std::string, Reason> reasons_ GUARDED_BY(mutex_);  // by error code
  std::set<Record> records_ GUARDED_BY(mutex_);               // of the window
  Status tripped_ GUARDED_BY(mutex_);
};

}  // namespace anabranch
