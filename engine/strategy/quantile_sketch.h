#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace anabranch {

// Quantiles of values that are 0 or more, to within 1/128 of the value. Each power of two has 64 buckets of equal
// width, taken from the bits of the double: the counts are exact and add up, in any order and on any machine.
class QuantileSketch {
 public:
  // A value below 0, or NaN, is not counted.
  void Add(double value, int64_t times = 1);
  void Add(const QuantileSketch& other);

  int64_t count() const { return count_; }
  double max() const { return max_; }
  // The least value with at least the share `q` (0 to 1) of all values at or below it, as numpy's "inverted_cdf": the
  // middle of its bucket, not above max(). 0 without values.
  double Quantile(double q) const;

  // (bucket, values), by bucket. Bucket 0 holds values below 2^-60.
  std::span<const std::pair<int32_t, int64_t>> buckets() const { return buckets_; }
  // What buckets() and max() said. False when it cannot come from a sketch.
  bool Restore(std::vector<std::pair<int32_t, int64_t>> buckets, double max);

  static int32_t BucketOf(double value);
  static double MiddleOf(int32_t bucket);

 private:
  int64_t& At(int32_t bucket);

  std::vector<std::pair<int32_t, int64_t>> buckets_;  // sorted
  int64_t count_ = 0;
  double max_ = 0;
};

}  // namespace anabranch
