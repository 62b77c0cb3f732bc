#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "nodes/infer/onnx.h"

namespace anabranch {

// A float16 in a model's format. A double is rounded once, to the nearest, ties to even; values that are too large
// become infinite.
struct Half {
  static constexpr double kTooLarge = 65520;  // from here on it rounds to infinity

  uint16_t bits = 0;

  Half() = default;
  explicit Half(double value) {
    constexpr double kLeastNormal = 0x1p-14;
    constexpr int kCut = 52 - 10;  // bits of the fraction that are dropped
    constexpr uint64_t kRebias = uint64_t{1023 - 15} << 10;
    const double size = std::fabs(value);
    uint64_t half = 0;
    if (std::isnan(value)) {
      half = 0x7e00;
    } else if (size >= kTooLarge) {
      half = 0x7c00;
    } else if (size < kLeastNormal) {
      half = static_cast<uint64_t>(std::nearbyint(size * 0x1p24));
    } else {
      const auto all = std::bit_cast<uint64_t>(size);
      half = ((all + ((uint64_t{1} << (kCut - 1)) - 1) + ((all >> kCut) & 1)) >> kCut) - kRebias;
    }
    bits = static_cast<uint16_t>(half | (std::signbit(value) ? 0x8000 : 0));
  }

  explicit operator float() const {
    const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
    const uint32_t exponent = (bits >> 10) & 31;
    const uint32_t fraction = bits & 1023;
    if (exponent == 0) return std::copysign(static_cast<float>(fraction) * 0x1p-24F, sign != 0 ? -1.0F : 1.0F);
    return std::bit_cast<float>(sign | (exponent == 31 ? 0x7f800000 : (exponent + 112) << 23) | fraction << 13);
  }
};
static_assert(sizeof(Half) == 2);

template <typename T>
inline constexpr bool kIsFloat = std::is_floating_point_v<T> || std::is_same_v<T, Half>;

inline bool IsFloat(Element element) {
  return element == Element::kFloat32 || element == Element::kFloat64 || element == Element::kFloat16;
}
// Every type but flags.
inline bool IsInteger(Element element) { return element >= Element::kInt64 && element <= Element::kUint64; }

// Calls `work.template operator()<T>()` with the in-memory type of this element's numbers; not for texts.
template <typename Work>
void WithNumber(Element element, Work work) {
  switch (element) {
    case Element::kFloat32: work.template operator()<float>(); break;
    case Element::kFloat64: work.template operator()<double>(); break;
    case Element::kFloat16: work.template operator()<Half>(); break;
    case Element::kInt64: work.template operator()<int64_t>(); break;
    case Element::kInt32: work.template operator()<int32_t>(); break;
    case Element::kInt16: work.template operator()<int16_t>(); break;
    case Element::kInt8: work.template operator()<int8_t>(); break;
    case Element::kUint8:
    case Element::kBool: work.template operator()<uint8_t>(); break;
    case Element::kUint16: work.template operator()<uint16_t>(); break;
    case Element::kUint32: work.template operator()<uint32_t>(); break;
    case Element::kUint64: work.template operator()<uint64_t>(); break;
    case Element::kString:
    case Element::kOther: break;
  }
}

}  // namespace anabranch
