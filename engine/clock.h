#pragma once

#include <cstdint>

namespace anabranch {

inline constexpr int64_t kNsPerMs = 1'000'000;

// Time as the engine sees it; tests pass a manual one. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t NowNs() const = 0;   // monotonic
  virtual int64_t WallMs() const = 0;  // milliseconds since 1970
  static const Clock& Real();
};

}  // namespace anabranch
