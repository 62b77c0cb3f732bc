#include "topologies/commands/record_tests.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <sstream>

#include "engine/disk.h"
#include "engine/printable.h"
#include "topologies/commands/json_edits.h"
#include "topologies/commands/run_session.h"
#include "topologies/operate/failure_view.h"
#include "topologies/trial/pair_rows.h"

namespace anabranch {
namespace {

constexpr size_t kMostLines = 200;

void Record(const ShownTest& test, JsonEdits* edits) {
  const ConfigValue& at = *test.test->test->at;
  const ConfigValue* const expect = at.Find("expect");
  std::vector<JsonEdits::Member> members;
  for (const Recorded& each : test.outcome.everything) members.push_back({each.name, each.value});
  for (const Difference& each : test.outcome.differences) {
    const Recorded& recorded = each.recorded;
    // With `everything` all that came out is there already.
    if (!members.empty() || recorded.edit == Recorded::Edit::kNone) continue;
    switch (recorded.edit) {
      case Recorded::Edit::kNone: break;
      case Recorded::Edit::kReplace: edits->Replace(*each.at, recorded.value); break;
      case Recorded::Edit::kRemove: edits->Remove(*each.at); break;
      case Recorded::Edit::kItem: edits->AddItem(*each.at, recorded.behind, recorded.value); break;
      case Recorded::Edit::kMember: edits->AddMember(*each.at, recorded.name, recorded.value); break;
    }
  }
  if (members.empty()) return;
  if (expect == nullptr) return edits->AddMember(at, "expect", std::move(members));
  for (const JsonEdits::Member& each : members) edits->AddMember(*expect, each.name, each.value);
}

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// The lines that differ, each with its number.
std::string ChangedLines(const std::string& before, const std::string& after) {
  const std::vector<std::string> old_lines = LinesOf(before);
  const std::vector<std::string> new_lines = LinesOf(after);
  const Alike same = [&](size_t i, size_t j) { return old_lines[i] == new_lines[j]; };
  const Partners partners = PairInOrder(old_lines.size(), new_lines.size(), same, same);
  std::string text;
  size_t shown = 0;
  const auto add = [&](char mark, size_t number, const std::string& line) {
    if (++shown == kMostLines) text += "    …\n";
    if (shown < kMostLines)
      text += std::string(1, mark) + " " + std::to_string(number + 1) + ": " + Printable(line) + "\n";
  };
  size_t next = 0;  // of the new lines
  for (size_t i = 0; i <= old_lines.size(); ++i) {
    const bool stays = i < old_lines.size() && partners[i] && same(i, *partners[i]);
    if (i < old_lines.size() && !stays) add('-', i, old_lines[i]);
    const size_t until = stays ? *partners[i] : i == old_lines.size() ? new_lines.size() : next;
    while (next < until) {
      add('+', next, new_lines[next]);
      ++next;
    }
    if (stays) ++next;
  }
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

bool Holds(const std::string& name, const std::string& text) {
  std::ifstream file(name, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {}) == text;
}

// The first case with a difference that nothing in the file would help; null: there is none.
const ShownTest* FirstLeft(const ShownFile& file) {
  const auto stays = [](const Difference& each) { return each.recorded.edit == Recorded::Edit::kNone; };
  const auto left = std::ranges::find_if(
      file.tests, [&](const ShownTest& test) { return std::ranges::any_of(test.outcome.differences, stays); });
  return left == file.tests.end() ? nullptr : &*left;
}

}  // namespace

std::string RecordedText(const ShownFile& file) {
  JsonEdits edits(file.file->tree()->text);
  for (const ShownTest& test : file.tests) Record(test, &edits);
  return edits.Apply();
}

int RecordTests(const ShownFile& file, bool yes, CommandIo& io) {
  const bool failed =
      std::ranges::any_of(file.tests, [](const ShownTest& test) { return !test.outcome.differences.empty(); });
  const std::string& before = file.file->tree()->text;
  const std::string after = RecordedText(file);
  const std::string& name = file.file->file();
  if (after == before) {
    if (failed) io.err << name << ": what failed cannot be recorded; fix the topology or the case by hand\n";
    return failed ? ExitCode(Code::kStage) : kExitOk;
  }
  io.err << name << ":\n" << ChangedLines(before, after);
  int code = kExitOk;
  if (!yes && !Confirm("test", "Write this to " + name + "?", "--yes", io, &code))
    return code != kExitOk ? code : ExitCode(Code::kStage);
  if (!Holds(name, before)) {
    io.err << "anabranch test: " << name << " was changed meanwhile, so nothing was written; run the tests again\n";
    return ExitCode(Code::kRetry);
  }
  if (const Status written = ReplaceFile(name, after); !written.ok()) {
    io.err << "anabranch test: " << written.message() << "\n";
    return ExitCode(written.code());
  }
  io.err << name << " is recorded; run the tests again\n";
  const ShownTest* const left = FirstLeft(file);
  if (left == nullptr) return kExitOk;
  io.err << "the case \"" << Printable(left->test->name)
         << "\" cannot be recorded as a whole; fix the topology or the case by hand\n";
  return ExitCode(Code::kStage);
}

}  // namespace anabranch
