#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/generation_record.h"
#include "engine/mutex.h"
#include "nodes/infer/model_runner.h"

namespace anabranch {

// A version of a model, bound to a node.
struct BoundVersion {
  BoundVersion(std::string name, std::shared_ptr<const InferPlan> plan)
      : digest(std::move(name)), loader(std::move(plan)) {}

  const std::string digest;
  ModelLoader loader;
};

// Which versions score the rows of a generation. Immutable.
struct VersionTable {
  struct Entry {
    GenerationId from;  // its own number; it holds up to the next entry
    // The arms of `record`; the first one serves. Empty: rows of these generations do not come any more.
    std::vector<std::shared_ptr<BoundVersion>> arms;
    GenerationRecord record = {};

    ArmRule rule() const { return record.rule; }
    // Several arms may answer a row.
    bool divides() const { return rule() == ArmRule::kCanary || rule() == ArmRule::kBandit; }
    // The record's own time says which arm scores it. No other one does.
    bool has_cut() const { return rule() == ArmRule::kEventTime; }
    // The arm that scores a record of this time, in milliseconds since 1970; -1: it has none.
    size_t ArmAt(int64_t time_ms) const { return time_ms >= 0 && time_ms < (record.from_time + 999) / 1000 ? 0 : 1; }
  };
  std::vector<Entry> entries;  // ascending; the first one is from 0 on

  const Entry& At(GenerationId generation) const;
};

// After models were unloaded.
void GiveMemoryBack();

// The versions that one open node holds. Another thread hands new ones over and takes old ones back; it never makes
// the node wait, and a change reaches the node between two batches.
class VersionShelf {
 public:
  struct Loaded {
    std::shared_ptr<BoundVersion> version;
    std::unique_ptr<ModelRunner> runner;
  };

  // ---- the node's thread
  // Between these two calls nothing changes here.
  void BeginBatch();
  void EndBatch();
  const VersionTable& table() const { return *table_; }  // valid between these two calls
  // Whether the newest generation has a shadow. Any thread.
  bool shadows() const { return shadows_.load(std::memory_order_relaxed); }
  // Null: it is not loaded here.
  ModelRunner* Find(const BoundVersion& version) const;
  void Add(Loaded loaded) { loaded_.push_back(std::move(loaded)); }

  // ---- another thread
  void Put(Loaded loaded);
  void SetTable(std::shared_ptr<const VersionTable> table);
  // Unloads all but `used`: their sessions end with what this returns. Waits for the end of the batch that the node
  // works on, but not long: a node that takes longer unloads them itself after that batch.
  std::vector<Loaded> TakeBack(std::vector<std::shared_ptr<BoundVersion>> used);

 private:
  void ApplyChanges() REQUIRES(mutex_);
  void GiveUpUnused() REQUIRES(mutex_);

  // Changed by the node's thread, or by another one while the node is between two batches and the mutex is held.
  std::shared_ptr<const VersionTable> table_;
  std::vector<Loaded> loaded_;
  std::atomic<bool> shadows_ = false;

  Mutex mutex_;
  bool at_work_ GUARDED_BY(mutex_) = false;
  Condition took_back_;
  bool take_back_ GUARDED_BY(mutex_) = false;
  bool awaited_ GUARDED_BY(mutex_) = false;  // TakeBack() returns what is in `old_`
  std::vector<std::shared_ptr<BoundVersion>> used_ GUARDED_BY(mutex_);
  std::shared_ptr<const VersionTable> new_table_ GUARDED_BY(mutex_);
  std::vector<Loaded> new_ GUARDED_BY(mutex_);
  std::vector<Loaded> old_ GUARDED_BY(mutex_);
};

}  // namespace anabranch
