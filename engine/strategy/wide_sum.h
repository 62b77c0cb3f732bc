#pragma once

#include <cmath>

namespace anabranch {

// Knuth's: the rounded sum, and in `error` what rounding lost: the two are exactly a + b, unless it overflows. T is a
// double or a vector of them. `sum` and `error` may be a and b.
template <typename T>
inline void TwoSum(const T& a, const T& b, T* sum, T* error) {
  const T rounded = a + b;
  const T back = rounded - a;
  const T lost = (a - (rounded - back)) + (b - back);
  *sum = rounded;
  *error = lost;
}

// A sum of doubles with twice the digits of one. Added in any order it is the same to about 1e-30 of the sum of the
// absolute values, so sums of lanes and instances may be merged as they come.
class WideSum {
 public:
  WideSum() = default;
  WideSum(double high, double low) : high_(high), low_(low) {}

  void Add(double x) {
    double sum, error;
    TwoSum(high_, x, &sum, &error);
    Normalise(sum, low_ + error);
  }
  void AddProduct(double x, double y) {
    const double product = x * y;
    Add(product);
    Add(std::fma(x, y, -product));
  }
  void Add(const WideSum& other) {
    Add(other.high_);
    Add(other.low_);
  }

  double value() const { return high_ + low_; }
  double high() const { return high_; }
  double low() const { return low_; }

 private:
  void Normalise(double high, double low) {
    high_ = high + low;
    low_ = low - (high_ - high);
  }

  double high_ = 0, low_ = 0;
};

}  // namespace anabranch
