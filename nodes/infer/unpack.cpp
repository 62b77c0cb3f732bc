#include <algorithm>
#include <array>
#include <cmath>

#include "nodes/infer/numbers.h"
#include "nodes/infer/rows.h"

namespace anabranch {
namespace {

// Values of one output → one column, where they lie in another order.
template <typename To, typename From>
void CopyOrdered(const ModelCall::Output& output, const MadeValue& value, std::span<const uint32_t> rows,
                 Column* column) {
  const From* from = static_cast<const From*>(output.data);
  To* to = column->values<To>().data();
  const auto width = static_cast<size_t>(output.width);
  const size_t count = value.order.size();
  for (size_t i = 0; i < rows.size(); ++i) {
    for (size_t e = 0; e < count; ++e) {
      to[rows[i] * count + e] = static_cast<To>(from[i * width + static_cast<size_t>(value.order[e])]);
    }
  }
}

// Values of one output → one column. From and To differ for types that are narrower than a column.
template <typename To, typename From>
void CopyValues(const ModelCall::Output& output, const MadeValue& value, std::span<const uint32_t> rows,
                Column* column) {
  if (!value.order.empty()) return CopyOrdered<To, From>(output, value, rows, column);
  const From* from = static_cast<const From*>(output.data) + value.first;
  To* to = column->values<To>().data();
  const auto width = static_cast<size_t>(output.width);
  const auto count = static_cast<size_t>(value.count);
  if (static_cast<const void*>(from) == static_cast<const void*>(to + rows.front() * count)) return;  // written there
  if (count == 1 && Contiguous(rows)) {
    to += rows.front();
    for (size_t i = 0; i < rows.size(); ++i) to[i] = static_cast<To>(from[i * width]);
    return;
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    for (size_t e = 0; e < count; ++e) to[rows[i] * count + e] = static_cast<To>(from[i * width + e]);
  }
}

template <typename T>
void FindNotFinite(const InferPlan& plan, const MadeValue& value, std::span<const uint32_t> rows, const Column& column,
                   std::vector<BadRow>* bad) {
  const T* values = column.values<T>().data();
  const auto count = static_cast<size_t>(value.count);
  // x - x is 0 only for finite numbers: one pass without branches for the common case. Rows between the requested ones
  // may hold any value; at worst they cost the second pass.
  const auto all = column.values<T>().subspan(rows.front() * count, (rows.back() - rows.front() + 1) * count);
  std::array<T, 8> sums = {};
  for (size_t i = 0; i < all.size(); ++i) sums[i % 8] += all[i] - all[i];
  if (std::ranges::all_of(sums, [](T sum) { return sum == 0; })) return;
  for (const uint32_t row : rows) {
    const T* begin = values + row * count;
    if (std::all_of(begin, begin + count, [](T v) { return std::isfinite(v); })) continue;
    bad->push_back(
        {row, "non_finite", "output \"" + value.reference + "\" of model " + plan.label + " is not finite", false});
  }
}

void CopyTexts(const ModelCall::Output& output, const MadeValue& value, std::span<const uint32_t> rows,
               Column* column) {
  // Columns copy their texts, because the model's texts are gone after the next call.
  const std::string_view all = column->text().Copy(output.strings.bytes);
  std::string_view* to = column->values<std::string_view>().data();
  for (size_t i = 0; i < rows.size(); ++i) {
    const size_t at = i * static_cast<size_t>(output.width) + static_cast<size_t>(value.first);
    const std::vector<size_t>& offsets = output.strings.offsets;
    to[rows[i]] = all.substr(offsets[at], offsets[at + 1] - offsets[at]);
  }
}

// The keys of a map that a column gets.
std::span<const std::string> ClassesOf(const MadeValue& value) {
  if (value.classes.empty()) return {&value.class_name, 1};
  return value.classes;
}

Status CheckClass(const InferPlan& plan, const ModelCall::Output& output, const MadeValue& value) {
  const std::vector<std::string>& keys = output.maps.keys;
  for (const std::string& name : ClassesOf(value)) {
    if (std::ranges::find(keys, name) != keys.end()) continue;
    return {Code::kInvalid, "model " + plan.label + " has no class \"" + name + "\" for \"" + value.reference + "\"" +
                                (keys.empty() ? std::string() : "; " + Suggest(name, keys))};
  }
  return Status::Ok();
}

void CopyClasses(const ModelCall::Output& output, const MadeValue& value, std::span<const uint32_t> rows,
                 Column* column) {
  const std::vector<std::string>& keys = output.maps.keys;
  const std::span<const std::string> names = ClassesOf(value);
  for (size_t c = 0; c < names.size(); ++c) {
    const float* from = output.maps.values.data() + (std::ranges::find(keys, names[c]) - keys.begin());
    float* to = column->values<float>().data() + c;
    for (size_t i = 0; i < rows.size(); ++i) to[rows[i] * names.size()] = from[i * keys.size()];
  }
}

Status CheckWidth(const InferPlan& plan, const ModelOutput& output, const MadeValue& value, int64_t width) {
  const bool whole = value.first == 0 && output.width == value.count;
  if (whole ? width == value.count : width >= value.first + value.count) return Status::Ok();
  return {Code::kInvalid, "output \"" + output.name + "\" of model " + plan.label + " has " + std::to_string(width) +
                              " value(s) per record; \"" + value.reference + "\" needs " +
                              (whole ? "exactly " : "at least ") + std::to_string(value.first + value.count)};
}

Status CheckOutput(const ModelCall& call, const MadeValue& value) {
  const ModelOutput& declared = call.plan().outputs[value.output];
  const ModelCall::Output& output = call.output(value.output);
  if (declared.form == ValueInfo::Form::kMaps) return CheckClass(call.plan(), output, value);
  return CheckWidth(call.plan(), declared, value, output.width);
}

void CopyOutput(const ModelCall& call, const MadeValue& value, std::span<const uint32_t> rows, Column* column) {
  const ModelOutput& declared = call.plan().outputs[value.output];
  const ModelCall::Output& output = call.output(value.output);
  if (declared.form == ValueInfo::Form::kMaps) return CopyClasses(output, value, rows, column);
  if (declared.element == Element::kString) return CopyTexts(output, value, rows, column);
  WithNumber(declared.element, [&]<typename From>() {
    using Wide = std::conditional_t<std::is_integral_v<From>, int64_t, float>;
    if constexpr (std::is_same_v<From, double>) {
      CopyValues<double, double>(output, value, rows, column);
    } else if (declared.element == Element::kBool) {
      CopyValues<uint8_t, uint8_t>(output, value, rows, column);
    } else {
      CopyValues<Wide, From>(output, value, rows, column);
    }
  });
}

bool LiesAsInColumn(Element element) {
  return element == Element::kFloat32 || element == Element::kFloat64 || element == Element::kInt64 ||
         element == Element::kBool;
}

// A uint64 that does not fit an int64 has become negative.
void FindTooLarge(const InferPlan& plan, const MadeValue& value, std::span<const uint32_t> rows, const Column& column,
                  std::vector<BadRow>* bad) {
  const auto count = static_cast<size_t>(value.count);
  for (const uint32_t row : rows) {
    const int64_t* begin = column.values<int64_t>().data() + row * count;
    if (std::all_of(begin, begin + count, [](int64_t v) { return v >= 0; })) continue;
    bad->push_back({row, "out_of_range",
                    "output \"" + value.reference + "\" of model " + plan.label + " does not fit int64", false});
  }
}

}  // namespace

Status CheckOutputs(const ModelCall& call) {
  for (const MadeValue& value : call.plan().values) RETURN_IF_ERROR(CheckOutput(call, value));
  return Status::Ok();
}

void BorrowColumns(RecordBatch& batch, std::span<const uint32_t> rows, uint32_t call_rows, ModelCall* call) {
  if (!call->borrows() || rows.size() != call_rows || !Contiguous(rows)) return;
  for (const MadeValue& value : call->plan().values) {
    const ModelOutput& output = call->plan().outputs[value.output];
    const bool whole = output.width == value.count && value.order.empty();
    if (!call->in_place(value.output) || !whole || !LiesAsInColumn(output.element)) continue;
    const size_t bytes = static_cast<size_t>(value.count) * ElementSize(output.element);
    call->BorrowOutput(value.output, batch.columns[value.id].values<char>().data() + rows.front() * bytes);
  }
}

Status UnpackRows(const ModelCall& call, std::span<const uint32_t> rows, RecordBatch& batch, std::vector<BadRow>* bad) {
  const InferPlan& plan = call.plan();
  RETURN_IF_ERROR(CheckOutputs(call));
  for (const MadeValue& value : plan.values) {
    Column& column = batch.columns[value.id];
    CopyOutput(call, value, rows, &column);
    if (plan.outputs[value.output].element == Element::kUint64) FindTooLarge(plan, value, rows, column, bad);
    if (plan.allow_nan) continue;
    const Kind stored = value.type.IsScalar() ? value.type.kind : value.type.element;
    if (stored == Kind::kFloat32) FindNotFinite<float>(plan, value, rows, column, bad);
    if (stored == Kind::kFloat64) FindNotFinite<double>(plan, value, rows, column, bad);
  }
  return Status::Ok();
}

}  // namespace anabranch
