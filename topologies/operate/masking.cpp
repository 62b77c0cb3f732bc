#include "topologies/operate/masking.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <span>

#include "engine/copied_columns.h"
#include "engine/json_type.h"
#include "engine/schema/record_schema.h"
#include "engine/text/json_nesting.h"
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

// Discarded: not what the source takes.
RecordTree ReadRecord(const PlanSource& source, std::string_view value) {
  if (NestingOf(value).deepest > source.decode.max_depth) return RecordTree(RecordTree::value_t::discarded);
  RecordTree record = RecordTree::parse(value, nullptr, false);
  return record.is_object() ? record : RecordTree(RecordTree::value_t::discarded);
}

void AddLeaves(const RecordTree& value, std::set<std::string, std::less<>>* texts) {
  if (value.is_structured()) {
    for (const RecordTree& each : value) AddLeaves(each, texts);
  } else if (value.is_string()) {
    if (!value.get_ref<const std::string&>().empty()) texts->insert(value.get<std::string>());
  } else if (value.is_number()) {
    texts->insert(value.dump());
  }
}

void AddAt(std::span<const std::string> steps, const RecordTree& value, std::set<std::string, std::less<>>* texts) {
  if (steps.empty()) {
    AddLeaves(value, texts);
  } else if (value.is_array()) {
    for (const RecordTree& item : value) AddAt(steps, item, texts);
  } else if (value.is_object() && value.contains(steps.front())) {
    AddAt(steps.subspan(1), value[steps.front()], texts);
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
    const auto* const copied = dynamic_cast<const CopiedColumns*>(node.program.get());
    if (copied == nullptr) continue;
    for (const auto& [made, of] : copied->Copies()) {
      if (hidden[of]) hidden[made] = true;
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

bool TellsOfARecord(ErrorClass error_class) {
  return error_class == ErrorClass::kBreaker || error_class == ErrorClass::kContract;
}

bool HidesMessage(const Plan& plan, const Failure& failure) {
  return TellsOfARecord(failure.error_class) && std::ranges::any_of(plan.sources, HidesMessages);
}

Failure Masked(const Plan& plan, Failure failure) {
  if (HidesMessage(plan, failure)) failure.message = kMasked;
  return failure;
}

std::string MaskRecord(const PlanSource& source, std::string_view value, bool stand_ins) {
  if (!HidesMessages(source)) return std::string(value);
  RecordTree record = ReadRecord(source, value);
  if (record.is_discarded()) return kMasked;
  for (const std::vector<std::string>& steps : source.schema->sensitive()) ReplaceAt(steps, stand_ins, &record);
  return record.dump(-1, ' ', false, RecordTree::error_handler_t::replace);
}

HiddenValues::HiddenValues(const PlanSource& source, std::string_view value) {
  if (!HidesMessages(source)) return;
  const RecordTree record = ReadRecord(source, value);
  known_ = !record.is_discarded();
  if (!known_) return;
  for (const std::vector<std::string>& steps : source.schema->sensitive()) AddAt(steps, record, &texts_);
}

}  // namespace anabranch
