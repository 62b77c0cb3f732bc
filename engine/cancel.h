#pragma once

#include <atomic>

namespace anabranch {

// A stop that is asked for from outside; read by everything that waits. Lock-free, signal-safe.
class CancelToken {
 public:
  enum Level : int { kNone = 0, kDrain = 1, kNow = 2 };
  void Raise(Level level) {
    int seen = level_.load(std::memory_order_relaxed);
    while (seen < level && !level_.compare_exchange_weak(seen, level)) {
    }
  }
  Level level() const { return static_cast<Level>(level_.load(std::memory_order_relaxed)); }
  bool draining() const { return level() >= kDrain; }
  bool now() const { return level() >= kNow; }

 private:
  std::atomic<int> level_{kNone};
};

}  // namespace anabranch
