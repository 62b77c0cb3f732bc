#pragma once

#include <memory>
#include <string>
#include <utility>

#include "engine/models/control_log.h"
#include "engine/models/control_state.h"
#include "engine/mutex.h"

namespace anabranch {

// A control log and what its entries come to so far, for several threads. It has the log for itself: a reader that
// others move about begins anew each time.
class ControlView {
 public:
  explicit ControlView(std::unique_ptr<ControlLog> log) : log_(std::move(log)) {}

  // What `look` returns of the state. It must not wait.
  template <typename F>
  auto Look(const F& look) const {
    const MutexLock lock(mutex_);
    return look(std::as_const(state_));
  }
  // Reads what is there; waits up to `wait_ms` for something new.
  Status ReadOn(int wait_ms) {
    const MutexLock reading(read_mutex_);
    const uint32_t last = Look([](const ControlState& state) { return state.last(); });
    ASSIGN_OR_RETURN(const std::vector<ControlEntry> entries, log_->Read(last, wait_ms));
    const MutexLock lock(mutex_);
    for (const ControlEntry& entry : entries) {
      if (entry.number > state_.last()) state_.Apply(entry);
    }
    return Status::Ok();
  }
  Result<uint32_t> Append(const ControlEntry& entry) { return log_->Append(entry); }
  std::string Describe() const { return log_->Describe(); }

 private:
  const std::unique_ptr<ControlLog> log_;
  Mutex read_mutex_;  // before mutex_
  mutable Mutex mutex_;
  ControlState state_ GUARDED_BY(mutex_);
};

}  // namespace anabranch
