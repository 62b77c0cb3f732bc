#include "topologies/trial/cell_value.h"

#include <algorithm>

#include "engine/text/timestamp.h"
#include "topologies/trial/json_value.h"

namespace anabranch {
namespace {

bool FitsElement(const ConfigValue& value, Kind kind) {
  switch (kind) {
    case Kind::kBool: return value.kind == ConfigValue::Kind::kBool;
    case Kind::kInt64: return value.kind == ConfigValue::Kind::kInteger;
    case Kind::kFloat32:
    case Kind::kFloat64: return value.is_number();
    case Kind::kString: return value.is_string();
    case Kind::kTimestamp: {
      int64_t micros = 0;
      return value.is_string() && ParseTimestamp(value.text, &micros);
    }
    case Kind::kList:
    case Kind::kTensor: break;
  }
  return false;
}

const char* ExampleOf(Kind kind) {
  switch (kind) {
    case Kind::kBool: return "true";
    case Kind::kInt64: return "5";
    case Kind::kFloat32:
    case Kind::kFloat64: return "0.5";
    case Kind::kString: return "\"text\"";
    case Kind::kTimestamp: return "\"2026-11-28T10:00:00Z\"";
    case Kind::kList:
    case Kind::kTensor: break;
  }
  return "";
}

bool FitsTensor(const ConfigValue& value, const Type& type, size_t axis) {
  if (axis == type.shape.size()) return FitsElement(value, type.element);
  const auto length = static_cast<size_t>(type.shape[axis]);
  return value.is_array() && value.children.size() == length &&
         std::ranges::all_of(value.children, [&](const auto& each) { return FitsTensor(each, type, axis + 1); });
}

// The values of nested arrays, one after the other.
void Flatten(const ConfigValue& value, std::vector<const ConfigValue*>* out) {
  if (!value.is_array()) return out->push_back(&value);
  for (const ConfigValue& child : value.children) Flatten(child, out);
}

template <typename T>
T ElementOf(const ConfigValue& value, Kind kind, Column* column) {
  if constexpr (std::is_same_v<T, std::string_view>) {
    return column->text().Copy(value.text);
  } else if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(value.number);
  } else if constexpr (std::is_same_v<T, uint8_t>) {
    return value.boolean ? 1 : 0;
  } else {
    int64_t number = value.integer;
    if (kind == Kind::kTimestamp) (void)ParseTimestamp(value.text, &number);
    return number;
  }
}

template <typename T>
void FillAs(const std::vector<const ConfigValue*>& values, const Type& type, Column* column) {
  const Kind kind = type.IsScalar() ? type.kind : type.element;
  size_t at = 0;  // in the values of a column without lists
  for (uint32_t row = 0; row < values.size(); ++row) {
    const ConfigValue* value = values[row];
    const bool null = value == nullptr || value->kind == ConfigValue::Kind::kNull;
    std::vector<const ConfigValue*> elements;
    if (!null) Flatten(*value, &elements);
    if (!null) column->states()[row] = kValid;
    if (type.kind == Kind::kList) {
      for (const ConfigValue* element : elements) column->PushListValue(ElementOf<T>(*element, kind, column));
      column->EndListRow();
      continue;
    }
    for (size_t i = 0; i < elements.size(); ++i) {
      column->values<T>()[at + i] = ElementOf<T>(*elements[i], kind, column);
    }
    at += type.IsScalar() ? 1 : static_cast<size_t>(type.Elements());
  }
}

}  // namespace

bool FitsCell(const ConfigValue& value, const Type& type) {
  if (value.kind == ConfigValue::Kind::kNull) return true;
  if (type.IsScalar()) return FitsElement(value, type.kind);
  if (type.kind == Kind::kTensor) return FitsTensor(value, type, 0);
  return value.is_array() &&
         std::ranges::all_of(value.children, [&](const auto& each) { return FitsElement(each, type.element); });
}

std::string CellHint(const ConfigValue& value, const Type& type) {
  if (type.kind == Kind::kList) return std::string("write a list: [") + ExampleOf(type.element) + ", …]";
  if (type.kind == Kind::kTensor) {
    std::string shape;
    for (const int64_t length : type.shape) shape += (shape.empty() ? "" : " × ") + std::to_string(length);
    return "write nested lists of " + shape + " values";
  }
  const bool text_of_it = value.is_string() && type.kind != Kind::kTimestamp && !value.text.empty() &&
                          value.text.find_first_not_of("+-.0123456789eE") == std::string::npos;
  if (text_of_it) return "write it without quotes: " + value.text;
  if (type.kind == Kind::kString && (value.is_number() || value.kind == ConfigValue::Kind::kBool)) {
    return "write it in quotes: \"" + JsonText(value) + "\"";
  }
  if (type.kind == Kind::kBool) return "write true or false";
  return std::string("write a value such as ") + ExampleOf(type.kind);
}

void FillCells(const std::vector<const ConfigValue*>& values, const Type& type, Column* column) {
  column->Reset(type, static_cast<uint32_t>(values.size()));
  switch (type.IsScalar() ? type.kind : type.element) {
    case Kind::kBool: return FillAs<uint8_t>(values, type, column);
    case Kind::kInt64:
    case Kind::kTimestamp: return FillAs<int64_t>(values, type, column);
    case Kind::kFloat32: return FillAs<float>(values, type, column);
    case Kind::kFloat64: return FillAs<double>(values, type, column);
    case Kind::kString: return FillAs<std::string_view>(values, type, column);
    case Kind::kList:
    case Kind::kTensor: break;
  }
}

}  // namespace anabranch
