#include "nodes/infer/gate_rows.h"

#include <cctype>
#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/models/package_files.h"
#include "engine/printable.h"
#include "engine/text/timestamp.h"

namespace anabranch {
namespace {

using GateJson = nlohmann::ordered_json;

constexpr size_t kMostLineFaults = 10;
constexpr int64_t kMostSetBytes = int64_t{256} << 20;

std::string ShownCell(const GateJson& value) {
  return Printable(value.dump(-1, ' ', false, GateJson::error_handler_t::replace), 80);
}

// One value of a scalar kind to `index` of the column's values. False when it does not fit.
bool PutCell(const GateJson& value, Kind kind, Column* column, size_t index) {
  switch (kind) {
    case Kind::kBool:
      if (!value.is_boolean()) return false;
      column->values<uint8_t>()[index] = value.get<bool>() ? 1 : 0;
      return true;
    case Kind::kInt64:
      if (!value.is_number_integer()) return false;
      column->values<int64_t>()[index] = value.get<int64_t>();
      return true;
    case Kind::kFloat32:
      if (!value.is_number()) return false;
      column->values<float>()[index] = value.get<float>();
      return true;
    case Kind::kFloat64:
      if (!value.is_number()) return false;
      column->values<double>()[index] = value.get<double>();
      return true;
    case Kind::kString:
      if (!value.is_string()) return false;
      column->values<std::string_view>()[index] = column->text().Copy(value.get_ref<const std::string&>());
      return true;
    case Kind::kTimestamp: {
      int64_t micros = 0;
      if (!value.is_string() || !ParseTimestamp(value.get_ref<const std::string&>(), &micros)) return false;
      column->values<int64_t>()[index] = micros;
      return true;
    }
    default: return false;
  }
}

// The numbers of a tensor, nested or flat, in order.
void Flatten(const GateJson& value, std::vector<const GateJson*>* flat) {
  if (!value.is_array()) return flat->push_back(&value);
  for (const GateJson& item : value) Flatten(item, flat);
}

template <typename T>
bool PushCell(const GateJson& value, Column* column) {
  if constexpr (std::is_same_v<T, std::string_view>) {
    if (!value.is_string()) return false;
    column->PushListValue<T>(column->text().Copy(value.get_ref<const std::string&>()));
  } else {
    if (!value.is_number()) return false;
    column->PushListValue<T>(value.get<T>());
  }
  return true;
}

bool PutList(const GateJson& value, Kind element, Column* column) {
  if (!value.is_array()) return false;
  for (const GateJson& item : value) {
    const bool fits = element == Kind::kInt64     ? PushCell<int64_t>(item, column)
                      : element == Kind::kFloat64 ? PushCell<double>(item, column)
                      : element == Kind::kFloat32 ? PushCell<float>(item, column)
                      : element == Kind::kString  ? PushCell<std::string_view>(item, column)
                                                  : false;
    if (!fits) return false;
  }
  return true;
}

bool PutValue(const GateJson& value, const Type& type, Column* column, uint32_t row) {
  if (type.kind == Kind::kList) return PutList(value, type.element, column);
  if (type.kind != Kind::kTensor) return PutCell(value, type.kind, column, row);
  std::vector<const GateJson*> flat;
  Flatten(value, &flat);
  const auto elements = static_cast<size_t>(type.Elements());
  if (flat.size() != elements) return false;
  for (size_t i = 0; i < elements; ++i) {
    if (!PutCell(*flat[i], type.element, column, row * elements + i)) return false;
  }
  return true;
}

template <typename T>
GateJson Cells(const Column& column, uint32_t row, bool tensor) {
  if (!tensor) return column.values<T>()[row];
  const auto elements = static_cast<size_t>(column.type().Elements());
  GateJson list = GateJson::array();
  for (size_t i = 0; i < elements; ++i) list.push_back(column.values<T>()[row * elements + i]);
  return list;
}

}  // namespace

std::vector<GateRow> ReadGateRows(const ModelPackage& package, const std::string& file,
                                  std::vector<PackageFault>* faults) {
  std::vector<GateRow> rows;
  bool listed = false;
  for (const PackageFile& each : package.manifest.files) listed |= each.path == file;
  if (!listed) return rows;
  const Result<std::string> text = ReadPackageFile(package.folder, file, kMostSetBytes);
  if (!text.ok()) {
    faults->push_back({"unreadable", file, text.status().message()});
    return rows;
  }
  size_t number = 0;
  size_t wrong = 0;
  for (size_t begin = 0; begin < text->size(); ++number) {
    const size_t end = std::min(text->find('\n', begin), text->size());
    const std::string_view line = std::string_view(*text).substr(begin, end - begin);
    begin = end + 1;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string place = file + ":" + std::to_string(number + 1);
    auto json = std::make_shared<GateJson>(IsDeepJson(line) ? GateJson() : GateJson::parse(line, nullptr, false));
    if (!json->is_object() || !json->contains("inputs") || !(*json)["inputs"].is_object()) {
      if (++wrong > kMostLineFaults) continue;
      faults->push_back({"test_row", place, "the line is not a JSON object with an object \"inputs\""});
      continue;
    }
    rows.push_back({place, std::move(json)});
  }
  if (wrong > kMostLineFaults)
    faults->back().message += " (and " + std::to_string(wrong - kMostLineFaults) + " more lines)";
  return rows;
}

std::string WithClassNumbers(std::string text, const std::string& output, const std::vector<std::string>& classes) {
  const auto in_name = [](char c) { return c == '_' || c == '.' || std::isalnum(static_cast<unsigned char>(c)) != 0; };
  for (size_t i = 0; i < classes.size(); ++i) {
    for (const char quote : {'\'', '"'}) {
      const std::string named = output + "[" + quote + classes[i] + quote + "]";
      for (size_t at = 0; (at = text.find(named, at)) != std::string::npos; ++at) {
        if (at > 0 && in_name(text[at - 1])) continue;  // the end of another output's name
        text.replace(at, named.size(), output + "[" + std::to_string(i) + "]");
      }
    }
  }
  return text;
}

void FillGateColumn(const std::vector<GateRow>& rows, const std::string& name, const Type& type, Column* column,
                    std::vector<PackageFault>* faults) {
  column->Reset(type, static_cast<uint32_t>(rows.size()));
  for (uint32_t row = 0; row < rows.size(); ++row) {
    const GateJson& inputs = rows[row].json->at("inputs");
    if (inputs.contains(name) && !inputs[name].is_null()) {
      if (PutValue(inputs[name], type, column, row)) {
        column->states()[row] = kValid;
      } else {
        faults->push_back({"test_row", rows[row].place,
                           "\"inputs." + Printable(name) + "\" is " + ShownCell(inputs[name]) +
                               ", not a value of type " + type.ToString()});
      }
    }
    if (type.kind == Kind::kList) column->EndListRow();
  }
}

GateJson GateCell(const Column& column, uint32_t row) {
  const bool tensor = column.type().kind == Kind::kTensor;
  switch (tensor ? column.type().element : column.type().kind) {
    case Kind::kBool: return tensor ? Cells<uint8_t>(column, row, true) : GateJson(column.values<uint8_t>()[row] != 0);
    case Kind::kInt64: return Cells<int64_t>(column, row, tensor);
    case Kind::kFloat32: return Cells<float>(column, row, tensor);
    case Kind::kFloat64: return Cells<double>(column, row, tensor);
    case Kind::kString: return Cells<std::string_view>(column, row, tensor);
    default: return nullptr;
  }
}

}  // namespace anabranch
