#include "engine/config.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace anabranch {

namespace {

void AppendEscaped(std::string_view text, std::string& out) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
      out += escape;
    } else {
      out += c;
    }
  }
  out += '"';
}

void AppendNumber(const ConfigValue& value, std::string& out) {
  char digits[32];
  const auto end = value.kind == ConfigValue::Kind::kInteger
                       ? std::to_chars(digits, digits + sizeof digits, value.integer).ptr
                       : std::to_chars(digits, digits + sizeof digits, value.number).ptr;
  out.append(digits, end);
}

void AppendCanonical(const ConfigValue& value, std::string& out);

void AppendMembers(const ConfigValue& value, std::string& out) {
  std::vector<const ConfigValue*> members;
  for (const ConfigValue& member : value.children) members.push_back(&member);
  std::sort(members.begin(), members.end(), [](const auto* a, const auto* b) { return a->name < b->name; });
  out += '{';
  for (size_t i = 0; i < members.size(); ++i) {
    if (i) out += ',';
    AppendEscaped(members[i]->name, out);
    out += ':';
    AppendCanonical(*members[i], out);
  }
  out += '}';
}

void AppendCanonical(const ConfigValue& value, std::string& out) {
  switch (value.kind) {
    case ConfigValue::Kind::kNull: out += "null"; break;
    case ConfigValue::Kind::kBool: out += value.boolean ? "true" : "false"; break;
    case ConfigValue::Kind::kInteger:
    case ConfigValue::Kind::kNumber: AppendNumber(value, out); break;
    case ConfigValue::Kind::kString: AppendEscaped(value.secret ? std::string_view("***") : value.text, out); break;
    case ConfigValue::Kind::kObject: AppendMembers(value, out); break;
    case ConfigValue::Kind::kArray:
      out += '[';
      for (size_t i = 0; i < value.children.size(); ++i) {
        if (i) out += ',';
        AppendCanonical(value.children[i], out);
      }
      out += ']';
      break;
  }
}

std::string PointerStep(const ConfigValue& value) {
  if (value.parent->is_array()) return std::to_string(&value - value.parent->children.data());
  std::string step;
  for (const char c : value.name) {
    if (c == '~') {
      step += "~0";
    } else if (c == '/') {
      step += "~1";
    } else {
      step += c;
    }
  }
  return step;
}

}  // namespace

const ConfigValue* ConfigValue::Find(std::string_view member) const {
  if (!is_object()) return nullptr;
  for (const ConfigValue& child : children) {
    if (child.name == member) return &child;
  }
  return nullptr;
}

std::string_view ConfigValue::Text(std::string_view member, std::string_view fallback) const {
  const ConfigValue* value = Find(member);
  return value != nullptr && value->is_string() ? std::string_view(value->text) : fallback;
}

int64_t ConfigValue::Integer(std::string_view member, int64_t fallback) const {
  const ConfigValue* value = Find(member);
  return value != nullptr && value->kind == Kind::kInteger ? value->integer : fallback;
}

double ConfigValue::Number(std::string_view member, double fallback) const {
  const ConfigValue* value = Find(member);
  return value != nullptr && value->is_number() ? value->number : fallback;
}

bool ConfigValue::Flag(std::string_view member, bool fallback) const {
  const ConfigValue* value = Find(member);
  return value != nullptr && value->kind == Kind::kBool ? value->boolean : fallback;
}

std::string ConfigValue::Pointer() const {
  std::vector<const ConfigValue*> path;
  for (const ConfigValue* value = this; value->parent != nullptr; value = value->parent) path.push_back(value);
  std::string pointer;
  for (auto step = path.rbegin(); step != path.rend(); ++step) pointer += "/" + PointerStep(**step);
  return pointer;
}

const char* ConfigValue::KindName() const {
  switch (kind) {
    case Kind::kNull: return "null";
    case Kind::kBool: return "boolean";
    case Kind::kInteger: return "integer";
    case Kind::kNumber: return "number";
    case Kind::kString: return "string";
    case Kind::kArray: return "array";
    case Kind::kObject: return "object";
  }
  return "unknown";
}

std::string ConfigValue::Canonical() const {
  std::string canonical;
  AppendCanonical(*this, canonical);
  return canonical;
}

bool IsAnnotation(std::string_view key) { return key == "$schema" || key == "$comment" || key.substr(0, 2) == "x-"; }

}  // namespace anabranch
