#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/status.h"

namespace anabranch {

// A value of a YAML file that a program wrote: block mappings and lists, plain and quoted scalars. Anchors, tags, block
// scalars and flow collections with content are refused.
struct YamlValue {
  enum class Form { kScalar, kMapping, kList };
  Form form = Form::kScalar;
  bool null = false;
  std::string text;                // of a scalar
  std::vector<std::string> names;  // of the members of a mapping, in the file's order
  std::vector<YamlValue> items;    // of a list, or the values of the members

  // The member, or null. Of a path: Find("flavors", "onnx", "data").
  const YamlValue* Find(std::string_view name) const;
  template <typename... Rest>
  const YamlValue* Find(std::string_view name, Rest... rest) const {
    const YamlValue* member = Find(name);
    return member == nullptr ? nullptr : member->Find(rest...);
  }
  // The text of a scalar that is not null, or empty.
  std::string Text() const { return form == Form::kScalar && !null ? text : std::string(); }
};

// kInvalid names the line.
Result<YamlValue> ParseSimpleYaml(std::string_view text);

}  // namespace anabranch
