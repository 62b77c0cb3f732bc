#include "engine/schema/read_rules.h"

#include <re2/re2.h>

namespace anabranch {
namespace {

std::string ValueText(const ConfigValue& value) {
  return value.is_string() ? "\"" + value.text + "\"" : value.Canonical();
}

std::optional<Limit> ReadLimit(const ConfigValue& schema, const char* name) {
  const ConfigValue* value = schema.Find(name);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  const bool integer = value->kind == ConfigValue::Kind::kInteger;
  return Limit{value->number, value->integer, integer, value->Canonical()};
}

std::optional<int64_t> ReadCount(const ConfigValue& schema, const char* name) {
  const ConfigValue* value = schema.Find(name);
  if (value == nullptr || value->kind != ConfigValue::Kind::kInteger || value->integer < 0) return std::nullopt;
  return value->integer;
}

void CheckOrder(const ConfigValue& schema, const char* least, const char* most, FaultSink& faults) {
  const ConfigValue* low = schema.Find(least);
  const ConfigValue* high = schema.Find(most);
  if (low == nullptr || high == nullptr || !low->is_number() || !high->is_number() || low->number <= high->number)
    return;
  faults.Add(FaultCode::kBadValue, *high,
             std::string("no value can satisfy \"") + least + "\": " + low->Canonical() + " and \"" + most +
                 "\": " + high->Canonical());
}

// The name of the values that an option of this kind may have.
const char* OptionWord(Kind kind) {
  switch (kind) {
    case Kind::kString: return "a string";
    case Kind::kBool: return "true or false";
    case Kind::kInt64: return "an integer";
    default: return "a number";
  }
}

bool AddOption(const ConfigValue& option, Kind kind, FieldRules* rules) {
  if (option.kind == ConfigValue::Kind::kNull) {
    rules->null_option = true;
    return true;
  }
  switch (kind) {
    case Kind::kString:
      if (option.is_string()) rules->texts.insert(option.text);
      return option.is_string();
    case Kind::kBool:
      if (option.kind == ConfigValue::Kind::kBool) (option.boolean ? rules->true_option : rules->false_option) = true;
      return option.kind == ConfigValue::Kind::kBool;
    case Kind::kInt64:
      if (option.kind == ConfigValue::Kind::kInteger) rules->integers.push_back(option.integer);
      return option.kind == ConfigValue::Kind::kInteger;
    default:
      if (option.is_number()) rules->numbers.push_back(option.number);
      return option.is_number();
  }
}

void ReadOptions(const ConfigValue& schema, Kind kind, FieldRules* rules, FaultSink& faults) {
  const ConfigValue* list = schema.Find("enum");
  const ConfigValue* single = schema.Find("const");
  if (list != nullptr && single != nullptr) {
    faults.AddAtName(FaultCode::kSchemaKeyword, *single, "\"const\" beside \"enum\" is not supported",
                     "keep one of them");
    return;
  }
  const auto add = [&](const ConfigValue& option) {
    if (!AddOption(option, kind, rules)) {
      faults.Add(FaultCode::kWrongType, option, ValueText(option) + " can never be; wanted " + OptionWord(kind));
    }
    rules->options_text += (rules->options_text.empty() ? "" : ", ") + ValueText(option);
  };
  if (single != nullptr) add(*single);
  if (list != nullptr && list->is_array()) {
    if (list->children.empty()) faults.Add(FaultCode::kBadValue, *list, "\"enum\" is empty: no value can satisfy it");
    for (const ConfigValue& option : list->children) add(option);
  }
  rules->has_options = single != nullptr || list != nullptr;
  if (rules->options_text.size() > 200) rules->options_text = "the values of \"enum\"";
}

void ReadPattern(const ConfigValue& schema, FieldRules* rules, FaultSink& faults) {
  const ConfigValue* pattern = schema.Find("pattern");
  if (pattern == nullptr || !pattern->is_string()) return;
  re2::RE2::Options options;
  options.set_log_errors(false);
  auto compiled = std::make_shared<re2::RE2>(pattern->text, options);
  if (!compiled->ok()) {
    faults.Add(FaultCode::kPattern, *pattern, "the pattern is not understood: " + compiled->error(),
               "patterns are RE2: no look-around and no back-references");
    return;
  }
  rules->pattern = std::move(compiled);
  rules->pattern_text = pattern->text;
}

}  // namespace

FieldRules ReadRules(const ConfigValue& schema, Kind kind, FaultSink& faults) {
  FieldRules rules;
  rules.minimum = ReadLimit(schema, "minimum");
  rules.maximum = ReadLimit(schema, "maximum");
  rules.exclusive_minimum = ReadLimit(schema, "exclusiveMinimum");
  rules.exclusive_maximum = ReadLimit(schema, "exclusiveMaximum");
  rules.multiple_of = ReadLimit(schema, "multipleOf");
  rules.min_length = ReadCount(schema, "minLength");
  rules.max_length = ReadCount(schema, "maxLength");
  CheckOrder(schema, "minimum", "maximum", faults);
  CheckOrder(schema, "exclusiveMinimum", "exclusiveMaximum", faults);
  CheckOrder(schema, "minLength", "maxLength", faults);
  ReadPattern(schema, &rules, faults);
  ReadOptions(schema, kind, &rules, faults);
  return rules;
}

void ReadItemCounts(const ConfigValue& schema, FieldRules* rules, FaultSink& faults) {
  rules->min_items = ReadCount(schema, "minItems");
  rules->max_items = ReadCount(schema, "maxItems");
  CheckOrder(schema, "minItems", "maxItems", faults);
}

}  // namespace anabranch
