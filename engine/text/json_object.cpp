#include "engine/text/json_object.h"

#include "engine/text/base64.h"
#include "engine/text/json_literals.h"
#include "engine/text/utf8.h"

namespace anabranch {

void JsonObject::AddName(std::string_view name) {
  if (text_.size() > 1) text_ += ", ";
  AppendJsonString(&text_, name);
  text_ += ": ";
}

JsonObject& JsonObject::AddText(std::string_view name, std::string_view text) {
  AddName(name);
  AppendJsonString(&text_, text);
  return *this;
}

JsonObject& JsonObject::AddNumber(std::string_view name, int64_t number) {
  AddName(name);
  AppendJsonNumber(&text_, number);
  return *this;
}

JsonObject& JsonObject::AddReal(std::string_view name, double number) {
  AddName(name);
  AppendJsonNumber(&text_, number);
  return *this;
}

JsonObject& JsonObject::AddFlag(std::string_view name, bool flag) { return AddJson(name, flag ? "true" : "false"); }

JsonObject& JsonObject::AddJson(std::string_view name, std::string_view json) {
  AddName(name);
  text_ += json;
  return *this;
}

std::string JsonBytes(std::string_view bytes) {
  if (!IsUtf8(bytes)) return JsonObject().AddText("base64", Base64(bytes)).text();
  std::string text;
  AppendJsonString(&text, bytes);
  return text;
}

std::string JsonList(const std::vector<std::string>& values) {
  std::string text = "[";
  for (const std::string& value : values) text += (text.size() > 1 ? ", " : "") + value;
  return text + "]";
}

std::string JsonStrings(const std::vector<std::string>& texts) {
  std::vector<std::string> values(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) AppendJsonString(&values[i], texts[i]);
  return JsonList(values);
}

}  // namespace anabranch
