#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace anabranch {

// Where a value stands in its file. Lines and columns count from 1, columns in bytes.
struct Place {
  uint32_t line = 0;
  uint32_t column = 0;
  uint32_t begin = 0;  // byte offsets, end exclusive
  uint32_t end = 0;
};

// One value of a topology file, with its place: a neutral tree that knows neither JSON nor node
// kinds. Built once by topologies/language, then immutable; `parent` stays valid as the tree does
// not move. Object members keep file order.
class ConfigValue {
 public:
  enum class Kind : uint8_t { kNull, kBool, kInteger, kNumber, kString, kArray, kObject };

  Kind kind = Kind::kNull;
  bool boolean = false;
  int64_t integer = 0;                // kInteger
  double number = 0;                  // kInteger and kNumber
  std::string text;                   // kString: the value, variables expanded
  bool expanded = false;              // kString: holds text that came from a variable
  bool secret = false;                // never print `text`
  std::vector<ConfigValue> children;  // items or members

  std::string name;  // of a member of an object
  Place name_place;
  Place place;
  const ConfigValue* parent = nullptr;

  bool is_object() const { return kind == Kind::kObject; }
  bool is_array() const { return kind == Kind::kArray; }
  bool is_string() const { return kind == Kind::kString; }
  bool is_number() const { return kind == Kind::kInteger || kind == Kind::kNumber; }

  // Member by name, or null. Also null when this is no object.
  const ConfigValue* Find(std::string_view member) const;
  // Member's text / number / flag, or the fallback when absent or of another kind.
  std::string_view Text(std::string_view member, std::string_view fallback = {}) const;
  int64_t Integer(std::string_view member, int64_t fallback) const;
  double Number(std::string_view member, double fallback) const;
  bool Flag(std::string_view member, bool fallback) const;

  // RFC 6901 pointer from the root, e.g. "/nodes/score/features/0".
  std::string Pointer() const;
  const char* KindName() const;  // "object", "string", … as messages say it

  // Canonical text without places: sorted members, secrets as "***". For fingerprints and printing.
  std::string Canonical() const;
};

// Keys that are allowed anywhere and mean nothing: "$schema", "$comment", "x-…".
bool IsAnnotation(std::string_view key);

}  // namespace anabranch
