#pragma once

#include "engine/column.h"
#include "engine/text/number.h"

namespace anabranch {

// Stores a number as one element of a column: kValid, or why it does not fit.
inline CellState ReadElement(const ScannedNumber& number, double* out) {
  return ToDouble(number, out) ? kValid : kOutOfRange;
}
inline CellState ReadElement(const ScannedNumber& number, float* out) {
  return ToFloat(number, out) ? kValid : kOutOfRange;
}
inline CellState ReadElement(const ScannedNumber& number, int64_t* out) {
  const IntegerFit fit = ToInt64(number, out);
  if (fit == IntegerFit::kFits) return kValid;
  return fit == IntegerFit::kTooLarge ? kOutOfRange : kWrongType;
}

}  // namespace anabranch
