#include "engine/text/json_literals.h"

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "engine/text/short_text.h"

namespace anabranch {
namespace {

// True when one of the eight bytes is a quote, a backslash or below 0x20.
bool NeedsEscape8(const char* p) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kHigh = 0x8080808080808080;
  uint64_t word = 0;
  std::memcpy(&word, p, 8);
  const auto has_zero = [](uint64_t v) { return (v - kOnes) & ~v; };
  const uint64_t quote = has_zero(word ^ (kOnes * '"'));
  const uint64_t slash = has_zero(word ^ (kOnes * '\\'));
  const uint64_t control = (word - kOnes * 0x20) & ~word;
  return ((quote | slash | control) & kHigh) != 0;
}

bool NeedsEscape(char c) { return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\'; }

#if defined(__AVX2__)
// The place of the first of 32 bytes that needs an escape; 32: none does.
size_t FirstEscape32(const char* p) {
  const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  const __m256i quote = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('"'));
  const __m256i slash = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\\'));
  const __m256i control = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1F)), bytes);
  const __m256i any = _mm256_or_si256(_mm256_or_si256(quote, slash), control);
  return static_cast<size_t>(std::countr_zero(static_cast<uint32_t>(_mm256_movemask_epi8(any))));
}
#endif

// How many bytes stand before the first that needs an escape.
size_t PlainPrefix(std::string_view text) {
  size_t i = 0;
#if defined(__AVX2__)
  for (; i + 32 <= text.size(); i += 32) {
    const size_t found = FirstEscape32(text.data() + i);
    if (found != 32) return i + found;
  }
#endif
  while (i + 8 <= text.size() && !NeedsEscape8(text.data() + i)) i += 8;
  while (i < text.size() && !NeedsEscape(text[i])) ++i;
  return i;
}

void AppendEscape(std::string* out, char c) {
  switch (c) {
    case '"': *out += "\\\""; return;
    case '\\': *out += "\\\\"; return;
    case '\n': *out += "\\n"; return;
    case '\r': *out += "\\r"; return;
    case '\t': *out += "\\t"; return;
    case '\b': *out += "\\b"; return;
    case '\f': *out += "\\f"; return;
    default: break;
  }
  constexpr char kHex[] = "0123456789abcdef";
  *out += "\\u00";
  out->push_back(kHex[(c >> 4) & 0xF]);
  out->push_back(kHex[c & 0xF]);
}

// Shortest digits that read back as the value; no exponent from 1e-6 up to 1e21, where people expect none.
template <typename T>
void AppendFloat(std::string* out, T value) {
  if (!std::isfinite(value)) {
    *out += "null";
    return;
  }
  std::array<char, 64> text;
  char* const end = text.data() + text.size();
  if (const char* short_end = ShortText(value, text.data())) {
    out->append(text.data(), static_cast<size_t>(short_end - text.data()));
    return;
  }
  const T size = std::fabs(value);
  const bool plain = (size >= T(1e-6) && size < T(1e21)) || size == 0;
  const std::to_chars_result result =
      plain ? std::to_chars(text.data(), end, value, std::chars_format::fixed) : std::to_chars(text.data(), end, value);
  out->append(text.data(), static_cast<size_t>(result.ptr - text.data()));
}

}  // namespace

void AppendJsonString(std::string* out, std::string_view text) {
  out->push_back('"');
  while (true) {
    const size_t plain = PlainPrefix(text);
    out->append(text.data(), plain);
    if (plain == text.size()) break;
    AppendEscape(out, text[plain]);
    text.remove_prefix(plain + 1);
  }
  out->push_back('"');
}

void AppendJsonNumber(std::string* out, double value) { AppendFloat(out, value); }

void AppendJsonNumber(std::string* out, float value) { AppendFloat(out, value); }

void AppendJsonNumber(std::string* out, int64_t value) {
  std::array<char, 24> text;
  const std::to_chars_result result = std::to_chars(text.data(), text.data() + text.size(), value);
  out->append(text.data(), static_cast<size_t>(result.ptr - text.data()));
}

}  // namespace anabranch
