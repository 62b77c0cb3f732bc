// The values of windows.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/state/rolling/rolling_entry.h"
#include "engine/state/rolling/rolling_scan.h"
#include "engine/state/rolling/rolling_value.h"

namespace anabranch {
namespace {

// The lower bound of a window that ends at `time_us`: rows above it are inside.
int64_t LowerBound(int64_t time_us, int64_t over_us, int64_t tile_us) {
  int64_t bound;
  if (__builtin_sub_overflow(time_us, over_us, &bound)) return std::numeric_limits<int64_t>::min();
  if (tile_us == 0) return bound;
  const int64_t rest = bound % tile_us;
  const int64_t above = rest < 0 ? rest + tile_us : rest;
  return __builtin_sub_overflow(bound, above, &bound) ? std::numeric_limits<int64_t>::min() : bound;
}

}  // namespace

NullBits RollingEntry::NullsOf(size_t column) const {
  if ((header_->null_columns >> column & 1) == 0) return {};
  return {&tags_->word, uint64_t{1} << (kNullsBit + column)};
}

// What a job reads of a window: the rows of a range, and the current one or not.
template <typename T>
struct RollingEntry::Reading {
  const T* values;  // by position
  NullBits nulls;   //
  uint32_t from, to;
  bool has_current;  // and it is not null
  T current;

  uint32_t rows() const { return to - from; }
  uint32_t CountValid() const { return ScanValid(nulls.From(from), rows()) + (has_current ? 1 : 0); }

  double SumExactly() const {
    ExactSum sum;
    for (uint32_t i = from; i < to; ++i) sum.Add(static_cast<double>(values[i]));
    if (has_current) sum.Add(static_cast<double>(current));
    return sum.Rounded();
  }

  Squares SquaresAround(double mean) const {
    Squares squares = ScanSquares(values + from, nulls.From(from), rows(), mean);
    if (has_current) squares.Add(static_cast<double>(current) - mean);
    return squares;
  }

  RollingValue First() const {
    for (uint32_t i = from; i < to; ++i) {
      if (!nulls.IsNull(i)) return ValueOfBits(values[i]);
    }
    return has_current ? ValueOfBits(current) : RollingValue{};
  }
  RollingValue Last() const {
    if (has_current) return ValueOfBits(current);
    for (uint32_t i = to; i > from; --i) {
      if (!nulls.IsNull(i - 1)) return ValueOfBits(values[i - 1]);
    }
    return {};
  }

  // Different values, counted up to `most` + 1.
  int64_t CountDistinct(int64_t most, std::vector<uint64_t>* table) const {
    const size_t size = std::bit_ceil(size_t{rows() + 1U} * 2);
    table->assign(size, 0);
    bool has_zero = false;
    int64_t found = 0;
    const auto add = [&](T value) {
      const uint64_t key = SameBits(value);
      if (key == 0) {
        found += has_zero ? 0 : 1;
        has_zero = true;
        return;
      }
      size_t at = key * 0x9E3779B97F4A7C15 >> 20 & (size - 1);
      while ((*table)[at] != 0 && (*table)[at] != key) at = (at + 1) & (size - 1);
      found += (*table)[at] == 0 ? 1 : 0;
      (*table)[at] = key;
    };
    for (uint32_t i = from; i < to && found <= most; ++i) {
      if (!nulls.IsNull(i)) add(values[i]);
    }
    if (has_current) add(current);
    return found;
  }
};

template <typename T>
void RollingEntry::Gather(const RollingProgram::Job& job, const Reading<T>& reading, ColumnPart<T>* part) const {
  const bool sums = (job.needs & RollingProgram::kNeedSum) != 0;
  const bool ranges = (job.needs & RollingProgram::kNeedRange) != 0;
  const auto scan = [&](uint32_t from, uint32_t to) {
    if (sums) ScanSum(reading.values + from, to - from, part);
    if (ranges) ScanRange(reading.values + from, reading.nulls.From(from), to - from, part);
  };
  const uint32_t from = reading.from;
  const uint32_t to = reading.to;
  if (to - from <= kWithoutBlocks || header_->capacity <= kWithoutBlocks) {
    scan(from, to);
  } else {
    const uint32_t first = (from + kBlock - 1) / kBlock;
    const uint32_t last = to / kBlock;
    scan(from, first * kBlock);
    for (uint32_t block = first; block < last; ++block) {
      ColumnPart<T> of_block;
      std::memcpy(&of_block, partials(job.partial) + block * kPartialBytes, sizeof of_block);
      part->Add(of_block, sums, ranges);
    }
    scan(last * kBlock, to);
  }
  if (reading.has_current) {
    part->sum.Add(reading.current);
    part->AddToRange(reading.current);
  }
}

namespace {

// False: the sum of integers does not fit.
template <typename Reading>
bool SumOf(const ColumnPart<double>& part, const Reading& reading, double* sum) {
  const std::optional<double> rounded = part.sum.Rounded();
  *sum = rounded ? *rounded : reading.SumExactly();
  return true;
}
template <typename Reading>
bool SumOf(const ColumnPart<int64_t>& part, const Reading& /*reading*/, int64_t* sum) {
  const WideInt total = part.sum.total();
  *sum = static_cast<int64_t>(total);
  return total == *sum;
}

template <typename Reading>
double MeanOf(const ColumnPart<double>& part, const Reading& reading, uint32_t count) {
  double sum;
  SumOf(part, reading, &sum);
  return sum / count;
}
template <typename Reading>
double MeanOf(const ColumnPart<int64_t>& part, const Reading& /*reading*/, uint32_t count) {
  return static_cast<double>(part.sum.total()) / count;
}

template <typename T>
RollingValue ExtremeOf(const ColumnPart<T>& part, RollingFunction function, uint32_t count) {
  if constexpr (ColumnPart<T>::kFloat) {
    const bool is_nan = function == RollingFunction::kMax ? part.nans > 0 : part.nans == count;
    if (is_nan) return ValueOf(std::numeric_limits<double>::quiet_NaN());
  }
  return ValueOf(function == RollingFunction::kMax ? part.greatest : part.least);
}

RollingValue SpreadOf(RollingFunction function, const Squares& squares, uint32_t count) {
  const bool sample = function == RollingFunction::kVar || function == RollingFunction::kStddev;
  const uint32_t least = sample ? 2 : 1;
  if (count < least) return {};
  // The second term takes away what the rounding of the mean added.
  const double n = count;
  const double sum = squares.sum - squares.deviations * squares.deviations / n;
  const double variance = (sum < 0 ? 0 : sum) / (sample ? n - 1 : n);
  const bool root = function == RollingFunction::kStddev || function == RollingFunction::kStddevPop;
  return ValueOf(root ? std::sqrt(variance) : variance);
}

}  // namespace

template <typename T>
RollingFault RollingEntry::AnswerJob(const RollingProgram::Job& job, const Reading<T>& reading,
                                     std::span<RollingValue> values, RollingOutput* output, uint32_t* feature) const {
  const bool counts = (job.needs & RollingProgram::kNeedCount) != 0;
  const uint32_t count = counts ? reading.CountValid() : 0;
  ColumnPart<T> part;
  if ((job.needs & (RollingProgram::kNeedSum | RollingProgram::kNeedRange)) != 0) Gather(job, reading, &part);
  Squares squares;
  if ((job.needs & RollingProgram::kNeedSquares) != 0 && count > 0) {
    squares = reading.SquaresAround(MeanOf(part, reading, count));
  }
  for (const RollingProgram::Answer& answer : job.answers) {
    RollingValue* value = &values[answer.output];
    *value = {};
    switch (answer.function) {
      case RollingFunction::kCount: *value = ValueOf(int64_t{count}); break;
      case RollingFunction::kSum: {
        if (count == 0) break;
        T sum;
        if (!SumOf(part, reading, &sum)) {
          *feature = answer.feature;
          return RollingFault::kOverflow;
        }
        *value = ValueOf(sum);
        break;
      }
      case RollingFunction::kMean:
        if (count > 0) *value = ValueOf(MeanOf(part, reading, count));
        break;
      case RollingFunction::kMin:
      case RollingFunction::kMax:
        if (count > 0) *value = ExtremeOf(part, answer.function, count);
        break;
      case RollingFunction::kFirst: *value = reading.First(); break;
      case RollingFunction::kLast: *value = reading.Last(); break;
      case RollingFunction::kDistinct: {
        const int64_t found = reading.CountDistinct(answer.max, &output->scratch);
        if (found > answer.max) {
          *feature = answer.feature;
          return RollingFault::kTooManyDistinct;
        }
        *value = ValueOf(found);
        break;
      }
      default: *value = SpreadOf(answer.function, squares, count); break;
    }
  }
  return RollingFault::kNone;
}

// `live` are the rows above the horizon that are not above the time of the row, which is not among them.
RollingFault RollingEntry::AnswerWindows(const RollingRow& row, Range live, std::span<RollingValue> values,
                                         RollingOutput* output, uint32_t* feature) const {
  for (const RollingProgram::Window& window : program_->windows_) {
    const int64_t bound = LowerBound(row.time_us, window.over_us, window.tile_us);
    const uint32_t from = std::min(FirstAfter(bound, live.from), live.to);
    for (const RollingProgram::Job& job : window.jobs) {
      if (job.counts_rows) {
        const int64_t count = live.to - from + (window.current ? 1 : 0);
        for (const RollingProgram::Answer& answer : job.answers) values[answer.output] = ValueOf(count);
        continue;
      }
      const bool has_current = window.current && (row.nulls >> job.column & 1) == 0;
      const uint64_t current = has_current ? row.values[job.column] : 0;
      const auto answer = [&]<typename T>(T as_type) {
        const Reading<T> reading{reinterpret_cast<const T*>(this->values(job.stored)),
                                 NullsOf(job.column),
                                 from,
                                 live.to,
                                 has_current,
                                 as_type};
        return AnswerJob(job, reading, values, output, feature);
      };
      const RollingFault fault = job.type == RollingType::kFloat64 ? answer(std::bit_cast<double>(current))
                                                                   : answer(static_cast<int64_t>(current));
      if (fault != RollingFault::kNone) return fault;
    }
  }
  return RollingFault::kNone;
}

}  // namespace anabranch
