#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/committer.h"
#include "engine/mutex.h"
#include "engine/plan.h"
#include "engine/record_batch.h"

namespace anabranch {

// What a dead letter leaves out because its target refused it in full. Each form holds the ones before it.
struct LetterForm {
  bool no_timestamp = false;  // written without its timestamp: the target sets its own
  bool no_value = false;      // an empty value
  bool bare = false;          // both, under the record's id as key, without the record's own headers
};

// The rows that targets refused (RefusedRow) and that have not been committed in another way yet. The lane notes them
// and computes them again. A plan worker then fails them in the stage that writes them, or writes their letter in a
// smaller form. Shared by the lanes and workers of a run. Thread-safe; while there are none, a check costs one relaxed
// load.
class RefusedRows {
 public:
  static constexpr size_t kMost = 10'000;

  explicit RefusedRows(const Plan& plan) : plan_(plan) {}

  enum class Noted : uint8_t {
    kNew,
    kAgain,  // it was noted before: its writer did not check here, or its letter cannot get smaller
    kFull,
  };
  Noted Note(const RefusedRow& row);
  bool empty() const { return count_.load(std::memory_order_relaxed) == 0; }

  // Fails the active rows of `batch` that the target of this stage refused, as "refused_by_target".
  void FailRows(RecordBatch& batch, StageId stage) const;
  // How the letter of this record is to be written.
  LetterForm FormOf(const SourcePartition& partition, int64_t offset) const;
  // Everything below `next` is committed.
  void Forget(const SourcePartition& partition, int64_t next);

 private:
  struct Record {
    std::map<StageId, std::string> stages;  // why
    LetterForm letter;
  };
  using Records = std::map<int64_t, Record>;  // by offset

  static bool Shrink(RefusedRow::Why why, LetterForm* form);
  const Record* Find(const SourcePartition& partition, int64_t offset) const REQUIRES(mutex_);

  const Plan& plan_;
  std::atomic<size_t> count_{0};
  mutable Mutex mutex_;
  std::map<SourcePartition, Records> records_ GUARDED_BY(mutex_);
};

}  // namespace anabranch
