#pragma once

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace anabranch {

// A number as RFC 8259 writes it, read once: the sign, the first 19 significant digits and the decimal exponent.
struct ScannedNumber {
  const char* begin = nullptr;
  const char* end = nullptr;  // first byte after the number
  uint64_t digits = 0;        // value = ±digits × 10^exponent, exact unless `cut`
  int64_t exponent = 0;
  bool negative = false;
  bool integer = false;  // neither fraction nor exponent was written
  bool cut = false;      // more than 19 digits: only ToDouble is right
};

namespace number_detail {

inline constexpr double kPowersOfTen[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                          1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
inline constexpr int64_t kExponentLimit = 1'000'000;  // beyond it every number is 0 or too large

inline bool IsDigit(char c) { return static_cast<unsigned char>(c - '0') < 10; }

// Eight digits at once, first digit in the lowest byte; false when one of the bytes is no digit.
inline bool EightDigits(const char* p, uint64_t* value) {
  if constexpr (std::endian::native != std::endian::little) return false;
  uint64_t word = 0;
  std::memcpy(&word, p, 8);
  const uint64_t above = word + 0x4646464646464646;
  word -= 0x3030303030303030;
  if (((above | word) & 0x8080808080808080) != 0) return false;
  word = word * 10 + (word >> 8);
  constexpr uint64_t kPairs = 0x000000FF000000FF;
  *value =
      ((word & kPairs) * (100 + (uint64_t{1000000} << 32)) + ((word >> 16) & kPairs) * (1 + (uint64_t{10000} << 32))) >>
      32;
  return true;
}

}  // namespace number_detail

// Reads the number at `p`; false when there is none. A byte that is neither digit, sign, dot nor e must follow the
// text within reach (JSON: the closing brace), so that no length is needed. Eight bytes may be read where they begin
// at or before `wide`.
inline bool ScanNumber(const char* p, ScannedNumber* out, const char* wide = nullptr) {
  using number_detail::IsDigit;
  out->begin = p;
  out->negative = *p == '-';
  if (out->negative) ++p;
  const char* first = p;
  uint64_t digits = 0;
  while (IsDigit(*p)) digits = digits * 10 + static_cast<uint64_t>(*p++ - '0');
  int64_t count = p - first;
  if (count == 0 || (*first == '0' && count > 1)) return false;
  int64_t exponent = 0;
  out->integer = true;
  if (*p == '.') {
    const char* fraction = ++p;
    for (uint64_t eight = 0; p <= wide && number_detail::EightDigits(p, &eight); p += 8)
      digits = digits * 100'000'000 + eight;
    while (IsDigit(*p)) digits = digits * 10 + static_cast<uint64_t>(*p++ - '0');
    if (p == fraction) return false;
    exponent = fraction - p;
    count += p - fraction;
    out->integer = false;
  }
  if (*p == 'e' || *p == 'E') {
    ++p;
    const bool down = *p == '-';
    if (*p == '-' || *p == '+') ++p;
    if (!IsDigit(*p)) return false;
    int64_t written = 0;
    for (; IsDigit(*p); ++p) {
      if (written < number_detail::kExponentLimit) written = written * 10 + (*p - '0');
    }
    exponent += down ? -written : written;
    out->integer = false;
  }
  out->end = p;
  out->digits = digits;
  out->exponent = exponent;
  out->cut = count > 19;
  return true;
}

// The nearest double; false when it is too large for one.
inline bool ToDouble(const ScannedNumber& number, double* out) {
  using number_detail::kPowersOfTen;
  const bool exact = !number.cut && number.digits <= (uint64_t{1} << 53);
  if (exact && number.exponent >= -22 && number.exponent <= 22) {
    double value = static_cast<double>(number.digits);
    if (number.exponent < 0) {
      value /= kPowersOfTen[-number.exponent];
    } else {
      value *= kPowersOfTen[number.exponent];
    }
    *out = number.negative ? -value : value;
    return true;
  }
  const std::from_chars_result result = std::from_chars(number.begin, number.end, *out);
  if (result.ec == std::errc()) return std::isfinite(*out);
  const bool tiny = number.exponent + (number.end - number.begin) < 0;  // a number too small for a double is 0
  *out = number.negative ? -0.0 : 0.0;
  return tiny;
}

enum class IntegerFit : uint8_t { kFits, kNoInteger, kTooLarge };

// The integer that the number is: 12, 1.0, 1.5e1.
inline IntegerFit ToInt64(const ScannedNumber& number, int64_t* out) {
  constexpr uint64_t kLimit = uint64_t{1} << 63;
  if (number.cut) {
    double value = 0;
    if (!ToDouble(number, &value) || std::fabs(value) >= 0x1p63) return IntegerFit::kTooLarge;
    if (value != std::trunc(value)) return IntegerFit::kNoInteger;
    if (std::fabs(value) > 0x1p53) return IntegerFit::kTooLarge;
    *out = static_cast<int64_t>(value);
    return IntegerFit::kFits;
  }
  uint64_t digits = number.digits;
  for (int64_t e = number.exponent; e < 0 && digits != 0; ++e, digits /= 10) {
    if (digits % 10 != 0) return IntegerFit::kNoInteger;
  }
  for (int64_t e = number.exponent; e > 0 && digits != 0; --e) {
    if (digits > kLimit / 10) return IntegerFit::kTooLarge;
    digits *= 10;
  }
  if (digits > kLimit || (digits == kLimit && !number.negative)) return IntegerFit::kTooLarge;
  *out = static_cast<int64_t>(number.negative ? ~digits + 1 : digits);
  return IntegerFit::kFits;
}

// The nearest float32 of a double; false when it is too large for one.
inline bool ToFloat(double value, float* out) {
  *out = static_cast<float>(value);
  return std::isfinite(*out) || !std::isfinite(value);
}

}  // namespace anabranch
