#include "nodes/infer/output_reference.h"

#include <charconv>

namespace anabranch {
namespace {

std::string_view NameOf(std::string_view text, const std::vector<std::string>& outputs) {
  std::string_view longest;
  for (const std::string& name : outputs) {
    const bool fits = text.starts_with(name) && (text.size() == name.size() || text[name.size()] == '[');
    if (fits && name.size() > longest.size()) longest = text.substr(0, name.size());
  }
  return longest.empty() ? text.substr(0, text.find('[')) : longest;
}

Status Malformed(std::string_view text) {
  return {Code::kInvalid, "\"" + std::string(text) +
                              "\" is not a reference to an output; write NAME, NAME[1], NAME[1][2] or NAME['class']"};
}

}  // namespace

Result<OutputReference> ParseOutputReference(std::string_view text, const std::vector<std::string>& outputs) {
  OutputReference reference;
  reference.output = NameOf(text, outputs);
  std::string_view rest = text.substr(reference.output.size());
  if (reference.output.empty()) return Malformed(text);
  while (!rest.empty()) {
    if (rest.front() != '[' || rest.size() < 3 || reference.has_class) return Malformed(text);
    const char quote = rest[1];
    if (quote == '\'' || quote == '"') {
      const size_t end = rest.rfind(std::string{quote, ']'});
      if (end == std::string_view::npos || end < 2 || end + 2 != rest.size()) return Malformed(text);
      reference.class_name = rest.substr(2, end - 2);
      reference.has_class = true;
      return reference.indices.empty() ? Result<OutputReference>(reference) : Malformed(text);
    }
    int64_t index = 0;
    const auto [end, error] = std::from_chars(rest.data() + 1, rest.data() + rest.size(), index);
    if (error != std::errc() || index < 0 || end == rest.data() + rest.size() || *end != ']') return Malformed(text);
    reference.indices.push_back(index);
    rest.remove_prefix(static_cast<size_t>(end - rest.data()) + 1);
  }
  return reference;
}

}  // namespace anabranch
