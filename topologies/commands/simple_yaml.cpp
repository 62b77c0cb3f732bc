#include "topologies/commands/simple_yaml.h"

#include <algorithm>

#include "engine/printable.h"

namespace anabranch {
namespace {

constexpr size_t kDeepest = 64;

struct YamlLine {
  size_t number = 0;
  size_t indent = 0;
  std::string text;  // without indentation
};

class YamlReader {
 public:
  explicit YamlReader(std::string_view text) {
    size_t number = 0;
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      std::string line(text.substr(begin, end - begin));
      begin = end + 1;
      while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.pop_back();
      const size_t indent = std::min(line.find_first_not_of(' '), line.size());
      lines_.push_back({++number, indent, line.substr(indent)});
    }
  }

  Result<YamlValue> Read() {
    SkipEmpty();
    if (at_ < lines_.size() && lines_[at_].text == "---") ++at_;
    SkipEmpty();
    YamlValue value;
    if (at_ < lines_.size()) RETURN_IF_ERROR(ReadBlock(lines_[at_].indent, 0, &value));
    SkipEmpty();
    if (at_ < lines_.size()) return Fault("is not expected here");
    return value;
  }

 private:
  Status Fault(const std::string& what) const {
    const YamlLine& line = lines_[std::min(at_, lines_.size() - 1)];
    return {Code::kInvalid, "line " + std::to_string(line.number) + ", \"" + Printable(line.text, 60) + "\", " + what};
  }
  void SkipEmpty() {
    while (at_ < lines_.size() && (lines_[at_].text.empty() || lines_[at_].text[0] == '#')) ++at_;
  }
  static bool IsItem(const std::string& text) { return text == "-" || text.starts_with("- "); }

  // A mapping or a list whose lines have this indentation.
  Status ReadBlock(size_t indent, size_t depth, YamlValue* value) {
    if (depth > kDeepest) return Fault("is nested too deeply");
    value->form = IsItem(lines_[at_].text) ? YamlValue::Form::kList : YamlValue::Form::kMapping;
    for (SkipEmpty(); at_ < lines_.size() && lines_[at_].indent == indent; SkipEmpty()) {
      const bool item = IsItem(lines_[at_].text);
      if (item != (value->form == YamlValue::Form::kList)) break;
      RETURN_IF_ERROR(item ? ReadItem(indent, depth, value) : ReadMember(indent, depth, value));
    }
    return Status::Ok();
  }

  Status ReadItem(size_t indent, size_t depth, YamlValue* list) {
    YamlValue& added = list->items.emplace_back();
    std::string& text = lines_[at_].text;
    const size_t inner = std::min(text.find_first_not_of(' ', 1), text.size());
    if (inner == text.size()) return Below(indent + 1, depth, &added);
    // What follows the dash stands as if on a line of its own.
    text.erase(0, inner);
    lines_[at_].indent = indent + inner;
    if (IsItem(text) || KeyEnd(text) != std::string::npos) return ReadBlock(indent + inner, depth + 1, &added);
    return ReadScalar(text, indent, &added);
  }

  Status ReadMember(size_t indent, size_t depth, YamlValue* mapping) {
    const std::string text = lines_[at_].text;
    const size_t end = KeyEnd(text);
    if (end == std::string::npos) return Fault("is not \"name: value\"");
    YamlValue name;
    RETURN_IF_ERROR(Unquote(text.substr(0, end), &name));
    mapping->names.push_back(name.text);
    YamlValue& member = mapping->items.emplace_back();
    const size_t begin = text.find_first_not_of(' ', end + 1);
    if (begin == std::string::npos) return Below(indent, depth, &member);
    return ReadScalar(text.substr(begin), indent, &member);
  }

  // A value on the lines below, if there is one. A list may stand as far left as its name.
  Status Below(size_t indent, size_t depth, YamlValue* value) {
    ++at_;
    SkipEmpty();
    const bool deeper = at_ < lines_.size() && lines_[at_].indent > indent;
    const bool list = at_ < lines_.size() && lines_[at_].indent == indent && IsItem(lines_[at_].text);
    if (deeper || list) return ReadBlock(lines_[at_].indent, depth + 1, value);
    value->null = true;
    return Status::Ok();
  }

  // Where the colon behind a name stands.
  static size_t KeyEnd(const std::string& text) {
    const char quote = text[0] == '"' || text[0] == '\'' ? text[0] : '\0';
    size_t at = quote == '\0' ? 0 : text.find(quote, 1);
    if (at == std::string::npos || text[0] == '{' || text[0] == '[') return std::string::npos;
    for (; at < text.size(); ++at) {
      if (text[at] == ':' && (at + 1 == text.size() || text[at + 1] == ' ')) return at;
    }
    return std::string::npos;
  }

  // A scalar that may go on on deeper lines: line ends become blanks, an empty line a line end.
  Status ReadScalar(std::string text, size_t indent, YamlValue* value) {
    const char quote = text[0] == '"' || text[0] == '\'' ? text[0] : '\0';
    if (std::string_view("|>&*!%@`").find(text[0]) != std::string_view::npos)
      return Fault("has a form that is not read");
    ++at_;
    size_t breaks = 0;
    while (at_ < lines_.size() && (quote != '\0' ? !Closed(text, quote) : true)) {
      const YamlLine& line = lines_[at_];
      if (!line.text.empty() && (line.indent <= indent || (quote == '\0' && line.text[0] == '#'))) break;
      ++at_;
      if (line.text.empty()) {
        ++breaks;
        continue;
      }
      const bool escaped = quote == '"' && text.ends_with("\\") && !text.ends_with("\\\\");
      if (escaped) text.pop_back();
      if (breaks > 0) {
        text.append(breaks, '\n');
      } else if (!escaped) {
        text += ' ';
      }
      breaks = 0;
      text += line.text;
    }
    if (quote != '\0' && !Closed(text, quote)) {
      --at_;
      return Fault("belongs to a text that does not end");
    }
    return Unquote(text, value);
  }

  static bool Closed(const std::string& text, char quote) {
    if (text.size() < 2 || text.back() != quote) return false;
    bool open = true;
    for (size_t i = 1; i < text.size(); ++i) {
      if (quote == '"' && text[i] == '\\') {
        ++i;
      } else if (text[i] == quote) {
        open = !open;  // a doubled single quote opens again
      }
    }
    return !open;
  }

  Status Unquote(const std::string& text, YamlValue* value) const {
    if (text.empty() || (text[0] != '"' && text[0] != '\'')) {
      value->text = text;
      value->null = text == "null" || text == "~" || text.empty();
      if (text == "{}") value->form = YamlValue::Form::kMapping;
      if (text == "[]") value->form = YamlValue::Form::kList;
      const bool flow = !text.empty() && (text[0] == '{' || text[0] == '[') && text.size() > 2;
      return flow ? Fault("has a form that is not read") : Status::Ok();
    }
    if (!Closed(text, text[0])) return Fault("has a quote that does not end");
    for (size_t i = 1; i + 1 < text.size(); ++i) {
      if (text[0] == '\'' && text[i] == '\'') ++i;
      if (text[0] != '"' || text[i] != '\\') {
        value->text += text[i];
        continue;
      }
      static constexpr std::string_view kFrom = "nt\"\\/ r0";
      static constexpr std::string_view kTo("\n\t\"\\/ \r\0", 8);
      const size_t known = kFrom.find(text[++i]);
      if (known == std::string_view::npos) return Fault("has an escape that is not read");
      value->text += kTo[known];
    }
    return Status::Ok();
  }

  std::vector<YamlLine> lines_;
  size_t at_ = 0;
};

}  // namespace

const YamlValue* YamlValue::Find(std::string_view name) const {
  const auto found = std::ranges::find(names, name);
  return found == names.end() ? nullptr : &items[static_cast<size_t>(found - names.begin())];
}

Result<YamlValue> ParseSimpleYaml(std::string_view text) { return YamlReader(text).Read(); }

}  // namespace anabranch
