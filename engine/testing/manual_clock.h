#pragma once

#include <atomic>

#include "engine/clock.h"

namespace anabranch {

// Time that only moves when a test says so. Thread-safe.
class ManualClock : public Clock {
 public:
  int64_t NowNs() const override { return now_ns_.load(); }
  int64_t WallMs() const override { return 1'700'000'000'000 + now_ns_.load() / 1'000'000; }
  void Advance(int64_t ns) { now_ns_ += ns; }

 private:
  std::atomic<int64_t> now_ns_{1};
};

}  // namespace anabranch
