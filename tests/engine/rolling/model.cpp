#include "tests/engine/rolling/model.h"

#include <algorithm>
#include <bit>
#include <boost/multiprecision/cpp_int.hpp>
#include <cmath>
#include <limits>
#include <set>

#include "tests/engine/rolling/sum_oracle.h"

namespace anabranch {
namespace {

using F = RollingFunction;
using boost::multiprecision::cpp_int;

double Double(uint64_t bits) { return std::bit_cast<double>(bits); }
uint64_t BitsOf(double value) {
  if (std::isnan(value)) value = std::numeric_limits<double>::quiet_NaN();
  if (value == 0) value = 0;
  return std::bit_cast<uint64_t>(value);
}
uint64_t BitsOf(int64_t value) { return static_cast<uint64_t>(value); }

double Sum(const std::vector<double>& values) {
  double special = 0;
  for (const double value : values) special += std::isfinite(value) ? 0 : value;
  return special != 0 ? special : SumOracle(values);
}

}  // namespace

RollingModel::Answer RollingModel::Update(const Row& row, int64_t horizon_us) {
  Answer answer;
  const bool remembers = std::any_of(features_.begin(), features_.end(), [](const auto& f) { return f.over_us > 0; });
  rows_.push_back(row);
  rows_.back().remembered = remembers && row.time_us > horizon_us;
  if (Remembered(horizon_us).size() > max_rows_) answer.fault = RollingFault::kStateFull;
  for (const RollingFeature& feature : features_) {
    const RollingFault fault = Compute(feature, horizon_us, &answer.values);
    if (answer.fault == RollingFault::kNone) answer.fault = fault;
  }
  if (answer.fault != RollingFault::kNone) rows_.pop_back();
  return answer;
}

std::vector<int64_t> RollingModel::Remembered(int64_t horizon_us) const {
  std::vector<int64_t> times;
  for (const Row& row : rows_) {
    if (row.remembered && row.time_us > horizon_us) times.push_back(row.time_us);
  }
  std::sort(times.begin(), times.end());
  return times;
}

// The column's values of the rows of the window, by (time, arrival).
RollingModel::Cells RollingModel::Window(const RollingFeature& feature, int64_t horizon_us) const {
  const int64_t t = rows_.back().time_us;
  std::vector<std::pair<int64_t, std::optional<uint64_t>>> found;
  for (size_t i = 0; i < rows_.size(); ++i) {
    const Row& row = rows_[i];
    const bool is_current = i + 1 == rows_.size();
    bool in = feature.current || !is_current;
    if (feature.over_us > 0) {
      int64_t bound = t - feature.over_us;
      if (feature.tile_us > 0) bound -= bound % feature.tile_us;  // times are after 1970 here
      in = in && row.time_us > bound && row.time_us <= t;
      in = in && (is_current || (row.remembered && row.time_us > horizon_us));
    }
    if (!in) continue;
    const bool counts_rows = feature.function == F::kCountRows || feature.function == F::kSinceLast;
    found.emplace_back(row.time_us, counts_rows ? std::optional<uint64_t>(0) : row.values[feature.column]);
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  Cells cells;
  for (auto& [time, cell] : found) cells.push_back(cell);
  return cells;
}

RollingFault RollingModel::Compute(const RollingFeature& feature, int64_t horizon_us,
                                   std::vector<Value>* values) const {
  RollingFault fault = RollingFault::kNone;
  const auto size = static_cast<int64_t>(rows_.size());
  switch (feature.function) {
    case F::kLag:
      values->push_back({});
      if (size > feature.rows)
        values->back().bits = rows_[static_cast<size_t>(size - 1 - feature.rows)].values[feature.column];
      break;
    case F::kSinceLast:
      values->push_back({});
      if (size > 1) {
        values->back().bits =
            BitsOf(rows_[static_cast<size_t>(size - 1)].time_us - rows_[static_cast<size_t>(size - 2)].time_us);
      }
      break;
    case F::kValues: {
      Cells newest;
      for (int64_t i = size - (feature.current ? 1 : 2); i >= 0 && static_cast<int64_t>(newest.size()) < feature.rows;
           --i) {
        const auto& value = rows_[static_cast<size_t>(i)].values[feature.column];
        if (value) newest.push_back(value);
      }
      newest.resize(static_cast<size_t>(feature.rows));
      for (auto i = newest.rbegin(); i != newest.rend(); ++i) values->push_back({*i});
      break;
    }
    case F::kEwma: values->push_back(Ewma(feature)); break;
    default: values->push_back(Summary(feature, Window(feature, horizon_us), &fault));
  }
  return fault;
}

RollingModel::Value RollingModel::Summary(const RollingFeature& feature, const Cells& cells,
                                          RollingFault* fault) const {
  Cells present;
  for (const auto& cell : cells) {
    if (cell) present.push_back(cell);
  }
  const bool is_float = columns_[feature.column] == RollingType::kFloat64;
  switch (feature.function) {
    case F::kCountRows:
    case F::kCount: return {BitsOf(static_cast<int64_t>(present.size()))};
    case F::kDistinct: {
      std::set<uint64_t> different;
      for (const auto& cell : present) different.insert(is_float ? BitsOf(Double(*cell)) : *cell);
      if (static_cast<int64_t>(different.size()) > feature.max) *fault = RollingFault::kTooManyDistinct;
      return {BitsOf(static_cast<int64_t>(different.size()))};
    }
    default: break;
  }
  if (present.empty()) return {};
  switch (feature.function) {
    case F::kFirst: return {present.front()};
    case F::kLast: return {present.back()};
    case F::kMin:
    case F::kMax: return Extreme(feature, present);
    case F::kSum:
    case F::kMean: return SumOrMean(feature, present, fault);
    default: break;
  }
  std::vector<double> numbers;
  for (const auto& cell : present) {
    numbers.push_back(is_float ? Double(*cell) : static_cast<double>(static_cast<int64_t>(*cell)));
  }
  return Spread(feature, numbers);
}

RollingModel::Value RollingModel::SumOrMean(const RollingFeature& feature, const Cells& present,
                                            RollingFault* fault) const {
  const auto count = static_cast<double>(present.size());
  const bool mean = feature.function == F::kMean;
  if (columns_[feature.column] == RollingType::kInt64) {
    cpp_int sum = 0;
    for (const auto& cell : present) sum += static_cast<int64_t>(*cell);
    if (mean) return {BitsOf(static_cast<double>(sum.convert_to<long double>()) / count), true, 1e-15};
    if (sum > INT64_MAX || sum < INT64_MIN) {
      *fault = RollingFault::kOverflow;
      return {};
    }
    return {BitsOf(static_cast<int64_t>(sum))};
  }
  std::vector<double> numbers;
  double size = 0;
  for (const auto& cell : present) {
    numbers.push_back(Double(*cell));
    size += std::abs(numbers.back());
  }
  const double sum = Sum(numbers);
  Value value{BitsOf(mean ? sum / count : sum)};
  if (feature.over_us == 0) {
    value.is_near = true;
    value.tolerance = size * 1e-15;
    // The running sum overflows where the exact one need not.
    if (!(size < 1e300)) value.tolerance = std::numeric_limits<double>::infinity();
  }
  return value;
}

RollingModel::Value RollingModel::Extreme(const RollingFeature& feature, const Cells& present) const {
  const bool most = feature.function == F::kMax;
  if (columns_[feature.column] == RollingType::kInt64) {
    const auto less = [](const auto& a, const auto& b) { return static_cast<int64_t>(*a) < static_cast<int64_t>(*b); };
    return {most ? *std::max_element(present.begin(), present.end(), less)
                 : *std::min_element(present.begin(), present.end(), less)};
  }
  const auto less = [](const auto& a, const auto& b) {
    if (std::isnan(Double(*a))) return false;
    return std::isnan(Double(*b)) || Double(*a) < Double(*b);
  };
  const auto& found = most ? *std::max_element(present.begin(), present.end(), less)
                           : *std::min_element(present.begin(), present.end(), less);
  return {BitsOf(Double(*found))};
}

RollingModel::Value RollingModel::Spread(const RollingFeature& feature, const std::vector<double>& numbers) const {
  const bool sample = feature.function == F::kVar || feature.function == F::kStddev;
  if (numbers.size() < (sample ? 2U : 1U)) return {};
  long double mean = 0, squares = 0;
  double greatest = 0;
  for (const double x : numbers) {
    mean += x;
    greatest = std::max(greatest, std::isnan(x) ? std::numeric_limits<double>::infinity() : std::abs(x));
  }
  mean /= static_cast<long double>(numbers.size());
  for (const double x : numbers) squares += (x - mean) * (x - mean);
  auto value = static_cast<double>(squares / static_cast<long double>(numbers.size() - (sample ? 1 : 0)));
  const bool root = feature.function == F::kStddev || feature.function == F::kStddevPop;
  if (root) value = std::sqrt(value);
  // Digits of numbers far from 0 are lost in their mean.
  const double lost = greatest * (feature.over_us > 0 ? 1e-14 : 1e-9);
  Value answer{BitsOf(value), true, value * 1e-10 + (root ? lost : lost * greatest)};
  if (greatest > 1e9) answer.tolerance = std::numeric_limits<double>::infinity();
  return answer;
}

RollingModel::Value RollingModel::Ewma(const RollingFeature& feature) const {
  const size_t count = rows_.size() - (feature.current ? 0 : 1);
  const bool is_float = columns_[feature.column] == RollingType::kFloat64;
  int64_t newest = INT64_MIN;
  for (size_t i = 0; i < count; ++i) {
    if (rows_[i].values[feature.column]) newest = std::max(newest, rows_[i].time_us);
  }
  long double values = 0, weights = 0;
  double greatest = 0;
  for (size_t i = 0; i < count; ++i) {
    const auto& cell = rows_[i].values[feature.column];
    if (!cell) continue;
    const double x = is_float ? Double(*cell) : static_cast<double>(static_cast<int64_t>(*cell));
    const long double weight = std::exp2(-static_cast<long double>(newest - rows_[i].time_us) / feature.half_life_us);
    values += weight * x;
    weights += weight;
    greatest = std::max(greatest, std::isnan(x) ? std::numeric_limits<double>::infinity() : std::abs(x));
  }
  if (weights == 0) return {};
  Value answer{BitsOf(static_cast<double>(values / weights)), true, greatest * 1e-11};
  if (greatest > 1e12) answer.tolerance = std::numeric_limits<double>::infinity();
  return answer;
}

}  // namespace anabranch
