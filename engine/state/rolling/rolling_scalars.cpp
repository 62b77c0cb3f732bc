// Features over the whole life of a key. Word 0 of the scalars counts the rows; each feature has words of its own:
//   count                   values
//   sum, mean               values; the sum: int64 and its carries, or the two parts of a WideSum
//   min, max                values; the value so far
//   var, stddev             values; mean; sum of the squares of deviations
//   first, last             values; time; value
//   lag                     a ring of values, then one bit per value: it is not null
//   values                  values; a ring of them
//   since_last              time of the row before
//   ewma                    the newest time; sum of weighted values; sum of weights
#include <bit>
#include <cmath>
#include <limits>

#include "engine/state/rolling/exact_sum.h"
#include "engine/state/rolling/rolling_entry.h"
#include "engine/state/rolling/rolling_value.h"

namespace anabranch {
namespace {

double DoubleAt(const uint64_t* words, size_t i) { return std::bit_cast<double>(words[i]); }
int64_t IntAt(const uint64_t* words, size_t i) { return static_cast<int64_t>(words[i]); }
uint64_t Bits(double value) { return std::bit_cast<uint64_t>(value); }

// One feature: its words, the value of the row if that is not null, and the type of the column.
struct LifeFeature {
  const RollingFeature& feature;
  RollingType type;
  uint64_t* words;

  bool is_float() const { return type == RollingType::kFloat64; }
  double Number(uint64_t value) const {
    return is_float() ? std::bit_cast<double>(value) : static_cast<double>(static_cast<int64_t>(value));
  }

  void AddToSum(uint64_t value) {
    if (is_float()) {
      WideSum sum(DoubleAt(words, 1), DoubleAt(words, 2));
      sum.Add(std::bit_cast<double>(value));
      // Without this an infinite value would be followed by NaN.
      const bool finite = std::isfinite(sum.high());
      words[1] = Bits(finite ? sum.high() : DoubleAt(words, 1) + std::bit_cast<double>(value));
      words[2] = Bits(finite ? sum.low() : 0);
      return;
    }
    const WideInt sum = (static_cast<WideInt>(IntAt(words, 2)) << 64 | words[1]) + static_cast<int64_t>(value);
    words[1] = static_cast<uint64_t>(sum);
    words[2] = static_cast<uint64_t>(sum >> 64);
  }
  WideInt IntTotal() const { return static_cast<WideInt>(IntAt(words, 2)) << 64 | words[1]; }
  double FloatTotal() const { return DoubleAt(words, 1) + DoubleAt(words, 2); }

  void AddToExtreme(uint64_t value) {
    const bool most = feature.function == RollingFunction::kMax;
    bool better = words[0] == 1;  // the first value
    if (is_float()) {
      const double old = DoubleAt(words, 1);
      const double x = std::bit_cast<double>(value);
      // NaN is greater than every number.
      const bool greater = std::isnan(x) ? !std::isnan(old) : x > old;
      const bool less = std::isnan(old) ? !std::isnan(x) : x < old;
      better = better || (most ? greater : less);
      if (better) words[1] = ValueOf(x).bits;
      return;
    }
    const int64_t old = IntAt(words, 1);
    const auto x = static_cast<int64_t>(value);
    if (better || (most ? x > old : x < old)) words[1] = value;
  }

  // Welford's.
  void AddToSquares(double x) {
    const double before = DoubleAt(words, 1);
    const double mean = before + (x - before) / static_cast<double>(words[0]);
    words[1] = Bits(mean);
    words[2] = Bits(DoubleAt(words, 2) + (x - before) * (x - mean));
  }

  void AddToEnds(uint64_t value, int64_t time_us) {
    const bool first = feature.function == RollingFunction::kFirst;
    const int64_t old = IntAt(words, 1);
    if (words[0] > 1 && (first ? time_us >= old : time_us < old)) return;
    words[1] = static_cast<uint64_t>(time_us);
    words[2] = value;
  }

  void AddToEwma(double x, int64_t time_us) {
    const int64_t newest = IntAt(words, 0);
    double values = DoubleAt(words, 1);
    double weights = DoubleAt(words, 2);
    const double age = static_cast<double>(newest) - static_cast<double>(time_us);
    const double weight = std::exp2(-std::abs(age) / feature.half_life_us);
    if (weights == 0 || age > 0) {
      const double own = weights == 0 ? 1 : weight;
      values += own * x;
      weights += own;
    } else {
      values = values * weight + x;
      weights = weights * weight + 1;
    }
    if (DoubleAt(words, 2) == 0 || time_us > newest) words[0] = static_cast<uint64_t>(time_us);
    words[1] = Bits(values);
    words[2] = Bits(weights);
  }

  // The row, of which `before` rows of the key came before.
  void Add(uint64_t value, bool valid, int64_t time_us, uint64_t before) {
    if (feature.function == RollingFunction::kSinceLast) words[0] = static_cast<uint64_t>(time_us);
    if (feature.function == RollingFunction::kLag) {
      const auto rows = static_cast<uint64_t>(feature.rows);
      const uint64_t at = before % rows;
      uint64_t* bits = words + rows + at / 64;
      const uint64_t bit = uint64_t{1} << (at % 64);
      words[at] = valid ? value : 0;
      *bits = valid ? *bits | bit : *bits & ~bit;
    }
    if (!valid) return;
    if (feature.function == RollingFunction::kEwma) AddToEwma(Number(value), time_us);
    if (!CountsValues()) return;
    ++words[0];
    switch (feature.function) {
      case RollingFunction::kSum:
      case RollingFunction::kMean: AddToSum(value); break;
      case RollingFunction::kMin:
      case RollingFunction::kMax: AddToExtreme(value); break;
      case RollingFunction::kFirst:
      case RollingFunction::kLast: AddToEnds(value, time_us); break;
      case RollingFunction::kValues: words[1 + (words[0] - 1) % static_cast<uint64_t>(feature.rows)] = value; break;
      case RollingFunction::kCount: break;
      default: AddToSquares(Number(value)); break;
    }
  }
  bool CountsValues() const {
    return feature.function != RollingFunction::kCountRows && feature.function != RollingFunction::kSinceLast &&
           feature.function != RollingFunction::kLag && feature.function != RollingFunction::kEwma;
  }

  RollingValue Spread() const {
    const bool sample = feature.function == RollingFunction::kVar || feature.function == RollingFunction::kStddev;
    if (words[0] < (sample ? 2 : 1)) return {};
    const double variance = DoubleAt(words, 2) / static_cast<double>(sample ? words[0] - 1 : words[0]);
    const bool root = feature.function == RollingFunction::kStddev || feature.function == RollingFunction::kStddevPop;
    return ValueOf(root ? std::sqrt(variance) : variance);
  }

  // Of rows so far, `rows` in number. False: a sum does not fit.
  bool Read(uint64_t rows, int64_t time_us, RollingValue* value) const {
    *value = {};
    const bool any = CountsValues() && words[0] > 0;  // a count of rows has no words
    switch (feature.function) {
      case RollingFunction::kCountRows: *value = ValueOf(static_cast<int64_t>(rows)); break;
      case RollingFunction::kCount: *value = ValueOf(IntAt(words, 0)); break;
      case RollingFunction::kSum:
        if (!any) break;
        if (!is_float() && IntTotal() != static_cast<int64_t>(IntTotal())) return false;
        *value = is_float() ? ValueOf(FloatTotal()) : ValueOf(static_cast<int64_t>(IntTotal()));
        break;
      case RollingFunction::kMean: {
        const double sum = is_float() ? FloatTotal() : static_cast<double>(IntTotal());
        if (any) *value = ValueOf(sum / static_cast<double>(words[0]));
        break;
      }
      case RollingFunction::kMin:
      case RollingFunction::kMax:
        if (any) *value = {words[1], true};
        break;
      case RollingFunction::kFirst:
      case RollingFunction::kLast:
        if (any) *value = {words[2], true};
        break;
      case RollingFunction::kSinceLast:
        if (rows > 0) *value = ValueOf(static_cast<int64_t>(static_cast<uint64_t>(time_us) - words[0]));
        break;
      case RollingFunction::kLag: {
        const auto at = rows % static_cast<uint64_t>(feature.rows);
        const bool valid = (words[static_cast<size_t>(feature.rows) + at / 64] >> (at % 64) & 1) != 0;
        if (valid) *value = {words[at], true};
        break;
      }
      case RollingFunction::kEwma:
        if (DoubleAt(words, 2) != 0) *value = ValueOf(DoubleAt(words, 1) / DoubleAt(words, 2));
        break;
      case RollingFunction::kValues: ReadList(value); break;
      default: *value = Spread(); break;
    }
    return true;
  }

  void ReadList(RollingValue* values) const {
    const auto rows = static_cast<uint64_t>(feature.rows);
    for (uint64_t back = 0; back < rows; ++back) {
      RollingValue* value = &values[rows - 1 - back];
      *value = {};
      if (back < words[0]) *value = {words[1 + (words[0] - 1 - back) % rows], true};
    }
  }
};

}  // namespace

// `next` holds the scalars before the row, and gets those after it.
RollingFault RollingEntry::AnswerLives(const RollingRow& row, std::span<RollingValue> values, uint64_t* next,
                                       uint32_t* feature) const {
  const uint64_t before = next[0];
  next[0] = before + 1;
  for (const RollingProgram::Life& life : program_->lives_) {
    LifeFeature of{life.feature, life.type, next + life.word};
    const bool looks_back = !life.feature.current || life.feature.function == RollingFunction::kLag ||
                            life.feature.function == RollingFunction::kSinceLast;
    RollingValue* value = &values[life.output];
    bool fits = true;
    if (looks_back) fits = of.Read(before, row.time_us, value);
    const bool reads = life.feature.column < row.values.size();
    const bool valid = reads && (row.nulls >> life.feature.column & 1) == 0;
    of.Add(valid ? row.values[life.feature.column] : 0, valid, row.time_us, before);
    if (!looks_back) fits = of.Read(next[0], row.time_us, value);
    if (!fits) {
      *feature = life.index;
      return RollingFault::kOverflow;
    }
  }
  return RollingFault::kNone;
}

}  // namespace anabranch
