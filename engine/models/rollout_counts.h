#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/models/control_log.h"
#include "engine/models/rollout_judge.h"
#include "engine/mutex.h"

namespace anabranch {

// What this instance has counted of the newest generations, and what the others say of them in the control log.
// Thread-safe. Counted() comes from lanes and never waits for the others, which read and add counts of up to a
// megabyte.
class RolloutCounts {
 public:
  explicit RolloutCounts(std::string instance) : instance_(std::move(instance)) {}

  // The log has this entry (kCounts).
  void Heard(ControlEntry entry);
  // The generations that count, each with CountedAs() of its rollout; all others are let go of.
  void Keep(const std::map<uint32_t, std::string>& generations);
  // This instance was at work before: it goes on from its own last entries. Once, before Counted(). The text says what
  // was omitted and why; empty: nothing.
  std::string GoOn();
  void Counted(std::string_view node, uint32_t generation, const ArmCounts& counts);
  // Why own counts began at 0 again since this was asked; empty: they did not.
  std::string TakeFault();

  struct Sum {
    CountsByNode counts;
    int instances = 1;  // that have counted, this one included
    std::string fault;  // what was omitted, and why; empty: nothing
  };
  // Its own counts as they are now, and the last entries of the others.
  Sum SumOf(uint32_t generation) const;

  // Entries (kCounts) for what has changed since it was Sent(). The fields of the writer are the caller's.
  struct Change {
    ControlEntry entry;
    uint64_t version = 0;
  };
  std::vector<Change> Changed() const;
  void Sent(const Change& change);

 private:
  struct Counting {
    std::string counted_as;
    std::shared_ptr<const CountsByNode> own = std::make_shared<CountsByNode>();
    CountsByNode fresh;              // what came since, not in `own` yet
    uint64_t version = 0, sent = 0;  // of both
  };
  struct Folded {
    std::shared_ptr<const CountsByNode> own;
    std::string counted_as;
    uint64_t version = 0;
  };
  struct Read {
    CountsByNode counts;
    std::string fault;
  };
  struct Said {
    std::shared_ptr<const ControlEntry> entry;  // null once it is read
    uint32_t number = 0;                        // of the entry
    std::shared_ptr<const Read> read;           // null: not yet
  };
  using SaidByInstance = std::map<std::string, Said>;

  std::optional<Folded> Fold(uint32_t generation) const;
  SaidByInstance ReadOthers(uint32_t generation, const std::string& counted_as) const;

  const std::string instance_;
  mutable Mutex fold_mutex_;                                            // one at a time folds; before mutex_
  mutable Mutex mutex_;                                                 // never for long
  mutable std::map<uint32_t, Counting> counting_ GUARDED_BY(mutex_);    // by generation
  mutable std::map<uint32_t, SaidByInstance> said_ GUARDED_BY(mutex_);  // by generation; read when asked for
  mutable std::string fault_ GUARDED_BY(mutex_);
};

// How often counts are written: a thirtieth of the age of a step, at least `least_ms` and at most a minute.
inline int64_t CountsInterval(int64_t age_ms, int64_t least_ms) {
  return std::clamp(age_ms / 30, least_ms, std::max<int64_t>(least_ms, 60'000));
}

// The entry of one generation, without segments where it would be longer than `bytes`.
ControlEntry CountsEntry(uint32_t generation, const CountsByNode& counts, const std::string& counted_as,
                         size_t bytes = 512 * 1024);

}  // namespace anabranch
