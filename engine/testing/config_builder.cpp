#include "engine/testing/config_builder.h"

namespace anabranch {
namespace {

constexpr uint32_t kLineBytes = 4096;

void Link(ConfigValue& value, const ConfigValue* parent, uint32_t* line) {
  value.parent = parent;
  const uint32_t begin = ++*line * kLineBytes;
  value.place = {*line, 2, begin, begin + 2 + static_cast<uint32_t>(value.text.size())};
  value.name_place = {*line, 1, begin - 1, begin};
  for (ConfigValue& child : value.children) Link(child, &value, line);
}

}  // namespace

ConfigItem::ConfigItem(bool flag) {
  value.kind = ConfigValue::Kind::kBool;
  value.boolean = flag;
}

ConfigItem::ConfigItem(int64_t number) {
  value.kind = ConfigValue::Kind::kInteger;
  value.integer = number;
  value.number = static_cast<double>(number);
}

ConfigItem::ConfigItem(double number) {
  value.kind = ConfigValue::Kind::kNumber;
  value.number = number;
}

ConfigItem::ConfigItem(std::string text) {
  value.kind = ConfigValue::Kind::kString;
  value.text = std::move(text);
}

ConfigValue ConfigObject(std::initializer_list<ConfigMember> members) {
  ConfigValue object;
  object.kind = ConfigValue::Kind::kObject;
  for (const ConfigMember& member : members) {
    object.children.push_back(member.second.value);
    object.children.back().name = member.first;
  }
  return object;
}

ConfigValue ConfigList(std::initializer_list<ConfigItem> items) {
  ConfigValue list;
  list.kind = ConfigValue::Kind::kArray;
  for (const ConfigItem& item : items) list.children.push_back(item.value);
  return list;
}

std::unique_ptr<const ConfigValue> LinkConfig(ConfigValue root) {
  auto settled = std::make_unique<ConfigValue>(std::move(root));
  uint32_t line = 0;
  Link(*settled, nullptr, &line);
  return settled;
}

}  // namespace anabranch
