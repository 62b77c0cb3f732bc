#pragma once

#include <cmath>

namespace anabranch {

// A sum of doubles with twice the digits of one. Added in any order it is the same to about 1e-30 of the sum of the
// absolute values, so sums of lanes and instances may be merged as they come.
class WideSum {
 public:
  WideSum() = default;
  WideSum(double high, double low) : high_(high), low_(low) {}

  void Add(double x) {
    // Knuth's TwoSum: sum + error is exactly high_ + x.
    const double sum = high_ + x;
    const double back = sum - high_;
    const double error = (high_ - (sum - back)) + (x - back);
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
