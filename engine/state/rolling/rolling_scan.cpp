#include "engine/state/rolling/rolling_scan.h"

#include <cstring>

namespace anabranch {
namespace {

// Sums side by side: each hides the latency of the others.
using FourDoubles __attribute__((vector_size(32))) = double;
using FourWords __attribute__((vector_size(32))) = int64_t;
using TwoDoubles __attribute__((vector_size(16))) = double;
using TwoWords __attribute__((vector_size(16))) = int64_t;

template <typename Doubles, typename Words>
struct Sums {
  Doubles high, low, lost;

  static void AddSize(const Doubles& x, Doubles* to) {
    *to += reinterpret_cast<Doubles>(reinterpret_cast<Words>(x) & INT64_MAX);
  }
  void Add(const Doubles& x) {
    Doubles error;
    TwoSum(high, x, &high, &error);
    TwoSum(low, error, &low, &error);
    AddSize(error, &lost);
  }
  void Add(const Sums& other) {
    Doubles error, error_of_lows;
    TwoSum(high, other.high, &high, &error);
    TwoSum(low, other.low, &low, &error_of_lows);
    TwoSum(low, error, &low, &error);
    AddSize(error, &lost);
    AddSize(error_of_lows, &lost);
    lost += other.lost;
  }
};
using FourSums = Sums<FourDoubles, FourWords>;
using TwoSums = Sums<TwoDoubles, TwoWords>;

// At least four values. Below some sixteen the fold at the end costs more than it saves.
FloatSum SumOfMany(const double* values, uint32_t count) {
  FourSums four = {};
  std::memcpy(&four.high, values, sizeof four.high);
  uint32_t i = 4;
  for (; i + 4 <= count; i += 4) {
    FourDoubles x;
    std::memcpy(&x, values + i, sizeof x);
    four.Add(x);
  }
  TwoSums two[2];
  two[0].high = TwoDoubles{four.high[0], four.high[1]};
  two[0].low = TwoDoubles{four.low[0], four.low[1]};
  two[0].lost = TwoDoubles{four.lost[0], four.lost[1]};
  two[1].high = TwoDoubles{four.high[2], four.high[3]};
  two[1].low = TwoDoubles{four.low[2], four.low[3]};
  two[1].lost = TwoDoubles{four.lost[2], four.lost[3]};
  two[0].Add(two[1]);
  FloatSum sum{two[0].high[0], two[0].low[0], two[0].lost[0]};
  sum.Add(FloatSum{two[0].high[1], two[0].low[1], two[0].lost[1]});
  for (; i < count; ++i) sum.Add(values[i]);
  return sum;
}

constexpr uint32_t kMany = 16;

template <typename T>
void RangeOf(const T* values, NullBits nulls, uint32_t count, ColumnPart<T>* part) {
  if (nulls.words == nullptr) {
    for (uint32_t i = 0; i < count; ++i) part->AddToRange(values[i]);
    return;
  }
  for (uint32_t i = 0; i < count; ++i) {
    if (!nulls.IsNull(i)) part->AddToRange(values[i]);
  }
}

}  // namespace

void ScanSum(const double* values, uint32_t count, ColumnPart<double>* part) {
  if (count >= kMany) {
    part->sum.Add(SumOfMany(values, count));
    return;
  }
  FloatSum sum = part->sum;
  for (uint32_t i = 0; i < count; ++i) sum.Add(values[i]);
  part->sum = sum;
}

void ScanSum(const int64_t* values, uint32_t count, ColumnPart<int64_t>* part) {
  IntSum sum;
  for (uint32_t i = 0; i < count; ++i) sum.Add(values[i]);
  part->sum.Add(sum);
}

void ScanRange(const double* values, NullBits nulls, uint32_t count, ColumnPart<double>* part) {
  RangeOf(values, nulls, count, part);
}

void ScanRange(const int64_t* values, NullBits nulls, uint32_t count, ColumnPart<int64_t>* part) {
  RangeOf(values, nulls, count, part);
}

uint32_t ScanValid(NullBits nulls, uint32_t count) {
  if (nulls.words == nullptr) return count;
  uint32_t valid = 0;
  for (uint32_t i = 0; i < count; ++i) valid += (nulls.words[i] & nulls.mask) == 0 ? 1 : 0;
  return valid;
}

// Lanes by the place within the window, so the last bit is a function of the window's rows alone.
template <typename T>
Squares ScanSquares(const T* values, NullBits nulls, uint32_t count, double mean) {
  double squares[4] = {}, deviations[4] = {};
  uint32_t lane = 0;
  for (uint32_t i = 0; i < count; ++i) {
    if (nulls.IsNull(i)) continue;
    const double deviation = static_cast<double>(values[i]) - mean;
    squares[lane] += deviation * deviation;
    deviations[lane] += deviation;
    lane = (lane + 1) % 4;
  }
  return {(squares[0] + squares[1]) + (squares[2] + squares[3]),
          (deviations[0] + deviations[1]) + (deviations[2] + deviations[3])};
}

template Squares ScanSquares(const double* values, NullBits nulls, uint32_t count, double mean);
template Squares ScanSquares(const int64_t* values, NullBits nulls, uint32_t count, double mean);

}  // namespace anabranch
