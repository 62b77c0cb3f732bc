#pragma once

#include <csignal>

#include "engine/cancel.h"

namespace anabranch {

// While alive, SIGINT and SIGTERM ask for a stop: the first drains, the second stops at once. A process
// that has not unwound two seconds after the second, or gets a third, ends without ado (exit code 130):
// that is as safe as SIGKILL. SIGPIPE is ignored. One at a time; restores what it found.
class StopSignals {
 public:
  explicit StopSignals(CancelToken& cancel);
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
