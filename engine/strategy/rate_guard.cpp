#include "engine/strategy/rate_guard.h"

#include <algorithm>
#include <bit>
#include <cmath>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace anabranch {
RateGuard::RateGuard(double limit, double farthest) : limit_(limit) {
  const double odds = limit / (1 - limit);
  const auto bet = [&](double factor) {
    const double rate = odds * factor / (1 + odds * factor);
    return Bet{std::log(rate / limit), -std::log1p(odds * factor) - std::log1p(-limit)};
  };
  for (size_t i = 0; i < kGrid; ++i) {
    const double factor = std::pow(farthest, static_cast<double>(i + 1) / kGrid);
    above_[i] = bet(factor);
    below_[i] = bet(1 / factor);
  }
}

double RateGuard::LogMean(const Grid& grid, int64_t units, int64_t events) {
  std::array<double, kGrid> stakes;
  for (size_t i = 0; i < kGrid; ++i) {
    stakes[i] = grid[i].hit * static_cast<double>(events) + grid[i].miss * static_cast<double>(units - events);
  }
  const double largest = *std::max_element(stakes.begin(), stakes.end());
  double sum = 0;
  for (const double stake : stakes) sum += std::exp(stake - largest);
  return largest + std::log(sum / kGrid);
}

double RateGuard::LogAbove(int64_t units, int64_t events) const { return LogMean(above_, units, events); }
double RateGuard::LogBelow(int64_t units, int64_t events) const { return LogMean(below_, units, events); }

KeyWindow::KeyWindow(size_t size) : size_(std::max<size_t>(size, 1)), slots_(std::bit_ceil(2 * size_)) {}

void KeyWindow::Step() {
  if (rows_ == size_) {
    rows_ = 0;
    if (++window_ == 0) {
      std::fill(slots_.begin(), slots_.end(), Slot());
      window_ = 1;
    }
  }
  ++rows_;
}

bool KeyWindow::IsFirst(std::string_view key) {
  Step();
  const uint64_t hash = XXH3_64bits(key.data(), key.size());
  for (size_t at = hash;; ++at) {
    Slot& slot = slots_[at & (slots_.size() - 1)];
    if (slot.window != window_) {
      slot = {hash, window_};
      return true;
    }
    if (slot.hash == hash) return false;
  }
}

}  // namespace anabranch
