#pragma once

#include <chrono>
#include <cstdint>
#include <random>

#include "engine/cancel.h"

namespace anabranch {

// The pauses between tries of one thing: `first`, doubled each time up to `last`, each off by up to a fifth, so that
// threads that failed together do not come back together. One thread.
class Backoff {
 public:
  using Duration = std::chrono::nanoseconds;
  static constexpr double kJitter = 0.2;

  Backoff(Duration first, Duration last);
  Backoff(Duration first, Duration last, uint64_t seed);

  // The next pause, for those who wait on something of their own.
  Duration Next();
  // Sleeps the next pause. False, within some milliseconds, when a stop (a drain too) is asked for.
  bool Wait(const CancelToken& cancel);

 private:
  Duration base_;
  Duration last_;
  std::minstd_rand random_;
};

}  // namespace anabranch
