#include "topologies/commands/record_tests.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <ostream>
#include <set>
#include <sstream>

#include "engine/disk.h"
#include "engine/printable.h"
#include "engine/text/json_literals.h"
#include "topologies/commands/failure_view.h"
#include "topologies/commands/run_session.h"

namespace anabranch {
namespace {

constexpr size_t kMostLines = 200;

// The white space before the first character of the line that `at` stands in.
std::string IndentAt(const std::string& text, size_t at) {
  const size_t line = text.rfind('\n', at == 0 ? 0 : at - 1);
  const size_t begin = line == std::string::npos ? 0 : line + 1;
  const size_t end = text.find_first_not_of(" \t", begin);
  return text.substr(begin, std::min(end, at) - begin);
}

std::string ListText(const std::vector<std::string>& items, const std::string& indent) {
  if (items.empty()) return "[]";
  std::string text = "[";
  for (const std::string& item : items) text += (&item == &items.front() ? "\n" : ",\n") + indent + "  " + item;
  return text + "\n" + indent + "]";
}

std::string ValueText(const Recorded& recorded, const std::string& indent) {
  return recorded.list ? ListText(recorded.items, indent) : recorded.text;
}

// Changes of a text, by place; they do not overlap.
class Edits {
 public:
  explicit Edits(const std::string& text) : text_(text) {}

  void Replace(const Place& place, std::string with) { changes_[place.begin] = {place.end, std::move(with)}; }
  // Behind the last member of an object.
  void AddMember(const ConfigValue& object, const std::string& name, const std::function<std::string(const std::string&)>& value) {
    const bool empty = object.children.empty();
    const size_t at = empty ? object.place.begin + 1 : object.children.back().place.end;
    const std::string outer = IndentAt(text_, object.place.begin);
    const bool own_line = !empty && text_.find('\n', object.place.begin) < object.children.front().name_place.begin;
    const std::string inner = own_line ? IndentAt(text_, object.children.front().name_place.begin) : outer + "  ";
    std::string quoted;
    AppendJsonString(&quoted, name);
    auto& [end, text] = changes_.try_emplace(at, at, "").first->second;
    text += (empty && text.empty() ? "\n" : ",\n") + inner + quoted + ": " + value(inner);
    if (empty) closing_[at] = "\n" + outer;
  }

  std::string Apply() const {
    std::string result;
    size_t from = 0;
    for (const auto& [begin, change] : changes_) {
      if (begin < from) continue;  // inside of one that is replaced as a whole
      result += text_.substr(from, begin - from) + change.second;
      if (const auto closing = closing_.find(begin); closing != closing_.end()) result += closing->second;
      from = change.first;
    }
    return result + text_.substr(from);
  }

 private:
  const std::string& text_;
  std::map<size_t, std::pair<size_t, std::string>> changes_;
  std::map<size_t, std::string> closing_;
};

void AddExpect(const ShownTest& test, Edits* edits) {
  const ConfigValue* const expect = test.test->at->Find("expect");
  const auto all = [&](const std::string& indent) {
    std::string text = "{";
    for (const Recorded& each : test.outcome.everything) {
      text += (&each == &test.outcome.everything.front() ? "\n" : ",\n") + indent + "  \"" + each.member +
              "\": " + ValueText(each, indent + "  ");
    }
    return text + "\n" + indent + "}";
  };
  if (expect == nullptr) return edits->AddMember(*test.test->at, "expect", all);
  for (const Recorded& each : test.outcome.everything) {
    edits->AddMember(*expect, each.member, [&](const std::string& indent) { return ValueText(each, indent); });
  }
}

void AddDifference(const Difference& difference, const ShownTest& test, const std::string& text, Edits* edits) {
  const Recorded& recorded = difference.recorded;
  if (recorded.empty()) return;
  if (recorded.member.empty()) {
    return edits->Replace(difference.at->place, ValueText(recorded, IndentAt(text, difference.at->place.begin)));
  }
  const auto value = [&](const std::string& indent) { return ValueText(recorded, indent); };
  if (difference.at != test.test->at) return edits->AddMember(*difference.at, recorded.member, value);
  edits->AddMember(*difference.at, "expect", [&](const std::string& indent) {
    return "{\n" + indent + "  \"" + recorded.member + "\": " + ValueText(recorded, indent + "  ") + "\n" + indent + "}";
  });
}

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// The lines that differ, without those that the texts begin and end with alike.
std::string ChangedLines(const std::string& before, const std::string& after) {
  const std::vector<std::string> old_lines = LinesOf(before);
  const std::vector<std::string> new_lines = LinesOf(after);
  size_t head = 0, tail = 0;
  const size_t least = std::min(old_lines.size(), new_lines.size());
  while (head < least && old_lines[head] == new_lines[head]) ++head;
  while (tail < least - head && old_lines[old_lines.size() - 1 - tail] == new_lines[new_lines.size() - 1 - tail]) ++tail;
  std::string text;
  size_t shown = 0;
  const auto add = [&](char mark, const std::vector<std::string>& lines) {
    for (size_t i = head; i < lines.size() - tail && shown < kMostLines; ++i, ++shown) {
      text += std::string(1, mark) + " " + Printable(lines[i]) + "\n";
    }
  };
  add('-', old_lines);
  add('+', new_lines);
  return text;
}

// The new text is complete before it takes the place of the old one.
Status ReplaceFile(const std::string& name, const std::string& text) {
  const std::string beside = name + ".recorded";
  errno = 0;
  std::ofstream file(beside, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) return DiskFailure("write", beside, errno, text.size());
  std::error_code error;
  std::filesystem::permissions(beside, std::filesystem::status(name, error).permissions(), error);
  std::filesystem::rename(beside, name, error);
  return error ? Status(Code::kUnavailable, "cannot replace " + name + ": " + error.message()) : Status::Ok();
}

}  // namespace

std::string RecordedText(const ShownFile& file) {
  const std::string& text = file.file->tree()->text;
  Edits edits(text);
  std::set<const ConfigValue*> members;  // a list that several differences would add
  for (const ShownTest& test : file.tests) {
    if (!test.outcome.everything.empty()) {
      AddExpect(test, &edits);
      continue;
    }
    for (const Difference& each : test.outcome.differences) {
      if (!each.recorded.member.empty() && !members.insert(each.at).second) continue;
      AddDifference(each, test, text, &edits);
    }
  }
  return edits.Apply();
}

int RecordTests(const ShownFile& file, bool yes, CommandIo& io) {
  const bool failed = std::ranges::any_of(file.tests, [](const ShownTest& test) { return !test.outcome.differences.empty(); });
  const std::string& before = file.file->tree()->text;
  const std::string after = RecordedText(file);
  const std::string& name = file.file->file();
  if (after == before) {
    if (failed) io.err << name << ": what failed cannot be recorded; fix the topology or the case by hand\n";
    return failed ? ExitCode(Code::kStage) : kExitOk;
  }
  io.err << name << ":\n" << ChangedLines(before, after);
  int code = kExitOk;
  if (!yes && !Confirm("test", "Write this to " + name + "?", "--yes", io, &code)) return code != kExitOk ? code : ExitCode(Code::kStage);
  if (const Status written = ReplaceFile(name, after); !written.ok()) {
    io.err << "anabranch test: " << written.message() << "\n";
    return ExitCode(written.code());
  }
  io.err << name << " is recorded; run the tests again\n";
  return kExitOk;
}

}  // namespace anabranch
