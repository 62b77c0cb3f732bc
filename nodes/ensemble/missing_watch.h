#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <span>
#include <string>

#include "engine/mutex.h"
#include "nodes/ensemble/program.h"

namespace anabranch {

// Reports members that are missing too often, over the last `rows` records of all threads. Thread-safe. A batch in
// which no member is missing costs one addition.
class MissingWatch {
 public:
  explicit MissingWatch(std::shared_ptr<const EnsemblePlan> plan);

  // Notes one batch. `causes` holds a Cause per member and row, member-major; rows that are not active do not count.
  // Returns one sentence when a member reaches the limit: once, and again if the member recovered meanwhile. With
  // "stop" every later batch gets the sentence as well.
  std::string Note(std::span<const Cause> causes, std::span<const uint8_t> active, uint32_t active_count, bool some);

 private:
  struct Miss {
    uint64_t at;  // number of the record
    Cause cause;
  };
  struct Member {
    std::deque<Miss> window;
    bool reported = false;
  };
  void Add(Member* member, uint64_t at, Cause cause);
  std::string Describe(const Member& member, const std::string& name, uint64_t at) const;

  const std::shared_ptr<const EnsemblePlan> plan_;
  const size_t limit_;  // of records in which a member is missing
  std::atomic<uint64_t> seen_{0};
  std::atomic<bool> reported_{false};  // some member is
  Mutex mutex_;
  std::vector<Member> members_ GUARDED_BY(mutex_);
  std::string stop_ GUARDED_BY(mutex_);  // why, once a member stopped the stage
};

}  // namespace anabranch
