#pragma once

#include <functional>

#include "engine/cancel.h"
#include "engine/mutex.h"
#include "engine/status.h"

namespace anabranch {

// Lets one scan of dead letters be at work at a time, each for 30 s at most: it is a client that reads everything. Any
// thread.
class Scans {
 public:
  // What `scan` says, which ends soon with kCancelled once its token is raised. kRetry: another one was at work for 5
  // s, or End() was called. kCancelled: it took longer than 30 s.
  Status Run(const std::function<Status(CancelToken&)>& scan);
  // The scan at work ends soon, and no other begins.
  void End();

 private:
  class Limit;
  Mutex mutex_;
  Condition changed_;
  CancelToken* at_work_ GUARDED_BY(mutex_) = nullptr;
  bool ended_ GUARDED_BY(mutex_) = false;
};

}  // namespace anabranch
