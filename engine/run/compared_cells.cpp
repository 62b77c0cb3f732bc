#include "engine/run/compared_cells.h"

#include <charconv>
#include <cmath>

namespace anabranch {
namespace {

// Value `index` of a column of this (element) kind, as a number.
double NumberAt(const Column& column, Kind kind, size_t index) {
  switch (kind) {
    case Kind::kFloat32: return column.values<float>()[index];
    case Kind::kFloat64: return column.values<double>()[index];
    case Kind::kBool: return column.values<uint8_t>()[index];
    case Kind::kInt64:
    case Kind::kTimestamp: return static_cast<double>(column.values<int64_t>()[index]);
    case Kind::kString:
    case Kind::kList:
    case Kind::kTensor: break;
  }
  return std::nan("");
}

bool IsWhole(Kind kind) { return kind == Kind::kInt64 || kind == Kind::kTimestamp; }

const char* TextOfBool(uint8_t value) { return value != 0 ? "true" : "false"; }

}  // namespace

size_t ComparedCells::OutputsOf(const Type& type) {
  if (type.kind == Kind::kList) return 0;
  return type.kind == Kind::kTensor ? static_cast<size_t>(type.Elements()) : 1;
}

void ComparedCells::Begin(std::span<const CompareSpec::Output> outputs) {
  outputs_ = outputs;
  values_.clear();
  digits_.resize(outputs.size());
}

std::string_view ComparedCells::TextOf(int64_t number) {
  std::array<char, 24>& digits = digits_[values_.size()];
  return {digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr};
}

void ComparedCells::Add(const Column& column, uint32_t row) {
  const Type& type = column.type();
  const Kind kind = type.kind == Kind::kTensor ? type.element : type.kind;
  const size_t count = OutputsOf(type);
  const bool valid = column.valid(row);
  for (size_t i = 0, at = row * count; i < count; ++i, ++at) {
    ComparedValue value;
    if (!valid) {
      value.kind = ComparedValue::Kind::kNull;
    } else if (!outputs_[values_.size()].is_label) {
      value.kind = ComparedValue::Kind::kNumber;
      value.number = NumberAt(column, kind, at);
    } else {
      value.kind = ComparedValue::Kind::kLabel;
      if (kind == Kind::kString) {
        value.label = column.values<std::string_view>()[at];
      } else if (kind == Kind::kBool) {
        value.label = TextOfBool(column.values<uint8_t>()[at]);
      } else {
        value.label = TextOf(IsWhole(kind) ? column.values<int64_t>()[at] : 0);
      }
    }
    values_.push_back(value);
  }
}

void ComparedCells::AppendText(const Column& column, uint32_t row, std::string* text) {
  const Kind kind = column.type().kind;
  char digits[32];
  if (!column.valid(row) || kind == Kind::kList || kind == Kind::kTensor) {
    text->append("(null)");
  } else if (kind == Kind::kString) {
    text->append(column.values<std::string_view>()[row]);
  } else if (kind == Kind::kBool) {
    text->append(TextOfBool(column.values<uint8_t>()[row]));
  } else if (IsWhole(kind)) {
    text->append(digits, std::to_chars(digits, digits + sizeof digits, column.values<int64_t>()[row]).ptr);
  } else {
    text->append(digits, std::to_chars(digits, digits + sizeof digits, NumberAt(column, kind, row)).ptr);
  }
}

}  // namespace anabranch
