#include "engine/run/backoff.h"

#include <algorithm>
#include <atomic>
#include <thread>

namespace anabranch {
namespace {

constexpr std::chrono::milliseconds kSlice{10};  // a token cannot wake a sleeper

uint64_t FreshSeed() {
  static std::atomic<uint64_t> count{0};
  return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()) + 7919 * ++count;
}

}  // namespace

Backoff::Backoff(Duration first, Duration last) : Backoff(first, last, FreshSeed()) {}

Backoff::Backoff(Duration first, Duration last, uint64_t seed)
    : base_(std::min(first, last)), last_(last), random_(static_cast<uint32_t>(seed ^ (seed >> 32))) {}

Backoff::Duration Backoff::Next() {
  const double factor = std::uniform_real_distribution<double>(1 - kJitter, 1 + kJitter)(random_);
  const Duration pause{static_cast<int64_t>(static_cast<double>(base_.count()) * factor)};
  base_ = base_ > last_ / 2 ? last_ : base_ * 2;
  return pause;
}

bool Backoff::Wait(const CancelToken& cancel) {
  const auto until = std::chrono::steady_clock::now() + Next();
  while (!cancel.draining()) {
    const auto left = until - std::chrono::steady_clock::now();
    if (left <= Duration::zero()) return true;
    std::this_thread::sleep_for(std::min<Duration>(left, kSlice));
  }
  return false;
}

}  // namespace anabranch
