#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <optional>

#include "engine/strategy/wide_sum.h"

namespace anabranch {

__extension__ using WideInt = __int128;

// A sum of doubles that knows a bound of what it lost, so it can say whether its rounded value is the right one. The
// order in which values and sums are added changes neither the value nor when it is right.
struct FloatSum {
  double high = 0, low = 0;  // the sum is high + low ± lost
  double lost = 0;

  void Add(double x) {
    double error, error_of_low;
    TwoSum(high, x, &high, &error);
    TwoSum(low, error, &low, &error_of_low);
    lost += std::abs(error_of_low);
  }
  void Add(const FloatSum& other) {
    Add(other.high);
    Add(other.low);
    lost += other.lost;
  }
  // The exact sum of all values, rounded once to the nearest double, ties to even. Nothing: not known, because digits
  // cancelled, or a value or a sum on the way is not finite. Then ExactSum knows.
  std::optional<double> Rounded() const {
    if (lost == 0) {
      const double sum = high + low;
      return std::isfinite(sum) ? std::optional(sum) : std::nullopt;
    }
    // Both ends of the interval round to one double, so all that lies between does. The second term covers the rounding
    // of this line itself.
    const double slack = lost * 1.001 + std::abs(low) * 0x1p-51;
    const double least = high + (low - slack);
    const double greatest = high + (low + slack);
    return least == greatest && std::isfinite(least) ? std::optional(least) : std::nullopt;
  }
};

// Sums all doubles exactly, at some 20 times the cost: an integer wide enough for every bit that a double has.
class ExactSum {
 public:
  void Add(double x);
  // Rounded once; beyond the range of doubles infinite. Of infinite values and NaN: as IEEE 754 adds them.
  double Rounded();

 private:
  bool Normalise();
  uint64_t BitsAt(int position) const;

  // Digits of 32 bits, the lowest is worth 2^-1074. Each has room for the carries of 2^30 values.
  static constexpr int kDigits = 70;
  std::array<int64_t, kDigits> digits_ = {};
  double not_finite_ = 0;
};

// Up to 2^31 values: their sum exactly.
struct IntSum {
  int64_t high = 0, low = 0;  // high * 2^32 + low

  void Add(int64_t x) {
    high += x >> 32;
    low += x & 0xFFFFFFFF;
  }
  void Add(const IntSum& other) {
    high += other.high;
    low += other.low;
  }
  WideInt total() const { return static_cast<WideInt>(high) * (int64_t{1} << 32) + low; }
};

}  // namespace anabranch
