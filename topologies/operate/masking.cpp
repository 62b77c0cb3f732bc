#include "topologies/operate/masking.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <span>

#include "engine/json_type.h"
#include "engine/schema/record_schema.h"
#include "engine/text/timestamp.h"

namespace anabranch {
namespace {

using RecordTree = nlohmann::ordered_json;

// A number that is the same for the same text in this process, and says nothing about it elsewhere.
uint32_t NumberOf(const std::string& text) {
  static const std::string salt = [] {
    std::random_device random;
    std::string bytes;
    for (int i = 0; i < 4; ++i) bytes += std::to_string(random());
    return bytes;
  }();
  return static_cast<uint32_t>(std::hash<std::string>()(salt + text));
}

RecordTree StandIn(const RecordTree& value) {
  if (value.is_structured()) {
    RecordTree masked = value;
    for (RecordTree& each : masked) each = StandIn(each);
    return masked;
  }
  if (value.is_null() || value.is_boolean()) return value.is_null() ? value : RecordTree(false);
  const uint32_t number = NumberOf(value.dump(-1, ' ', false, RecordTree::error_handler_t::replace));
  if (value.is_number_integer()) return number % 1'000'000;
  if (value.is_number()) return static_cast<double>(number % 100'000) / 100;
  int64_t micros = 0;
  if (ParseTimestamp(value.get_ref<const std::string&>(), &micros)) return "2000-01-01T00:00:00Z";
  char text[20];
  std::snprintf(text, sizeof text, "masked-%08x", number);
  return text;
}

// Replaces what is at `steps`, in each item where an array is on the way.
void ReplaceAt(std::span<const std::string> steps, bool stand_ins, RecordTree* value) {
  if (steps.empty()) {
    if (stand_ins) {
      *value = StandIn(*value);
    } else if (!value->is_null()) {
      *value = kMasked;
    }
  } else if (value->is_array()) {
    for (RecordTree& item : *value) ReplaceAt(steps, stand_ins, &item);
  } else if (value->is_object() && value->contains(steps.front())) {
    ReplaceAt(steps.subspan(1), stand_ins, &(*value)[steps.front()]);
  }
}

bool HoldsText(const Type& type) {
  if (type.IsScalar()) return type.kind == Kind::kString || IsJson(type);
  return type.kind == Kind::kList && type.element == Kind::kString;
}

}  // namespace

std::vector<bool> HiddenColumns(const Plan& plan) {
  std::vector<bool> hidden(plan.columns.size(), false);
  for (const PlanSource& source : plan.sources) {
    if (source.schema == nullptr) continue;
    for (const DecodePlan::Field& field : source.decode.fields) {
      if (source.schema->fields()[field.index].sensitive) hidden[field.column] = true;
    }
  }
  for (const PlanNode& node : plan.nodes) {
    if (!std::ranges::any_of(node.reads, [&](ColumnId column) { return hidden[column]; })) continue;
    for (const ColumnId column : node.makes) {
      if (HoldsText(plan.columns[column].type)) hidden[column] = true;
    }
  }
  return hidden;
}

std::vector<bool> HiddenKeys(const Plan& plan) {
  const std::vector<bool> hidden = HiddenColumns(plan);
  std::vector<bool> keys;
  for (const PlanSource& source : plan.sources) {
    keys.push_back(source.key.kind == KeyRule::Kind::kField &&
                   std::ranges::any_of(source.key.columns, [&](ColumnId column) { return hidden[column]; }));
  }
  return keys;
}

bool HidesMessages(const PlanSource& source) { return source.schema != nullptr && !source.schema->sensitive().empty(); }

std::string MaskRecord(const PlanSource& source, std::string_view value, bool stand_ins) {
  if (!HidesMessages(source)) return std::string(value);
  RecordTree record = RecordTree::parse(value, nullptr, false);
  if (!record.is_object()) return kMasked;
  for (const std::vector<std::string>& steps : source.schema->sensitive()) ReplaceAt(steps, stand_ins, &record);
  return record.dump(-1, ' ', false, RecordTree::error_handler_t::replace);
}

}  // namespace anabranch
