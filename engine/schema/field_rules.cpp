#include "engine/schema/field_rules.h"

#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/schema/field_words.h"
#include "engine/text/json_literals.h"
#include "engine/text/utf8.h"

namespace anabranch {
namespace {

bool AllOnes(std::span<const uint8_t> bytes) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  size_t i = 0;
  uint64_t differ = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, 8);
    differ |= word ^ kOnes;
  }
  for (; i < bytes.size(); ++i) differ |= bytes[i] ^ 1U;
  return differ == 0;
}

// The least integer that is ≥ (or, strictly, >) the limit; saturated. `none`: there is no such int64.
int64_t LeastInteger(const Limit& limit, bool strict, bool* none) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  if (limit.is_integer) {
    if (strict && limit.integer == kMax) *none = true;
    return strict && limit.integer != kMax ? limit.integer + 1 : limit.integer;
  }
  const double up = std::ceil(limit.number);
  if (up >= 0x1p63) *none = true;
  if (up >= 0x1p63) return kMax;
  if (up < -0x1p63) return std::numeric_limits<int64_t>::min();
  const auto least = static_cast<int64_t>(up);
  return strict && up == limit.number ? least + 1 : least;
}

Limit Negated(const Limit& limit) {
  Limit negated = limit;
  negated.number = -limit.number;
  if (limit.is_integer && limit.integer == std::numeric_limits<int64_t>::min()) {
    negated.is_integer = false;
  } else {
    negated.integer = -limit.integer;
  }
  return negated;
}

int64_t GreatestInteger(const Limit& limit, bool strict, bool* none) {
  const int64_t least = LeastInteger(Negated(limit), strict, none);
  return least == std::numeric_limits<int64_t>::min() ? std::numeric_limits<int64_t>::max() : -least;
}

// Whether value = n × step up to the rounding of one division.
bool IsMultiple(double value, const Limit& step, double epsilon) {
  const double quotient = value / step.number;
  return std::fabs(quotient - std::nearbyint(quotient)) <= 4 * epsilon * std::fabs(quotient);
}
bool IsMultiple(double value, const Limit& step) {
  return IsMultiple(value, step, std::numeric_limits<double>::epsilon());
}
bool IsMultiple(float value, const Limit& step) {
  return IsMultiple(value, step, std::numeric_limits<float>::epsilon());
}
bool IsMultiple(int64_t value, const Limit& step) {
  return step.is_integer ? value % step.integer == 0 : IsMultiple(static_cast<double>(value), step);
}

bool IsOption(const FieldRules& rules, double value) {
  return std::find(rules.numbers.begin(), rules.numbers.end(), value) != rules.numbers.end();
}
bool IsOption(const FieldRules& rules, float value) {
  return std::any_of(rules.numbers.begin(), rules.numbers.end(),
                     [value](double option) { return static_cast<float>(option) == value; });
}
bool IsOption(const FieldRules& rules, int64_t value) {
  return std::find(rules.integers.begin(), rules.integers.end(), value) != rules.integers.end();
}

template <typename T>
std::string ShowNumber(T value) {
  std::string text;
  AppendJsonNumber(&text, value);
  return text;
}

// Which limit a value outside of the closed range breaks.
template <typename T>
std::string BrokenLimit(const FieldRules& rules, T value, T low, T high) {
  const std::string shown = " is " + ShowNumber(value);
  if (value < low) {
    const bool strict =
        rules.exclusive_minimum && (!rules.minimum || rules.exclusive_minimum->number >= rules.minimum->number);
    if (strict) return shown + ", not above the exclusive minimum of " + rules.exclusive_minimum->text;
    if (rules.minimum) return shown + ", below the minimum of " + rules.minimum->text;
  }
  if (value > high) {
    const bool strict =
        rules.exclusive_maximum && (!rules.maximum || rules.exclusive_maximum->number <= rules.maximum->number);
    if (strict) return shown + ", not below the exclusive maximum of " + rules.exclusive_maximum->text;
    if (rules.maximum) return shown + ", above the maximum of " + rules.maximum->text;
  }
  return {};
}

}  // namespace

bool FieldRules::empty() const {
  return !minimum && !maximum && !exclusive_minimum && !exclusive_maximum && !multiple_of && !min_length &&
         !max_length && !min_items && !max_items && pattern == nullptr && !has_options;
}

FieldCheck::FieldCheck(const SchemaField& /*field*/, FieldRules rules) : rules_(std::move(rules)) {
  bool none = false;
  if (const auto& limit = rules_.minimum) {
    doubles_.low = limit->number;
    integers_.low = LeastInteger(*limit, false, &none);
  }
  if (const auto& limit = rules_.exclusive_minimum) {
    doubles_.low = std::max(doubles_.low, std::nextafter(limit->number, INFINITY));
    integers_.low = std::max(integers_.low, LeastInteger(*limit, true, &none));
  }
  if (const auto& limit = rules_.maximum) {
    doubles_.high = limit->number;
    integers_.high = GreatestInteger(*limit, false, &none);
  }
  if (const auto& limit = rules_.exclusive_maximum) {
    doubles_.high = std::min(doubles_.high, std::nextafter(limit->number, -INFINITY));
    integers_.high = std::min(integers_.high, GreatestInteger(*limit, true, &none));
  }
  if (none) integers_ = {1, 0};
  // A value stored as float32 was rounded: so are the limits that it is checked against.
  if (rules_.minimum) floats_.low = static_cast<float>(rules_.minimum->number);
  if (rules_.maximum) floats_.high = static_cast<float>(rules_.maximum->number);
  if (const auto& limit = rules_.exclusive_minimum) {
    floats_.low = std::max(floats_.low, nextafterf(static_cast<float>(limit->number), INFINITY));
  }
  if (const auto& limit = rules_.exclusive_maximum) {
    floats_.high = std::min(floats_.high, nextafterf(static_cast<float>(limit->number), -INFINITY));
  }
  plain_range_ = !rules_.has_options && !rules_.multiple_of;
}

template <>
std::string FieldCheck::Broken(std::string_view value) const {
  const std::string shown = " is " + QuoteValue(value);
  if (rules_.has_options && !rules_.texts.contains(std::string(value)))
    return shown + ", not one of " + rules_.options_text;
  if (rules_.min_length && CodePoints(value) < *rules_.min_length) {
    return shown + ", shorter than " + std::to_string(*rules_.min_length) + " characters";
  }
  if (rules_.max_length && CodePoints(value) > *rules_.max_length) {
    return shown + ", longer than " + std::to_string(*rules_.max_length) + " characters";
  }
  if (rules_.pattern != nullptr &&
      !re2::RE2::PartialMatch(re2::StringPiece(value.data(), value.size()), *rules_.pattern)) {
    return shown + ", which does not match the pattern " + QuoteValue(rules_.pattern_text);
  }
  return {};
}

template <>
std::string FieldCheck::Broken(uint8_t value) const {
  if (!rules_.has_options || (value != 0 ? rules_.true_option : rules_.false_option)) return {};
  return std::string(" is ") + (value != 0 ? "true" : "false") + ", not one of " + rules_.options_text;
}

template <typename T>
std::string FieldCheck::Broken(T value) const {
  if (rules_.has_options && !IsOption(rules_, value)) {
    return " is " + ShowNumber(value) + ", not one of " + rules_.options_text;
  }
  T low{};
  T high{};
  if constexpr (std::is_same_v<T, double>) {
    low = doubles_.low, high = doubles_.high;
  } else if constexpr (std::is_same_v<T, float>) {
    low = floats_.low, high = floats_.high;
  } else {
    low = integers_.low, high = integers_.high;
  }
  if (std::string broken = BrokenLimit(rules_, value, low, high); !broken.empty()) return broken;
  if (rules_.multiple_of && !IsMultiple(value, *rules_.multiple_of)) {
    return " is " + ShowNumber(value) + ", not a multiple of " + rules_.multiple_of->text;
  }
  return {};
}

template <typename T>
bool FieldCheck::Holds(T value) const {
  if constexpr (std::is_same_v<T, double>) {
    if (plain_range_) return value >= doubles_.low && value <= doubles_.high;
  } else if constexpr (std::is_same_v<T, float>) {
    if (plain_range_) return value >= floats_.low && value <= floats_.high;
  } else if constexpr (std::is_same_v<T, int64_t>) {
    if (plain_range_) return value >= integers_.low && value <= integers_.high;
  }
  return Broken<T>(value).empty();
}

template <>
bool FieldCheck::Holds(std::string_view value) const {
  if (rules_.has_options && !rules_.texts.contains(std::string(value))) return false;
  if (rules_.min_length && CodePoints(value) < *rules_.min_length) return false;
  if (rules_.max_length && CodePoints(value) > *rules_.max_length) return false;
  return rules_.pattern == nullptr ||
         re2::RE2::PartialMatch(re2::StringPiece(value.data(), value.size()), *rules_.pattern);
}

void FieldCheck::Run(const SchemaField& field, const Column& column, std::span<const uint8_t> active, bool all_active,
                     const std::vector<uint8_t>& failed, const Fail& fail) const {
  if (!all_active || !AllOnes(column.states())) RunStates(field, column, active, failed, fail);
  if (rules_.empty()) return;
  switch (field.type.IsScalar() ? column.type().kind : column.type().element) {
    case Kind::kBool: return RunValues<uint8_t>(field, column, active, failed, fail);
    case Kind::kInt64: return RunValues<int64_t>(field, column, active, failed, fail);
    case Kind::kFloat32: return RunValues<float>(field, column, active, failed, fail);
    case Kind::kFloat64: return RunValues<double>(field, column, active, failed, fail);
    case Kind::kString: return RunValues<std::string_view>(field, column, active, failed, fail);
    default: return;
  }
}

void FieldCheck::RunStates(const SchemaField& field, const Column& column, std::span<const uint8_t> active,
                           const std::vector<uint8_t>& failed, const Fail& fail) const {
  const std::span<const uint8_t> states = column.states();
  for (uint32_t row = 0; row < states.size(); ++row) {
    if (states[row] == kValid || active[row] == 0 || failed[row] != 0) continue;
    std::string fault = StateFault(field, states[row], column.misfit(row));
    if (fault.empty() && states[row] == kNull && rules_.has_options && !rules_.null_option) {
      fault = FieldName(field) + " is null, not one of " + rules_.options_text;
    }
    if (!fault.empty()) fail(row, std::move(fault));
  }
}

template <typename T>
void FieldCheck::RunValues(const SchemaField& field, const Column& column, std::span<const uint8_t> active,
                           const std::vector<uint8_t>& failed, const Fail& fail) const {
  const T* values = column.values<T>().data();
  const std::span<const uint8_t> states = column.states();
  const bool list = column.type().kind == Kind::kList;
  const auto width = static_cast<size_t>(list || column.type().IsScalar() ? 1 : column.type().Elements());
  for (uint32_t row = 0; row < states.size(); ++row) {
    if ((states[row] & active[row] & kValid) == 0 || failed[row] != 0) continue;
    const size_t begin = list ? column.list_offsets()[row] : row * width;
    const size_t end = list ? column.list_offsets()[row + 1] : begin + width;
    if (list) {
      std::string fault = ItemCountFault(field, static_cast<int64_t>(end - begin), rules_.min_items, rules_.max_items);
      if (!fault.empty()) {
        fail(row, std::move(fault));
        continue;
      }
    }
    for (size_t i = begin; i < end; ++i) {
      if (Holds(values[i])) [[likely]]
        continue;
      const std::string item = field.type.IsScalar() ? "" : "item " + std::to_string(i - begin) + " of ";
      fail(row, item + FieldName(field) + Broken(values[i]));
      break;
    }
  }
}

}  // namespace anabranch
