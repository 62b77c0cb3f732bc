#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace anabranch {

// The text of one JSON object, members in the order they are added: {"a": 1, "b": "x"}.
class JsonObject {
 public:
  JsonObject& AddText(std::string_view name, std::string_view text);
  JsonObject& AddNumber(std::string_view name, int64_t number);
  JsonObject& AddReal(std::string_view name, double number);  // not finite: null
  JsonObject& AddFlag(std::string_view name, bool flag);
  JsonObject& AddJson(std::string_view name, std::string_view json);  // added verbatim
  std::string text() const { return text_ + "}"; }

 private:
  void AddName(std::string_view name);
  std::string text_ = "{";
};

std::string JsonBytes(std::string_view bytes);  // "text", or {"base64": "…"} of bytes that are not UTF-8
std::string JsonStrings(const std::vector<std::string>& texts);  // ["a", "b"]
std::string JsonList(const std::vector<std::string>& values);    // of JSON texts

}  // namespace anabranch
