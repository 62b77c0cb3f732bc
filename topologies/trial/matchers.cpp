#include "topologies/trial/matchers.h"

#include <algorithm>
#include <string>
#include <vector>

#include "engine/record_batch.h"
#include "topologies/trial/cell_value.h"
#include "topologies/trial/json_value.h"

namespace anabranch {
namespace {

const std::vector<std::string>& MatcherNames() {
  static const std::vector<std::string> names = {"$near", "$any", "$absent", "$expr"};
  return names;
}

bool TakesNumber(const Type& type) {
  return type.kind == Kind::kInt64 || type.kind == Kind::kFloat32 || type.kind == Kind::kFloat64;
}

bool CheckNear(const ConfigValue& value, const Type& type, FaultSink& faults) {
  const size_t before = faults.errors();
  const ConfigValue& near = *value.Find("$near");
  if (!near.is_number()) {
    faults.Add(FaultCode::kWrongType, near, std::string("\"$near\" must be a number, not ") + near.KindName());
  }
  for (const char* name : {"abs", "rel"}) {
    const ConfigValue* most = value.Find(name);
    if (most == nullptr || (most->is_number() && most->number >= 0)) continue;
    faults.Add(FaultCode::kBadValue, *most, std::string("\"") + name + "\" must be a number of 0 or more");
  }
  if (!TakesNumber(type)) {
    faults.Add(FaultCode::kWrongType, value, "\"$near\" is for a number, and this value is " + type.ToString(),
               "write the expected value itself");
  }
  return faults.errors() == before;
}

}  // namespace

bool IsMatcher(const ConfigValue& value) {
  return value.is_object() &&
         std::ranges::any_of(value.children, [](const auto& each) { return each.name.starts_with('$'); });
}

bool HoldsMatcher(const ConfigValue& value) {
  return IsMatcher(value) || std::ranges::any_of(value.children, [](const auto& each) { return HoldsMatcher(each); });
}

bool CheckMatcher(const ConfigValue& value, const Type& type, FaultSink& faults) {
  const auto named = std::ranges::find_if(value.children, [](const auto& each) { return each.name.starts_with('$'); });
  const ConfigValue& member = *named;
  if (std::ranges::find(MatcherNames(), member.name) == MatcherNames().end()) {
    faults.AddAtName(FaultCode::kUnknownKey, member, "there is no matcher \"" + member.name + "\"",
                     Suggest(member.name, MatcherNames()));
    return false;
  }
  const bool near = member.name == "$near";
  const size_t before = faults.errors();
  for (const ConfigValue& each : value.children) {
    const bool known = &each == &member || (near && (each.name == "abs" || each.name == "rel"));
    if (known) continue;
    faults.AddAtName(FaultCode::kUnknownKey, each, "unknown key \"" + each.name + "\" beside \"" + member.name + "\"",
                     near ? Suggest(each.name, {"abs", "rel"}) : "");
  }
  if (faults.errors() != before) return false;
  if (near) return CheckNear(value, type, faults);
  if (member.name == "$expr") {
    if (member.is_string()) return true;
    faults.Add(FaultCode::kWrongType, member, std::string("\"$expr\" must be a string, not ") + member.KindName());
    return false;
  }
  if (member.kind == ConfigValue::Kind::kBool && member.boolean) return true;
  faults.Add(FaultCode::kBadValue, member, "\"" + member.name + "\" can only be true");
  return false;
}

Scope ScopeOfFields(std::span<const TargetField> fields) {
  Scope scope;
  for (size_t i = 0; i < fields.size(); ++i) {
    scope.Add({.name = fields[i].name,
               .id = ColumnId(i),
               .type = fields[i].type,
               .nullable = fields[i].nullable,
               .maker = ""});
  }
  return scope;
}

bool IsTrueFor(const Expression& expression, std::span<const TargetField> fields, const ConfigValue& value) {
  RecordBatch batch;
  batch.Clear(fields.size(), 1);
  batch.AddRow(PartitionId(), 0, -1, {}, false, {});
  for (size_t i = 0; i < fields.size(); ++i) {
    const ConfigValue* cell = value.Find(fields[i].name);
    FillCells({cell}, fields[i].type, &batch.columns[i]);
  }
  Column result;
  std::vector<ExpressionError> errors;
  const uint8_t active = 1;
  Evaluator().Evaluate(expression, batch, {&active, 1}, &result, &errors);
  return errors.empty() && result.valid(0) && result.values<uint8_t>()[0] != 0;
}

}  // namespace anabranch
