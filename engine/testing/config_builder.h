#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>

#include "engine/config.h"

namespace anabranch {

// Builds topology fragments in tests without a JSON parser:
//
//   ConfigObject({{"set", ConfigObject({{"total", "price * count"}})},
//                 {"where", "total > 10"},
//                 {"drop", ConfigList({"price"})}})
//
// Numbers, flags, texts and nullptr convert by themselves. Hand the whole to LinkConfig (NodeRunner does so).
struct ConfigItem {
  ConfigItem(ConfigValue v) : value(std::move(v)) {}
  ConfigItem(std::nullptr_t) {}
  ConfigItem(bool flag);
  ConfigItem(int number) : ConfigItem(static_cast<int64_t>(number)) {}
  ConfigItem(int64_t number);
  ConfigItem(double number);
  ConfigItem(const char* text) : ConfigItem(std::string(text)) {}
  ConfigItem(std::string text);

  ConfigValue value;
};

using ConfigMember = std::pair<std::string, ConfigItem>;

ConfigValue ConfigObject(std::initializer_list<ConfigMember> members);
ConfigValue ConfigList(std::initializer_list<ConfigItem> items);

// Settles `root` at a fixed address, sets the parents and gives every value a place of its own: values are numbered
// in file order by `line`; a value stands at column 2, so a string's text begins at column 3.
std::unique_ptr<const ConfigValue> LinkConfig(ConfigValue root);

}  // namespace anabranch
