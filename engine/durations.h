#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

namespace anabranch {

// "12.5 ms": to the microsecond, without zeros at the end.
inline std::string MillisecondsText(int64_t ns) {
  const int64_t us = ns / 1000;
  char text[32];
  std::snprintf(text, sizeof text, "%g ms", static_cast<double>(us) / 1000);
  return text;
}

}  // namespace anabranch
