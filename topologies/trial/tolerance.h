#pragma once

#include <algorithm>
#include <cmath>

namespace anabranch {

// How far two floats may differ and still count as equal; nothing else may differ.
struct Tolerance {
  double rel = 1e-5;
  double abs = 1e-8;
};

// Two floats that count as equal. Symmetric: the larger of the two magnitudes counts.
inline bool AreNear(double a, double b, const Tolerance& tolerance) {
  const double most = std::max(tolerance.rel * std::max(std::fabs(a), std::fabs(b)), tolerance.abs);
  return a == b || std::fabs(a - b) <= most;
}

}  // namespace anabranch
