#pragma once

#include <csignal>

#include "engine/cancel.h"

namespace anabranch {

// While an object exists, SIGINT and SIGTERM request a stop: the first drains, the second stops at once. With `at_once`
// the first counts as the second. A process that has not ended two seconds after the second, or gets a third, exits
// immediately (exit code 130), which is as safe as SIGKILL. SIGPIPE is ignored. One object at a time; restores the
// previous handlers.
class StopSignals {
 public:
  explicit StopSignals(CancelToken& cancel, bool at_once = false);
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  int seen() const;

 private:
  struct sigaction old_int_{};
  struct sigaction old_term_{};
  struct sigaction old_alarm_{};
  struct sigaction old_pipe_{};
};

}  // namespace anabranch
