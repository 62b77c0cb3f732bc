#include "topologies/trial/json_value.h"

#include "engine/text/json_literals.h"
#include "engine/text/utf8.h"
#include "topologies/language/parse.h"

namespace anabranch {
namespace {

struct JsonStyle {
  bool spaced = false;
  bool hides = false;  // secrets
};

void AppendJson(const ConfigValue& value, JsonStyle style, std::string* out) {
  switch (value.kind) {
    case ConfigValue::Kind::kNull: out->append("null"); break;
    case ConfigValue::Kind::kBool: out->append(value.boolean ? "true" : "false"); break;
    case ConfigValue::Kind::kInteger: AppendJsonNumber(out, value.integer); break;
    case ConfigValue::Kind::kNumber: AppendJsonNumber(out, value.number); break;
    case ConfigValue::Kind::kString: AppendJsonString(out, style.hides && value.secret ? "***" : value.text); break;
    case ConfigValue::Kind::kArray:
    case ConfigValue::Kind::kObject: {
      const bool object = value.is_object();
      out->push_back(object ? '{' : '[');
      for (const ConfigValue& child : value.children) {
        if (&child != &value.children.front()) out->append(style.spaced ? ", " : ",");
        if (object) AppendJsonString(out, child.name);
        if (object) out->append(style.spaced ? ": " : ":");
        AppendJson(child, style, out);
      }
      out->push_back(object ? '}' : ']');
      break;
    }
  }
}

}  // namespace

std::unique_ptr<ConfigValue> ParseJsonValue(std::string text) {
  FaultSink faults{std::string()};
  std::unique_ptr<Topology> parsed = ParseTopology({}, std::move(text), faults);
  if (parsed == nullptr || faults.errors() > 0) return nullptr;
  return std::make_unique<ConfigValue>(std::move(parsed->root));
}

std::string JsonText(const ConfigValue& value) {
  std::string text;
  AppendJson(value, {}, &text);
  return text;
}

std::string SpacedJson(const ConfigValue& value) {
  std::string text;
  AppendJson(value, {.spaced = true}, &text);
  return text;
}

std::string ShowValue(const ConfigValue& value) {
  constexpr size_t kShown = 200;
  std::string text;
  AppendJson(value, {.spaced = true, .hides = true}, &text);
  return text.size() <= kShown ? text : std::string(CutText(text, kShown)) + "…";
}

}  // namespace anabranch
