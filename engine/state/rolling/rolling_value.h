#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "engine/state/rolling/rolling_entry.h"

namespace anabranch {

// What was computed, in one form: there is one NaN, and no -0.
inline RollingValue ValueOf(double value) {
  if (std::isnan(value)) value = std::numeric_limits<double>::quiet_NaN();
  return {std::bit_cast<uint64_t>(value + 0.0), true};
}
inline RollingValue ValueOf(int64_t value) { return {static_cast<uint64_t>(value), true}; }

// What a record brought, as it is.
template <typename T>
RollingValue ValueOfBits(T value) {
  return {std::bit_cast<uint64_t>(value), true};
}

// Equal for equal values: -0 is 0, and NaN is one value.
inline uint64_t SameBits(double value) { return ValueOf(value).bits; }
inline uint64_t SameBits(int64_t value) { return static_cast<uint64_t>(value); }

}  // namespace anabranch
