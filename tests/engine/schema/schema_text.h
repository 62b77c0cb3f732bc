#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/schema/record_schema.h"
#include "engine/testing/config_builder.h"

namespace anabranch {

inline ConfigValue ToConfig(const nlohmann::ordered_json& json) {
  ConfigValue value;
  if (json.is_boolean()) {
    value.kind = ConfigValue::Kind::kBool;
    value.boolean = json.get<bool>();
  } else if (json.is_number_integer()) {
    value = ConfigItem(json.get<int64_t>()).value;
  } else if (json.is_number()) {
    value = ConfigItem(json.get<double>()).value;
  } else if (json.is_string()) {
    value = ConfigItem(json.get<std::string>()).value;
  } else if (json.is_array()) {
    value.kind = ConfigValue::Kind::kArray;
    for (const auto& item : json) value.children.push_back(ToConfig(item));
  } else if (json.is_object()) {
    value.kind = ConfigValue::Kind::kObject;
    for (const auto& [name, member] : json.items()) {
      value.children.push_back(ToConfig(member));
      value.children.back().name = name;
    }
  }
  return value;
}

inline std::unique_ptr<const ConfigValue> ParseConfig(const std::string& text) {
  return LinkConfig(ToConfig(nlohmann::ordered_json::parse(text)));
}

// A schema compiled from JSON text; columns are numbered in field order.
struct SchemaText {
  explicit SchemaText(const std::string& text) : faults("test.json"), config(ParseConfig(text)) {
    schema = CompileSchema(*config, faults);
    if (schema == nullptr) return;
    std::vector<ColumnId> ids;
    for (size_t i = 0; i < schema->fields().size(); ++i) ids.push_back(ColumnId(i));
    schema->SetColumns(ids);
  }

  // "pointer: message | hint" of the faults, one per line.
  std::string FaultText() const {
    std::string all;
    for (const Fault& fault : faults.faults()) {
      all += fault.pointer + ": " + fault.message + (fault.hint.empty() ? "" : " | " + fault.hint) + "\n";
    }
    return all;
  }

  FaultSink faults;
  std::unique_ptr<const ConfigValue> config;
  std::shared_ptr<RecordSchema> schema;
};

}  // namespace anabranch
