#pragma once

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

namespace anabranch {

// "12.5 ms": to the microsecond, without zeros at the end.
inline std::string MillisecondsText(int64_t ns) {
  const int64_t us = ns / 1000;
  char text[32];
  std::snprintf(text, sizeof text, "%g ms", static_cast<double>(us) / 1000);
  return text;
}

// A length of event time as a topology writes it: a whole number and one unit, "250ms", "30s", "5m", "1h" or "7d";
// microseconds. Nothing: it is no such text, or longer than kLongestLengthUs. Pure.
std::optional<int64_t> ParseLengthUs(std::string_view text);

// The same length in the largest unit that divides it, "90s"; `us` is one that ParseLengthUs() gave.
std::string LengthText(int64_t us);

inline constexpr int64_t kLongestLengthUs = int64_t{36'500} * 86'400'000'000;  // 36500d

}  // namespace anabranch
