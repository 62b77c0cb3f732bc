#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/models/control_log.h"
#include "engine/models/rollout_judge.h"
#include "engine/mutex.h"

namespace anabranch {

// What this instance has counted of the newest generations, and what the others say of them in the control log.
// Thread-safe.
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
    CountsByNode own;
    uint64_t version = 0, sent = 0;  // of `own`
  };
  struct Said {
    ControlEntry entry;
    bool read = false;
    std::string fault;
    CountsByNode counts;
  };

  const std::string instance_;
  mutable Mutex mutex_;
  std::map<uint32_t, Counting> counting_ GUARDED_BY(mutex_);  // by generation
  mutable std::map<uint32_t, std::map<std::string, Said>> said_
      GUARDED_BY(mutex_);  // by generation, instance; read when asked for
};

// The entry of one generation, without segments where it would be longer than `bytes`.
ControlEntry CountsEntry(uint32_t generation, const CountsByNode& counts, const std::string& counted_as,
                         size_t bytes = 512 * 1024);

}  // namespace anabranch
