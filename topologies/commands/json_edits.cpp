#include "topologies/commands/json_edits.h"

#include <algorithm>
#include <utility>

#include "engine/text/json_literals.h"

namespace anabranch {
namespace {

constexpr size_t kLineWidth = 120;

size_t BeginOf(const ConfigValue& child) { return child.name.empty() ? child.place.begin : child.name_place.begin; }

size_t LineBegin(const std::string& text, size_t at) {
  const size_t line = at == 0 ? std::string::npos : text.rfind('\n', at - 1);
  return line == std::string::npos ? 0 : line + 1;
}

// Behind white space and comments.
size_t SkipBlank(const std::string& text, size_t at) {
  while (at < text.size()) {
    if (text.compare(at, 2, "//") == 0) {
      at = std::min(text.find('\n', at), text.size());
    } else if (text.compare(at, 2, "/*") == 0) {
      const size_t end = text.find("*/", at + 2);
      at = end == std::string::npos ? text.size() : end + 2;
    } else if (std::string_view(" \t\r\n").find(text[at]) != std::string_view::npos) {
      ++at;
    } else {
      break;
    }
  }
  return at;
}

std::string ValueText(const RecordedValue& value, const std::string& indent) {
  if (!value.list) return value.text;
  if (value.items.empty()) return "[]";
  std::string text = "[";
  for (const std::string& item : value.items)
    text += (&item == &value.items.front() ? "\n" : ",\n") + indent + "  " + item;
  return text + "\n" + indent + "]";
}

}  // namespace

void JsonEdits::AddItem(const ConfigValue& list, const ConfigValue* behind, const RecordedValue& value) {
  inside_[&list].added.push_back({.behind = behind, .name = {}, .value = value, .members = {}});
}

void JsonEdits::AddMember(const ConfigValue& object, const std::string& name, const RecordedValue& value) {
  Inside& inside = inside_[&object];
  if (std::ranges::find(inside.added, name, &Addition::name) != inside.added.end()) return;
  inside.added.push_back({.name = name, .value = value, .members = {}});
}

void JsonEdits::AddMember(const ConfigValue& object, const std::string& name, std::vector<Member> members) {
  inside_[&object].added.push_back({.name = name, .value = {}, .members = std::move(members)});
}

std::string JsonEdits::Apply() const {
  Changes changes;
  for (const auto& [at, value] : replaced_) {
    changes[{at->place.begin, at->place.end}] = ValueText(value, LineIndent(at->place.begin));
  }
  for (const auto& [container, inside] : inside_) Change(*container, inside, &changes);
  std::string result;
  size_t from = 0;
  for (const auto& [place, text] : changes) {
    if (place.first < from) continue;  // inside of what goes
    result += text_.substr(from, place.first - from) + text;
    from = place.second;
  }
  return result + text_.substr(from);
}

void JsonEdits::Change(const ConfigValue& container, const Inside& inside, Changes* changes) const {
  if (inside.removed.size() == container.children.size()) return ChangeWhole(container, inside, changes);
  TakeOut(container, inside, changes);
  const size_t first = BeginOf(container.children.front());
  const std::string indent = ColumnIndent(first);
  for (const Addition& addition : inside.added) {
    const std::string text = TextOf(addition, indent);
    const bool item = addition.name.empty();
    if (item && addition.behind == nullptr) {
      (*changes)[{first, first}] += text + ",\n" + indent;
      continue;
    }
    const size_t at = item ? addition.behind->place.end : container.children.back().place.end;
    (*changes)[{at, at}] += (!item && FitsInLine(container, text) ? ", " : ",\n" + indent) + text;
  }
}

// A list or object of which nothing stays.
void JsonEdits::ChangeWhole(const ConfigValue& container, const Inside& inside, Changes* changes) const {
  const std::string outer = LineIndent(container.place.begin);
  std::string text;
  for (const Addition& addition : inside.added) {
    text += (text.empty() ? "\n" : ",\n") + outer + "  " + TextOf(addition, outer + "  ");
  }
  if (!text.empty()) text += "\n" + outer;
  const bool object = container.is_object();
  (*changes)[{container.place.begin, container.place.end}] = (object ? "{" : "[") + text + (object ? "}" : "]");
}

// Each run of neighbours goes with one comma. A comment in the line of the one before stays.
void JsonEdits::TakeOut(const ConfigValue& container, const Inside& inside, Changes* changes) const {
  const std::vector<ConfigValue>& children = container.children;
  const auto goes = [&](size_t i) { return i < children.size() && inside.removed.contains(&children[i]); };
  for (size_t i = 0; i < children.size(); ++i) {
    if (!goes(i)) continue;
    const size_t first = i;
    while (goes(i + 1)) ++i;
    const bool last = i + 1 == children.size();
    const size_t comma = first == 0 ? container.place.begin + 1 : BehindComma(children[first - 1].place.end);
    if (last) (*changes)[{comma - 1, comma}] = "";
    size_t begin = last ? comma : BeginOf(children[first]);
    size_t end = last ? children[i].place.end : BeginOf(children[i + 1]);
    // Lines of their own go as whole lines, with the comments above and behind them.
    const size_t line_end = text_.find('\n', comma);
    const size_t behind = last ? end : BehindComma(children[i].place.end);
    const size_t own_end = text_.find('\n', behind);
    if (line_end < BeginOf(children[first]) && own_end < SkipBlank(text_, behind)) {
      begin = line_end;
      end = own_end;
    }
    (*changes)[{begin, end}] = "";
  }
}

std::string JsonEdits::TextOf(const Addition& addition, const std::string& indent) const {
  std::string text;
  if (!addition.name.empty()) {
    AppendJsonString(&text, addition.name);
    text += ": ";
  }
  if (addition.members.empty()) return text + ValueText(addition.value, indent);
  text += "{";
  for (const Member& member : addition.members) {
    text += &member == &addition.members.front() ? "\n" : ",\n";
    text += indent + "  ";
    AppendJsonString(&text, member.name);
    text += ": " + ValueText(member.value, indent + "  ");
  }
  return text + "\n" + indent + "}";
}

// White space as wide as what stands before `at` in its line.
std::string JsonEdits::ColumnIndent(size_t at) const {
  const size_t begin = LineBegin(text_, at);
  std::string indent = text_.substr(begin, at - begin);
  for (char& c : indent) c = c == '\t' ? '\t' : ' ';
  return indent;
}

// The white space that the line of `at` begins with.
std::string JsonEdits::LineIndent(size_t at) const {
  const size_t begin = LineBegin(text_, at);
  const size_t end = text_.find_first_not_of(" \t", begin);
  return text_.substr(begin, std::min(end, at) - begin);
}

bool JsonEdits::FitsInLine(const ConfigValue& container, const std::string& addition) const {
  const size_t begin = LineBegin(text_, container.place.begin);
  const size_t end = std::min(text_.find('\n', container.place.begin), text_.size());
  return container.place.end <= end && addition.find('\n') == std::string::npos &&
         end - begin + addition.size() + 2 <= kLineWidth;
}

size_t JsonEdits::BehindComma(size_t at) const {
  const size_t comma = SkipBlank(text_, at);
  return comma < text_.size() && text_[comma] == ',' ? comma + 1 : at;
}

}  // namespace anabranch
