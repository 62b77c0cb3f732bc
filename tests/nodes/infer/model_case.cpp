#include "tests/nodes/infer/model_case.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "nodes/infer/infer.h"

namespace anabranch {
namespace {

using Json = nlohmann::ordered_json;

Cell ToCell(const Json& json, bool is_text) {
  if (json.is_array()) {
    std::vector<Cell> cells;
    for (const Json& item : json) {
      const Cell cell = ToCell(item, is_text);
      if (const auto* nested = std::get_if<std::vector<Cell>>(&cell.value)) {
        cells.insert(cells.end(), nested->begin(), nested->end());
      } else {
        cells.push_back(cell);
      }
    }
    return cells;
  }
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_integer()) return json.get<int64_t>();
  if (json.is_number()) return json.get<double>();
  const auto text = json.get<std::string>();
  if (is_text) return text;
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  return (text == "-inf" ? -1 : 1) * std::numeric_limits<double>::infinity();
}

ModelCase::Value ToValue(const Json& described, const Json& rows) {
  ModelCase::Value value;
  value.name = described["name"];
  value.type = described["type"];
  if (described.contains("shape")) {
    for (size_t i = 1; i < described["shape"].size(); ++i) {
      const Json& dimension = described["shape"][i];
      value.shape.push_back(dimension.is_number() ? dimension.get<int64_t>()
                                                  : static_cast<int64_t>(rows[0][value.name].size()));
    }
  }
  for (const Json& row : rows) {
    const Json& cell = row[value.name];
    if (!cell.is_object()) {
      value.cells.push_back(ToCell(cell, value.type == "string"));
      continue;
    }
    for (const auto& [name, number] : cell.items()) {
      auto found = std::ranges::find_if(value.classes, [&](const auto& item) { return item.first == name; });
      if (found == value.classes.end()) found = value.classes.insert(found, {name, {}});
      found->second.push_back(ToCell(number, false));
    }
  }
  return value;
}

int64_t Width(const ModelCase::Value& value) {
  int64_t width = 1;
  for (const int64_t dimension : value.shape) width *= dimension;
  return width;
}

Kind ColumnKind(const std::string& type) {
  if (type == "string") return Kind::kString;
  if (type == "bool") return Kind::kBool;
  if (type == "int64") return Kind::kInt64;
  return Kind::kFloat64;
}

// "image_and_meta" has [N,2] and [N,1,4,4]: only one dimension is fed from columns.
bool IsMatrix(const ModelCase::Value& value) { return value.shape.size() == 1 && value.shape[0] > 1; }

std::vector<std::string> ColumnsOf(const ModelCase::Value& input) {
  if (!IsMatrix(input)) return {input.name};
  std::vector<std::string> names;
  for (int64_t i = 0; i < input.shape[0]; ++i) names.push_back(input.name + std::to_string(i));
  return names;
}

void AddMember(ConfigValue* object, std::string name, ConfigValue value) {
  value.name = std::move(name);
  object->children.push_back(std::move(value));
}

struct Part {
  std::string column;
  std::string reference;
  std::vector<Cell> cells;
};

std::vector<Part> PartsOf(const ModelCase::Value& output) {
  std::vector<Part> parts;
  for (const auto& [name, cells] : output.classes) {
    parts.push_back({output.name + "_" + name, output.name + "['" + name + "']", cells});
  }
  if (!output.classes.empty()) return parts;
  parts.push_back({output.name + "_whole", output.name, output.cells});
  for (int64_t i = 0; IsMatrix(output) && i < output.shape[0]; ++i) {
    Part& part = parts.emplace_back(
        Part{output.name + "_" + std::to_string(i), output.name + "[" + std::to_string(i) + "]", {}});
    for (const Cell& cell : output.cells) {
      part.cells.push_back(std::get<std::vector<Cell>>(cell.value)[static_cast<size_t>(i)]);
    }
  }
  return parts;
}

bool Near(const Cell& got, const Cell& expected, double tolerance) {
  if (const auto* list = std::get_if<std::vector<Cell>>(&expected.value)) {
    const auto* other = std::get_if<std::vector<Cell>>(&got.value);
    return other != nullptr &&
           std::ranges::equal(*other, *list, [&](const Cell& a, const Cell& b) { return Near(a, b, tolerance); });
  }
  const double* number = std::get_if<double>(&got.value);
  if (number == nullptr) return got == expected;
  const double* wanted = std::get_if<double>(&expected.value);
  const double value = wanted != nullptr ? *wanted : static_cast<double>(std::get<int64_t>(expected.value));
  if (!std::isfinite(value)) return got == Cell(value);
  return std::fabs(*number - value) <= tolerance * std::max(1.0, std::fabs(value));
}

}  // namespace

const std::vector<ModelCase>& ModelCases() {
  static const std::vector<ModelCase> cases = [] {
    std::ifstream file(ANABRANCH_ROOT "/tests/models/expected.json");
    std::vector<ModelCase> all;
    const Json models = Json::parse(file);
    for (const auto& [name, entry] : models.items()) {
      ModelCase& model = all.emplace_back();
      model.name = name;
      model.tolerance = entry["tolerance"];
      model.rows = entry["rows"].size();
      for (const Json& input : entry["inputs"]) model.inputs.push_back(ToValue(input, entry["rows"]));
      for (const Json& output : entry["outputs"]) model.outputs.push_back(ToValue(output, entry["expected"]));
    }
    return all;
  }();
  return cases;
}

const ModelCase& FindModelCase(const std::string& name) {
  const auto found = std::ranges::find(ModelCases(), name, &ModelCase::name);
  if (found == ModelCases().end()) throw std::out_of_range("no model case " + name);
  return *found;
}

ConfigValue SetUpCase(const ModelCase& model, NodeRunner* runner) {
  runner->SetBasePath(ANABRANCH_ROOT "/tests/models");
  runner->SetSection("models", "m", ConfigObject({{"path", model.name + ".onnx"}, {"version", "7"}}));
  ConfigValue features = ConfigObject({});
  for (const ModelCase::Value& input : model.inputs) {
    const Kind kind = ColumnKind(input.type);
    if (Width(input) > 1 && !IsMatrix(input)) {
      runner->AddColumn(input.name, Type::Tensor(Kind::kFloat32, input.shape));
      AddMember(&features, input.name, ConfigItem(input.name).value);
      continue;
    }
    ConfigValue columns = ConfigList({});
    for (const std::string& name : ColumnsOf(input)) {
      runner->AddColumn(name, Type::Scalar(kind));
      columns.children.push_back(ConfigItem(name).value);
    }
    AddMember(&features, input.name, std::move(columns));
  }
  if (model.inputs.size() == 1) {
    ConfigValue only = features.children[0];
    features = std::move(only);
    if (!features.is_array()) features = ConfigList({std::move(features)});
  }
  ConfigValue outputs = ConfigObject({});
  for (const ModelCase::Value& output : model.outputs) {
    for (const Part& part : PartsOf(output)) AddMember(&outputs, part.column, ConfigItem(part.reference).value);
  }
  ConfigValue config = ConfigObject({{"kind", "infer"}, {"model", "m"}, {"nulls", "nan"}, {"allow_nan", true}});
  AddMember(&config, "features", std::move(features));
  AddMember(&config, "outputs", std::move(outputs));
  return config;
}

void SetMaxRows(int64_t rows, ConfigValue* config) { AddMember(config, "batch", ConfigObject({{"max_rows", rows}})); }

void FillCase(const ModelCase& model, size_t first, size_t count, NodeRunner* runner) {
  for (const ModelCase::Value& input : model.inputs) {
    const std::vector<std::string> columns = ColumnsOf(input);
    for (size_t c = 0; c < columns.size(); ++c) {
      std::vector<Cell> cells;
      for (size_t i = first; i < first + count; ++i) {
        const Cell& cell = input.cells[i % model.rows];
        const auto* list = std::get_if<std::vector<Cell>>(&cell.value);
        Cell value = list != nullptr && IsMatrix(input) ? (*list)[c] : cell;
        if (const double* number = std::get_if<double>(&value.value); number != nullptr && std::isnan(*number)) {
          value = nullptr;
        }
        cells.push_back(value);
      }
      runner->Fill(columns[c], cells);
    }
  }
}

void ExpectCase(const ModelCase& model, size_t first, size_t count, NodeRunner* runner) {
  for (const ModelCase::Value& output : model.outputs) {
    for (const Part& part : PartsOf(output)) {
      for (size_t i = 0; i < count; ++i) {
        const Cell got = runner->Value(part.column, static_cast<uint32_t>(i));
        const Cell& expected = part.cells[(first + i) % model.rows];
        EXPECT_TRUE(Near(got, expected, model.tolerance))
            << model.name << " " << part.reference << " of row " << i << ": " << got << ", expected " << expected;
      }
    }
  }
}

std::vector<std::vector<Cell>> Results(NodeRunner* runner) {
  std::vector<std::vector<Cell>> rows(runner->batch().rows());
  for (const NodeRunner::MadeColumn& made : runner->made()) {
    const std::vector<Cell> cells = runner->Values(made.name);
    for (size_t i = 0; i < rows.size(); ++i) rows[i].push_back(cells[i]);
  }
  return rows;
}

}  // namespace anabranch
