#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <limits>
#include <utility>

#include "nodes/infer/numbers.h"
#include "nodes/infer/rows.h"

namespace anabranch {
namespace {

Kind Stored(const Type& type) { return type.IsScalar() ? type.kind : type.element; }

// ------------------------------------------------------------------ which rows

bool NullAllowed(const InferPlan& plan, const ModelInput& input) { return plan.null_is_nan && IsFloat(input.element); }

template <typename T, typename Fits>
void CheckValues(const Column& column, size_t elements, Fits fits, std::vector<uint8_t>* usable) {
  const T* values = column.values<T>().data();
  const uint8_t* states = column.states().data();
  uint8_t* ok = usable->data();
  if (elements == 1) {
    for (size_t row = 0; row < usable->size(); ++row) {
      ok[row] &= static_cast<uint8_t>(static_cast<uint8_t>(fits(values[row])) | static_cast<uint8_t>(~states[row] & 1));
    }
    return;
  }
  for (size_t row = 0; row < usable->size(); ++row) {
    if ((states[row] & kValid) != 0)
      ok[row] &= std::all_of(values + row * elements, values + (row + 1) * elements, fits);
  }
}

bool FitsFloat(double value) { return !(std::fabs(value) > FLT_MAX) || std::isinf(value); }
bool FitsHalf(double value) { return !(std::fabs(value) >= Half::kTooLarge) || std::isinf(value); }
bool FitsHalfInteger(int64_t value) { return FitsHalf(static_cast<double>(value)); }

// Numbers of an integer input that is narrower than a column.
void CheckIntegers(const ModelInput& input, const Column& column, size_t elements, std::vector<uint8_t>* usable) {
  WithNumber(input.element, [&]<typename T>() {
    if constexpr (std::is_integral_v<T>) {
      const auto fits = [](int64_t value) { return std::in_range<T>(value); };
      CheckValues<int64_t>(column, elements, fits, usable);
    }
  });
}

// Whether each value must be checked: some row has a value that is too large for a float, infinite or not a number.
bool MayNotFit(std::span<const double> values) {
  constexpr auto kGreatest = std::bit_cast<int64_t>(static_cast<double>(FLT_MAX));
  int64_t found = 0;
  for (const double value : values) {
    found |= kGreatest - (std::bit_cast<int64_t>(value) & std::numeric_limits<int64_t>::max());
  }
  return found < 0;
}

void CheckColumn(const InferPlan& plan, const ModelInput& input, const Column& column, size_t elements,
                 std::vector<uint8_t>* usable) {
  if (!NullAllowed(plan, input)) {
    const uint8_t* states = column.states().data();
    uint8_t* ok = usable->data();
    const size_t rows = usable->size();
    for (size_t row = 0; row < rows; ++row) ok[row] &= states[row] & kValid;
  }
  const Kind stored = Stored(column.type());
  if (input.element == Element::kFloat32 && stored == Kind::kFloat64) {
    if (!MayNotFit(column.values<double>().first(usable->size() * elements))) return;
    CheckValues<double>(column, elements, FitsFloat, usable);
  } else if (input.element == Element::kFloat16) {
    if (stored == Kind::kFloat64) CheckValues<double>(column, elements, FitsHalf, usable);
    if (stored == Kind::kFloat32) CheckValues<float>(column, elements, FitsHalf, usable);
    if (stored == Kind::kInt64) CheckValues<int64_t>(column, elements, FitsHalfInteger, usable);
  } else if (IsInteger(input.element) && input.element != Element::kInt64 && stored == Kind::kInt64) {
    CheckIntegers(input, column, elements, usable);
  }
}

std::string Held(const Column& column, uint32_t row) {
  const std::string_view text = column.misfit(row);
  return text.empty() ? std::string() : " (the record holds " + std::string(text.substr(0, 64)) + ")";
}

BadRow Explain(const Features& features, const InferPlan& plan, uint32_t row) {
  for (const ModelInput& input : plan.inputs) {
    for (const FeatureColumn& feature : input.columns) {
      const Column& column = features[feature];
      if (!column.valid(row) && !NullAllowed(plan, input)) {
        return {row, "null_feature",
                "feature \"" + feature.name + "\" of model " + plan.label + " is null" + Held(column, row), false};
      }
      std::vector<uint8_t> usable(row + 1, 1);
      CheckColumn(plan, input, column, static_cast<size_t>(feature.elements), &usable);
      if (usable[row]) continue;
      return {row, "non_finite",
              "feature \"" + feature.name + "\" of model " + plan.label + " does not fit " + ElementName(input.element),
              false};
    }
  }
  return {row, "null_feature", "a feature of model " + plan.label + " is null", false};
}

// ------------------------------------------------------------------ packing

template <typename To, typename From>
void PackNumbers(const Column& column, std::span<const uint32_t> rows, size_t elements, size_t width, To* to) {
  const From* from = column.values<From>().data();
  if (elements == 1 && Contiguous(rows)) {
    from += rows.front();
    for (size_t i = 0; i < rows.size(); ++i) to[i * width] = static_cast<To>(from[i]);
    return;
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    const From* row = from + rows[i] * elements;
    for (size_t e = 0; e < elements; ++e) to[i * width + e] = static_cast<To>(row[e]);
  }
}

template <typename To>
void PackColumn(const Column& column, std::span<const uint32_t> rows, size_t elements, size_t width, To* to) {
  switch (Stored(column.type())) {
    case Kind::kFloat32: PackNumbers<To, float>(column, rows, elements, width, to); break;
    case Kind::kFloat64: PackNumbers<To, double>(column, rows, elements, width, to); break;
    case Kind::kInt64: PackNumbers<To, int64_t>(column, rows, elements, width, to); break;
    case Kind::kBool: PackNumbers<To, uint8_t>(column, rows, elements, width, to); break;
    default: break;  // refused when the node was bound
  }
}

template <typename To>
void NullsToNan(const Column& column, std::span<const uint32_t> rows, size_t elements, size_t width, To* to) {
  for (size_t i = 0; i < rows.size(); ++i) {
    if (column.valid(rows[i])) continue;
    std::fill_n(to + i * width, elements, static_cast<To>(std::numeric_limits<double>::quiet_NaN()));
  }
}

template <typename To>
void PackInput(const Features& features, const ModelInput& input, bool null_is_nan, std::span<const uint32_t> rows,
               uint32_t call_rows, To* to) {
  const auto width = static_cast<size_t>(input.width);
  size_t first = 0;
  for (const FeatureColumn& feature : input.columns) {
    const Column& column = features[feature];
    const auto elements = static_cast<size_t>(feature.elements);
    PackColumn(column, rows, elements, width, to + first);
    if constexpr (kIsFloat<To>) {
      if (null_is_nan) NullsToNan(column, rows, elements, width, to + first);
    }
    first += elements;
  }
  const To* last = to + (rows.size() - 1) * width;
  for (size_t i = rows.size(); i < call_rows; ++i) std::copy_n(last, width, to + i * width);
}

void PackTexts(const Features& features, const ModelInput& input, std::span<const uint32_t> rows, uint32_t call_rows,
               std::vector<std::string_view>* to) {
  const auto width = static_cast<size_t>(input.width);
  for (size_t i = 0; i < call_rows; ++i) {
    const uint32_t row = rows[std::min(i, rows.size() - 1)];
    size_t at = i * width;
    for (const FeatureColumn& feature : input.columns) {
      const auto elements = static_cast<size_t>(feature.elements);
      const std::string_view* from = features[feature].values<std::string_view>().data() + row * elements;
      at =
          static_cast<size_t>(std::copy_n(from, elements, to->begin() + static_cast<std::ptrdiff_t>(at)) - to->begin());
    }
  }
}

// The column's memory, if it holds exactly what the call reads.
const void* AsItLies(const Features& features, const InferPlan& plan, const ModelInput& input,
                     std::span<const uint32_t> rows, uint32_t call_rows) {
  if (input.columns.size() != 1 || rows.size() != call_rows || !Contiguous(rows)) return nullptr;
  const Column& column = features[input.columns[0]];
  const Kind stored = Stored(column.type());
  const bool same = (input.element == Element::kFloat32 && stored == Kind::kFloat32) ||
                    (input.element == Element::kFloat64 && stored == Kind::kFloat64) ||
                    (input.element == Element::kInt64 && stored == Kind::kInt64) ||
                    (input.element == Element::kBool && stored == Kind::kBool);
  if (!same) return nullptr;
  const auto states = column.states().subspan(rows.front(), rows.size());
  const auto is_null = [](uint8_t state) { return (state & kValid) == 0; };
  if (plan.null_is_nan && std::ranges::any_of(states, is_null)) return nullptr;
  return column.values<char>().data() + rows.front() * static_cast<size_t>(input.width) * ElementSize(input.element);
}

}  // namespace

void SelectRows(const Features& features, std::span<const uint8_t> active, const InferPlan& plan,
                std::vector<uint8_t>* usable, std::vector<uint32_t>* rows, std::vector<BadRow>* bad) {
  const uint32_t count = features.batch.rows();
  usable->assign(count, 1);
  rows->clear();
  for (const ModelInput& input : plan.inputs) {
    for (const FeatureColumn& feature : input.columns) {
      CheckColumn(plan, input, features[feature], static_cast<size_t>(feature.elements), usable);
    }
  }
  const uint8_t* wanted = active.data();
  const uint8_t* ok = usable->data();
  for (uint32_t row = 0; row < count; ++row) {
    if (!wanted[row]) continue;
    if (ok[row]) {
      rows->push_back(row);
    } else {
      bad->push_back(Explain(features, plan, row));
    }
  }
}

void PackRows(const Features& features, std::span<const uint32_t> rows, uint32_t call_rows, ModelCall* call) {
  const InferPlan& plan = call->plan();
  for (size_t i = 0; i < plan.inputs.size(); ++i) {
    const ModelInput& input = plan.inputs[i];
    const void* data = call->borrows() ? AsItLies(features, plan, input, rows, call_rows) : nullptr;
    if (data != nullptr) {
      call->BorrowInput(i, data);
      continue;
    }
    if (input.element == Element::kString) PackTexts(features, input, rows, call_rows, &call->Texts(i, call_rows));
    WithNumber(input.element, [&]<typename To>() {
      PackInput(features, input, plan.null_is_nan, rows, call_rows, static_cast<To*>(call->Numbers(i, call_rows)));
    });
  }
}

}  // namespace anabranch
