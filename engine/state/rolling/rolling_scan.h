#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include "engine/state/rolling/exact_sum.h"

namespace anabranch {

// What a pass over values of one column finds. Two of them add up, in any order.
template <typename T>
struct ColumnPart {
  static constexpr bool kFloat = std::is_same_v<T, double>;
  static constexpr T kHighest = kFloat ? std::numeric_limits<T>::infinity() : std::numeric_limits<T>::max();
  static constexpr T kLowest = kFloat ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::lowest();

  std::conditional_t<kFloat, FloatSum, IntSum> sum = {};
  T least = kHighest, greatest = kLowest;  // of those that are numbers
  uint32_t nans = 0;

  void AddToRange(T x) {
    least = x < least ? x : least;
    greatest = x > greatest ? x : greatest;
    if constexpr (kFloat) nans += x != x ? 1 : 0;
  }
  void Add(const ColumnPart& other, bool sums, bool ranges) {
    if (sums) sum.Add(other.sum);
    if (!ranges) return;
    least = other.least < least ? other.least : least;
    greatest = other.greatest > greatest ? other.greatest : greatest;
    nans += other.nans;
  }
};

// Nulls of one column: a bit of each of `words`. `words` is null where no value is.
struct NullBits {
  const uint64_t* words = nullptr;
  uint64_t mask = 0;

  NullBits From(uint32_t position) const { return {words == nullptr ? nullptr : words + position, mask}; }
  bool IsNull(uint32_t i) const { return words != nullptr && (words[i] & mask) != 0; }
};

// Adds `count` values to `part`. A null has the value 0, so that sums need not know.
void ScanSum(const double* values, uint32_t count, ColumnPart<double>* part);
void ScanSum(const int64_t* values, uint32_t count, ColumnPart<int64_t>* part);
void ScanRange(const double* values, NullBits nulls, uint32_t count, ColumnPart<double>* part);
void ScanRange(const int64_t* values, NullBits nulls, uint32_t count, ColumnPart<int64_t>* part);
uint32_t ScanValid(NullBits nulls, uint32_t count);

// Sum of (x - mean)², the mean being rounded, over values that are not null.
struct Squares {
  double sum = 0;         // of the squares
  double deviations = 0;  // of x - mean: what the rounding of the mean left

  void Add(double deviation) {
    sum += deviation * deviation;
    deviations += deviation;
  }
};
template <typename T>
Squares ScanSquares(const T* values, NullBits nulls, uint32_t count, double mean);

}  // namespace anabranch
