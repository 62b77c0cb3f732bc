#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

namespace anabranch {

// Figures in sentences for people.

// "12,345".
inline std::string Grouped(int64_t number) {
  std::string text = std::to_string(number);
  for (size_t at = text.size(); at > 3 + (number < 0 ? 1U : 0U);) text.insert(at -= 3, ",");
  return text;
}

// At most three digits that matter: "0.0123", "1.5".
inline std::string Short(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", number);
  return text;
}

}  // namespace anabranch
