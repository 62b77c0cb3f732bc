#pragma once

#include <bit>
#include <boost/multiprecision/cpp_int.hpp>
#include <cmath>
#include <cstdint>
#include <vector>

namespace anabranch {

// The sum of finite doubles as an integer of any width, in units of 2^-1074, rounded once. Written without a look at
// what it judges.
inline double SumOracle(const std::vector<double>& values) {
  using boost::multiprecision::cpp_int;
  cpp_int sum = 0;
  for (const double value : values) {
    int exponent;
    const double fraction = std::frexp(value, &exponent);  // value = fraction * 2^exponent
    const auto mantissa = static_cast<int64_t>(std::ldexp(fraction, 53));
    const int shift = exponent - 53 + 1074;
    sum += shift >= 0 ? cpp_int(cpp_int(mantissa) << shift) : cpp_int(cpp_int(mantissa) / (cpp_int(1) << -shift));
  }
  if (sum == 0) return 0;
  const bool negative = sum < 0;
  if (negative) sum = -sum;
  const unsigned bits = boost::multiprecision::msb(sum) + 1;
  int scale = -1074;
  if (bits > 53) {
    const unsigned cut = bits - 53;
    const cpp_int unit = cpp_int(1) << cut;
    const cpp_int rest = sum % unit;
    sum /= unit;
    const cpp_int twice = rest * 2;
    if (twice > unit || (twice == unit && sum % 2 == 1)) sum += 1;
    scale += static_cast<int>(cut);
  }
  const double size = std::ldexp(static_cast<double>(static_cast<uint64_t>(sum)), scale);
  return negative ? -size : size;
}

}  // namespace anabranch
