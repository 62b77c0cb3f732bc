#include "engine/text/short_text.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace anabranch {
namespace {

constexpr uint64_t kIntegerPowers[] = {
    1,         10,         100,         1'000,         10'000,         100'000,
    1'000'000, 10'000'000, 100'000'000, 1'000'000'000, 10'000'000'000, 100'000'000'000};
constexpr double kBounds[] = {1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
constexpr double kPowers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12};

// Digits of `value` that end before `end`; returns where they begin.
char* PutBackwards(uint64_t value, char* end) {
  do {
    *--end = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  return end;
}

// digits / 10^places, without zeros at the end of a fraction.
char* Put(bool negative, uint64_t digits, int places, char* out) {
  while (places > 0 && digits % 10 == 0) {
    digits /= 10;
    --places;
  }
  const uint64_t whole = digits / kIntegerPowers[places];
  uint64_t fraction = digits % kIntegerPowers[places];
  char text[32];
  char* const end = text + sizeof text;
  char* begin = end;
  if (places > 0) {
    for (int i = 0; i < places; ++i, fraction /= 10) *--begin = static_cast<char>('0' + fraction % 10);
    *--begin = '.';
  }
  begin = PutBackwards(whole, begin);
  if (negative) *--begin = '-';
  std::memcpy(out, begin, static_cast<size_t>(end - begin));
  return out + (end - begin);
}

}  // namespace

// A decimal of six digits that reads back as the float is the only one of at most six that does; so without the zeros
// at its end it is the shortest. Otherwise the least number of digits that does, rounded to nearest. All products are
// exact: 25 bits of a float or of a border between two, times 10^12 at most, which has 28 bits beside its twos.
char* ShortText(float value, char* out) {
  const double size = std::fabs(static_cast<double>(value));
  if (size == 0) return Put(std::signbit(value), 0, 0, out);
  if (!(size >= 1e-3 && size < 1e6)) return nullptr;
  int before = -2;  // digits before the point; below 1: minus the zeros behind it
  while (size >= kBounds[before + 2]) ++before;
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const bool power_of_two = (bits & 0x7FFFFF) == 0;
  // Half the way to the next float; below a power of two they lie twice as close.
  const uint64_t exponent = (bits >> 23 & 0xFF) + (1023 - 127 - 24) - (power_of_two ? 1 : 0);
  const auto half = std::bit_cast<double>(exponent << 52);
  for (int count = 6; count <= 9; ++count) {
    const int places = count - before;
    const double scaled = size * kPowers[places];
    const double rounded = std::nearbyint(scaled);
    const double distance = std::fabs(scaled - rounded);
    const double border = half * kPowers[places];
    if (distance == 0.5 || distance == border) return nullptr;
    if (distance < border) return Put(std::signbit(value), static_cast<uint64_t>(rounded), places, out);
    if (power_of_two) return nullptr;
  }
  return nullptr;
}

// Decimals of at most 15 digits are all different doubles: the one that reads back is the only one.
char* ShortText(double value, char* out) {
  const double size = std::fabs(value);
  if (!(size < 1e11)) return nullptr;
  const double digits = std::nearbyint(size * 1e4);
  if (digits / 1e4 != size) return nullptr;
  return Put(std::signbit(value), static_cast<uint64_t>(digits), 4, out);
}

}  // namespace anabranch
