#include "engine/state/rolling/exact_sum.h"

#include <bit>
#include <limits>

namespace anabranch {
namespace {

__extension__ using WideBits = unsigned __int128;

constexpr int kLeastExponent = -1074;

}  // namespace

void ExactSum::Add(double x) {
  if (!std::isfinite(x)) {
    not_finite_ += x;
    return;
  }
  const auto bits = std::bit_cast<uint64_t>(x);
  const auto exponent = static_cast<int>(bits >> 52 & 0x7FF);
  const uint64_t fraction = bits & ((uint64_t{1} << 52) - 1);
  const uint64_t mantissa = exponent == 0 ? fraction : fraction | uint64_t{1} << 52;
  const int position = exponent == 0 ? 0 : exponent - 1;
  auto shifted = static_cast<WideBits>(mantissa) << (position % 32);
  const int64_t sign = x < 0 ? -1 : 1;
  for (int digit = position / 32; shifted != 0; ++digit, shifted >>= 32) {
    digits_[digit] += sign * static_cast<int64_t>(static_cast<uint32_t>(shifted));
  }
}

// Makes every digit one of 0 to 2^32 - 1, of the absolute value. True: the sum is negative.
bool ExactSum::Normalise() {
  const auto carry_on = [this] {
    int64_t carry = 0;
    for (int64_t& digit : digits_) {
      const int64_t value = digit + carry;
      carry = value >> 32;
      digit = value & 0xFFFFFFFF;
    }
    return carry;
  };
  if (carry_on() >= 0) return false;
  for (int64_t& digit : digits_) digit = -digit;
  // What was negative is -2^(32 * kDigits) + digits; its negative needs no carry out.
  carry_on();
  return true;
}

// 53 bits, the lowest at `position`.
uint64_t ExactSum::BitsAt(int position) const {
  const int digit = position / 32;
  WideBits bits = 0;
  for (int i = 2; i >= 0; --i)
    bits = bits << 32 | (digit + i < kDigits ? static_cast<uint64_t>(digits_[digit + i]) : 0);
  return static_cast<uint64_t>(bits >> (position % 32)) & ((uint64_t{1} << 53) - 1);
}

double ExactSum::Rounded() {
  if (not_finite_ != 0) return not_finite_;  // NaN is not 0 either
  const bool negative = Normalise();
  int top = kDigits - 1;
  while (top >= 0 && digits_[top] == 0) --top;
  if (top < 0) return 0;
  const int highest = top * 32 + 31 - std::countl_zero(static_cast<uint32_t>(digits_[top]));
  const int lowest = highest < 53 ? 0 : highest - 52;
  uint64_t mantissa = BitsAt(lowest);
  if (lowest > 0) {
    const int half = lowest - 1;
    const bool above_half = (digits_[half / 32] >> (half % 32) & 1) != 0;
    bool below = (digits_[half / 32] & ((int64_t{1} << (half % 32)) - 1)) != 0;
    for (int digit = 0; digit < half / 32 && !below; ++digit) below = digits_[digit] != 0;
    if (above_half && (below || (mantissa & 1) != 0)) ++mantissa;
  }
  const double size = std::ldexp(static_cast<double>(mantissa), lowest + kLeastExponent);
  return negative ? -size : size;
}

}  // namespace anabranch
