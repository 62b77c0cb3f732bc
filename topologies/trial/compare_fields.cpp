#include "topologies/trial/compare_fields.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "engine/text/utf8.h"
#include "topologies/trial/compare_value.h"

namespace anabranch {
namespace {

using nlohmann::json;

bool OfNumbers(const Type& type) {
  if (type.IsScalar()) return type.IsNumeric();
  return Type::Scalar(type.element).IsNumeric();
}

// The distance of two integers, as exact as a double can be.
double Distance(const json& before, const json& after) {
  if (before.is_number_integer() && after.is_number_integer()) {
    const auto a = before.get<int64_t>(), b = after.get<int64_t>();
    const uint64_t distance = a > b ? static_cast<uint64_t>(a) - static_cast<uint64_t>(b)
                                    : static_cast<uint64_t>(b) - static_cast<uint64_t>(a);
    return static_cast<double>(distance);
  }
  return std::fabs(before.get<double>() - after.get<double>());
}

// Numbers, or nested lists of the same form with numbers and nulls in the same places.
struct NumberPair {
  bool comparable = true;
  bool near = true;  // every pair within the tolerance
  double delta = 0;  // the largest
};

void Compare(const json& before, const json& after, bool floats, const Tolerance& tolerance, NumberPair* pair) {
  if (before.is_number() && after.is_number()) {
    const bool same = floats ? AreNear(before.get<double>(), after.get<double>(), tolerance) : before == after;
    pair->near = pair->near && same;
    pair->delta = std::max(pair->delta, Distance(before, after));
  } else if (before.is_array() && after.is_array() && before.size() == after.size()) {
    for (size_t i = 0; i < before.size(); ++i) Compare(before[i], after[i], floats, tolerance, pair);
  } else if (!before.is_null() || !after.is_null()) {
    pair->comparable = false;
  }
}

std::string TextOf(const json& value) {
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() <= FieldComparison::kMostValueBytes) return text;
  return std::string(CutText(text, FieldComparison::kMostValueBytes)) + "…";
}

// The smallest delta that 99 % of `rows` do not exceed. The rows that are not in `deltas` have 0.
double Percentile(std::vector<double> deltas, int64_t rows) {
  if (rows == 0) return 0;
  const int64_t rank = (99 * rows + 99) / 100;
  const int64_t zeros = rows - static_cast<int64_t>(deltas.size());
  if (rank <= zeros) return 0;
  const auto at = deltas.begin() + (rank - zeros - 1);
  std::nth_element(deltas.begin(), at, deltas.end());
  return *at;
}

}  // namespace

FieldComparison::FieldComparison(std::string name, const std::optional<Type>& before, const std::optional<Type>& after,
                                 const Tolerance& tolerance)
    : tolerance_(tolerance) {
  report_.name = std::move(name);
  if (before) report_.type_before = before->ToString();
  if (after) report_.type_after = after->ToString();
  numeric_ = before && after && OfNumbers(*before) && OfNumbers(*after);
  floats_ = numeric_ && (HoldsFloats(*before) || HoldsFloats(*after));
}

bool FieldComparison::Add(const std::string& record, const json& before, const json& after) {
  const bool same = before == after;
  NumberPair pair;
  if (numeric_ && !before.is_null() && !after.is_null()) {
    Compare(before, after, floats_, tolerance_, &pair);
  } else {
    pair.comparable = false;
  }
  if (pair.comparable) {
    ++report_.numbers;
    report_.max_delta = std::max(report_.max_delta, pair.delta);
    if (pair.delta > 0) deltas_.push_back(pair.delta);
  }
  if (same || (pair.comparable && pair.near)) {
    ++report_.equal;
    report_.near += same ? 0 : 1;
    return true;
  }
  ++report_.changed;
  if (!floats_ || before.is_null() || after.is_null()) Count(before, after);
  Show(record, before, after, pair.comparable ? std::optional(pair.delta) : std::nullopt);
  return false;
}

void FieldComparison::Count(const json& before, const json& after) {
  if (before.is_structured() || after.is_structured()) return;
  const auto text = [this](const json& value) {
    return floats_ && value.is_number() ? std::string("a number") : TextOf(value);
  };
  const auto pair = std::pair(text(before), text(after));
  if (flips_.size() < kMostPairs || flips_.contains(pair)) {
    ++flips_[pair];
  } else {
    ++report_.other_flips;
  }
}

void FieldComparison::Show(const std::string& record, const json& before, const json& after,
                           std::optional<double> delta) {
  std::vector<ValueChange>& examples = report_.examples;
  const auto rank = [](const std::optional<double>& value) { return value.value_or(-1); };
  if (examples.size() == kMostExamples) {
    if (rank(delta) <= rank(examples.back().delta)) return;
    examples.pop_back();
  }
  const auto place =
      std::ranges::find_if(examples, [&](const ValueChange& each) { return rank(each.delta) < rank(delta); });
  examples.insert(place, {record, TextOf(before), TextOf(after), delta});
}

FieldReport FieldComparison::Report() const {
  FieldReport report = report_;
  report.p99_delta = Percentile(deltas_, report.numbers);
  for (const auto& [pair, count] : flips_) report.flips.push_back({pair.first, pair.second, count});
  std::ranges::stable_sort(report.flips, std::greater<>(), &Flip::count);
  for (size_t i = kMostFlips; i < report.flips.size(); ++i) report.other_flips += report.flips[i].count;
  if (report.flips.size() > kMostFlips) report.flips.resize(kMostFlips);
  return report;
}

}  // namespace anabranch
