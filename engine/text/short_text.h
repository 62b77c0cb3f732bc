#pragma once

namespace anabranch {

// Writes the shortest decimal that reads back as `value`, without exponent, where that is cheap to know for sure; null
// where it is not: std::to_chars then gives what this would. The texts are those of std::to_chars(…, fixed). Returns
// the end of what was written, at most 24 bytes.
//   float32: magnitudes from 1e-3 to 1e6, and 0
//   float64: magnitudes below 1e11 with at most four digits behind the point: amounts, whole numbers
char* ShortText(float value, char* out);
char* ShortText(double value, char* out);

}  // namespace anabranch
