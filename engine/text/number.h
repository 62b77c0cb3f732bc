#pragma once

#include <bit>
#include <cfloat>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__SSE4_1__)
#include <immintrin.h>
#endif

// The one reader of decimal numbers: JSON scalars and arrays, CSV cells, lists of numbers in a text.
// What it gives is exact: the double, and the float32, that is nearest to the decimal that was written (ties to even).
// A float32 is not the narrowed double, which may be rounded twice: see ToFloat. Up to 19 digits are gathered eight at
// a time and scaled by one exact power of ten; what that cannot decide exactly is left to std::from_chars.

namespace anabranch {

// A number, read once: the sign, the first 19 significant digits and the decimal exponent.
struct ScannedNumber {
  const char* begin = nullptr;
  const char* end = nullptr;  // first byte after the number
  uint64_t digits = 0;        // value = ±digits × 10^exponent, exact unless `cut`
  int64_t exponent = 0;
  bool negative = false;
  bool integer = false;  // neither fraction nor exponent was written
  bool cut = false;      // more than 19 digits: `digits` may not hold them
};

namespace number_detail {

inline constexpr double kPowersOfTen[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                          1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
inline constexpr uint64_t kIntegerPowers[] = {1, 10, 100, 1'000, 10'000, 100'000, 1'000'000, 10'000'000, 100'000'000};
inline constexpr int64_t kExponentLimit = 1'000'000'000'000'000;  // no text is long enough to make up for it

inline bool IsDigit(char c) { return static_cast<unsigned char>(c - '0') < 10; }

// Eight bytes from which '0' was taken, first byte lowest: the marks of those that are no digits. Marks above the
// lowest one mean nothing.
inline uint64_t NoDigits(uint64_t word) { return ((word + 0x7676767676767676) | word) & 0x8080808080808080; }

// The value of eight digits, first digit in the lowest byte.
inline uint64_t EightDigits(uint64_t word) {
  word = word * 10 + (word >> 8);
  constexpr uint64_t kPairs = 0x000000FF000000FF;
  return ((word & kPairs) * (100 + (uint64_t{1000000} << 32)) +
          ((word >> 16) & kPairs) * (1 + (uint64_t{10000} << 32))) >>
         32;
}

// Passes the digits at `p`, any number of them, and appends them to *digits. Sixteen bytes at once, without a branch on
// their number, where that many may be read.
inline const char* PassDigits(const char* p, const char* wide, uint64_t* digits) {
  if constexpr (std::endian::native == std::endian::little) {
    for (; p + 8 <= wide; p += 16) {
      uint64_t words[2];
      std::memcpy(words, p, 16);
      words[0] -= 0x3030303030303030;
      words[1] -= 0x3030303030303030;
      const uint64_t marks[2] = {NoDigits(words[0]), NoDigits(words[1])};
      const int first = marks[0] == 0 ? 8 : std::countr_zero(marks[0]) >> 3;
      const int second = marks[0] != 0 ? 0 : (marks[1] == 0 ? 8 : std::countr_zero(marks[1]) >> 3);
      // What is no digit goes out at the top, so that the digits end in the highest byte, behind zeros.
      const uint64_t head = first == 0 ? 0 : EightDigits(words[0] << (64 - 8 * first));
      const uint64_t tail = second == 0 ? 0 : EightDigits(words[1] << (64 - 8 * second));
      *digits = (*digits * kIntegerPowers[first] + head) * kIntegerPowers[second] + tail;
      if (first + second != 16) return p + first + second;
    }
  }
  while (IsDigit(*p)) *digits = *digits * 10 + static_cast<uint64_t>(*p++ - '0');
  return p;
}

}  // namespace number_detail

enum class NumberForm : uint8_t {
  kJson,   // RFC 8259
  kLoose,  // also what other tools write: "+1", ".5", "5.", "007"
};

// Reads the number at `p`; false when there is none. A byte that is neither digit, sign, dot nor e must follow the
// text within reach (JSON: the closing brace), so that no length is needed. Eight bytes may be read where they begin
// at or before `wide`.
template <NumberForm kForm = NumberForm::kJson>
inline bool ScanNumber(const char* p, ScannedNumber* out, const char* wide = nullptr) {
  using number_detail::IsDigit;
  constexpr bool kLoose = kForm == NumberForm::kLoose;
  out->begin = p;
  out->negative = *p == '-';
  if (out->negative) ++p;
  if (kLoose && *p == '+' && !out->negative) out->begin = ++p;
  const char* first = p;
  uint64_t digits = 0;
  while (IsDigit(*p)) digits = digits * 10 + static_cast<uint64_t>(*p++ - '0');
  int64_t count = p - first;
  if (!kLoose && (count == 0 || (*first == '0' && count > 1))) return false;
  int64_t exponent = 0;
  out->integer = true;
  if (*p == '.') {
    const char* fraction = ++p;
    p = number_detail::PassDigits(p, wide, &digits);
    if (!kLoose && p == fraction) return false;
    exponent = fraction - p;
    count += p - fraction;
    out->integer = false;
  }
  if (kLoose && count == 0) return false;
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

// The same for a number of at most 16 bytes that ends at `end`, without a branch on its digits; the 16 bytes before
// `end` must be readable. False also for what it leaves to ScanNumber: exponents, a plus sign, too many digits, faults.
template <NumberForm kForm = NumberForm::kJson>
[[gnu::always_inline]] inline bool ScanShort(const char* begin, const char* end, ScannedNumber* out) {
#if defined(__SSE4_1__)
  const auto length = static_cast<uint64_t>(end - begin);
  if (length - 1 >= 16) return false;
  const __m128i bytes = _mm_sub_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(end - 16)), _mm_set1_epi8('0'));
  const __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(9)), bytes);
  const uint32_t minus = *begin == '-' ? 1 : 0;
  const auto lead = static_cast<uint32_t>(16 - length);  // bytes before the number
  const uint32_t others = ((static_cast<uint32_t>(_mm_movemask_epi8(is_digit)) ^ 0xFFFF) >> lead) - minus;
  if ((others & (others - 1)) != 0) return false;
  const bool dot = others != 0;
  const auto place = static_cast<uint32_t>(dot ? std::countr_zero(others) : static_cast<int>(length));
  const uint32_t whole = place - minus;  // digits before the dot
  const auto fraction = static_cast<uint32_t>(length) - place - (dot ? 1 : 0);
  if (dot && begin[place] != '.') return false;
  if (fraction > 15) __builtin_unreachable();  // lets the compiler drop what only longer numbers need
  if constexpr (kForm == NumberForm::kLoose) {
    if (whole + fraction == 0) return false;
  } else {
    if (whole == 0 || (dot && fraction == 0) || (whole > 1 && begin[minus] == '0')) return false;
  }
  // The digits before the dot move onto it; what stands before them becomes zero.
  const __m128i lanes = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m128i to_dot = _mm_set1_epi8(static_cast<char>(dot ? lead + place + 1 : 0));
  const __m128i from = _mm_add_epi8(lanes, _mm_cmpgt_epi8(to_dot, lanes));
  const __m128i before = _mm_cmpgt_epi8(_mm_set1_epi8(static_cast<char>(lead + minus)), from);
  const __m128i digits = _mm_shuffle_epi8(bytes, _mm_or_si128(from, before));
  const __m128i pairs = _mm_maddubs_epi16(digits, _mm_set1_epi16(0x010A));
  const __m128i fours = _mm_madd_epi16(pairs, _mm_set1_epi32(0x00010064));
  const __m128i eights = _mm_madd_epi16(_mm_packus_epi32(fours, fours), _mm_set1_epi32(0x00012710));
  const auto both = static_cast<uint64_t>(_mm_cvtsi128_si64(eights));
  out->begin = begin;
  out->end = end;
  out->digits = (both & 0xFFFFFFFF) * 100'000'000 + (both >> 32);
  out->exponent = -static_cast<int64_t>(fraction);
  out->negative = minus != 0;
  out->integer = !dot;
  out->cut = false;
  return true;
#else
  return (void)begin, (void)end, (void)out, false;
#endif
}

namespace number_detail {

// The first digit that is not 0; the end of the digits when all are. *whole: how many digits from there on stand before
// the decimal point once it is where the exponent moves it; below 0: that many zeros stand between them. The number
// comes by value, here and below, so that those of the other way stay in registers.
[[gnu::noinline]] inline const char* FirstDigit(ScannedNumber number, int64_t* whole) {
  const char* p = number.begin;
  while (p != number.end && (*p == '-' || *p == '0' || *p == '.')) ++p;
  *whole = number.exponent;
  for (const char* at = p; at != number.end && *at != 'e' && *at != 'E'; ++at) *whole += *at == '.' ? 0 : 1;
  return p;
}

}  // namespace number_detail

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
  *out = number.negative ? -0.0 : 0.0;
  int64_t whole;
  number_detail::FirstDigit(number, &whole);
  return whole <= 0;  // too small for a double is 0
}

enum class IntegerFit : uint8_t { kFits, kNoInteger, kTooLarge };

namespace number_detail {

// ±digits, where an int64 holds it.
inline IntegerFit Signed(uint64_t digits, bool negative, int64_t* out) {
  constexpr uint64_t kLimit = uint64_t{1} << 63;
  if (digits > kLimit || (digits == kLimit && !negative)) return IntegerFit::kTooLarge;
  *out = static_cast<int64_t>(negative ? ~digits + 1 : digits);
  return IntegerFit::kFits;
}

// Of a number that was cut: digit by digit.
[[gnu::noinline]] inline IntegerFit LongToInt64(ScannedNumber number, int64_t* out) {
  int64_t whole;
  const char* p = FirstDigit(number, &whole);
  uint64_t digits = 0;
  bool fraction = false;
  const bool zero = p == number.end || !IsDigit(*p);
  if (!zero && whole > 19) return IntegerFit::kTooLarge;
  for (; p != number.end && *p != 'e' && *p != 'E'; ++p) {
    if (*p == '.') continue;
    if (whole-- > 0) {
      digits = digits * 10 + static_cast<uint64_t>(*p - '0');
    } else if (*p != '0') {
      fraction = true;
    }
  }
  for (; !zero && whole > 0; --whole) digits *= 10;
  const IntegerFit fit = Signed(digits, number.negative, out);
  return fit == IntegerFit::kFits && fraction ? IntegerFit::kNoInteger : fit;
}

}  // namespace number_detail

// The integer that the number is: 12, 1.0, 1.5e1.
inline IntegerFit ToInt64(const ScannedNumber& number, int64_t* out) {
  if (number.cut) return number_detail::LongToInt64(number, out);
  uint64_t digits = number.digits;
  for (int64_t e = number.exponent; e < 0 && digits != 0; ++e, digits /= 10) {
    if (digits % 10 != 0) return IntegerFit::kNoInteger;
  }
  for (int64_t e = number.exponent; e > 0 && digits != 0; --e) {
    if (digits > (uint64_t{1} << 63) / 10) return IntegerFit::kTooLarge;
    digits *= 10;
  }
  return number_detail::Signed(digits, number.negative, out);
}

// The nearest float32; false when it is too large for one. Rounding first to double and then to float32 gives another
// float32 only where the double lies exactly between two of them, or where float32 is denormal.
inline bool ToFloat(const ScannedNumber& number, float* out) {
  double value = 0;
  if (!ToDouble(number, &value)) return false;
  const auto bits = std::bit_cast<uint64_t>(value);
  const uint64_t size = bits & ~(uint64_t{1} << 63);
  const bool between = (bits & 0x1FFFFFFF) == 0x10000000;
  // One comparison for "below the least normal float32, but not zero": zeros come and go like the toss of a coin.
  const bool tiny = size - 1 < std::bit_cast<uint64_t>(double{FLT_MIN}) - 1;
  if (!between && !tiny) [[likely]] {
    *out = static_cast<float>(value);
    return std::isfinite(*out);
  }
  const std::from_chars_result result = std::from_chars(number.begin, number.end, *out);
  if (result.ec == std::errc()) return std::isfinite(*out);
  *out = number.negative ? -0.0F : 0.0F;
  return tiny;
}

}  // namespace anabranch
