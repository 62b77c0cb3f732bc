#pragma once

#include <cstdlib>

namespace anabranch {

// How many random texts a test tries: `count`, times ANABRANCH_SCALE where it is set.
inline int Scaled(int count) {
  const char* scale = std::getenv("ANABRANCH_SCALE");
  return scale == nullptr ? count : static_cast<int>(count * std::atof(scale));
}

}  // namespace anabranch
