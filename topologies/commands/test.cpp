#include <fnmatch.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <ostream>

#include "engine/status.h"
#include "topologies/commands/command.h"
#include "topologies/commands/record_tests.h"
#include "topologies/commands/stop_signals.h"
#include "topologies/commands/test_view.h"

namespace anabranch {
namespace {

class TestSession {
 public:
  TestSession(const TestArgs& args, CommandIo& io) : args_(args), io_(io) { options_.allow_paths = args.allow_paths; }

  int Run() {
    const Result<std::vector<std::string>> names = FindTestFiles(args_.paths);
    if (!names.ok()) return Refuse(names.status().message());
    if (names->empty())
      return Refuse("there are no tests: a topology has them under \"tests\", or in a file NAME.tests.json");
    {
      const StopSignals interrupts(cancel_, true);
      for (const std::string& name : *names) RunFile(name);
    }
    if (cancel_.now()) return kExitInterrupted;
    if (count_ == 0 && !faulty_) return Refuse(NoCase());
    if (args_.format == "json") io_.out << TestsJson(shown_);
    if (args_.format == "text") io_.out << TestSummary(shown_);
    if (!args_.junit.empty() && !WriteJunit()) return ExitCode(Code::kUnavailable);
    if (faulty_) return kExitFaulty;
    if (failed_ && args_.record) return Record();
    return failed_ ? ExitCode(Code::kStage) : RecordMissing();
  }

 private:
  int Refuse(const std::string& why) {
    io_.err << "anabranch test: " << why << "\n";
    return kExitUsage;
  }

  std::string NoCase() const {
    return args_.only.empty() ? "there is no case to run: write one in \"tests\""
                              : "no case has a name like --only \"" + args_.only + "\"";
  }

  bool Chosen(const std::string& name) const {
    return args_.only.empty() || fnmatch(args_.only.c_str(), name.c_str(), 0) == 0 ||
           name.find(args_.only) != std::string::npos;
  }

  void RunFile(const std::string& name) {
    if (cancel_.now()) return;
    files_.push_back(std::make_unique<TestFile>(name, io_.registry, options_));
    const TestFile& file = *files_.back();
    shown_.push_back({.file = &file, .tests = {}, .not_covered = {}});
    ShownFile& shown = shown_.back();
    if (args_.format == "text") io_.out << name << "\n";
    if (!file.ok()) {
      faulty_ = true;
      ShowFaults(file);
      return;
    }
    TestRunner runner(*file.topology().plan, {.once = args_.once, .coverage = args_.coverage, .cancel = &cancel_});
    for (const LoadedTest& test : file.tests()) {
      if (!Chosen(test.name)) continue;
      ++count_;
      shown.tests.push_back({&test, runner.Run(*test.test)});
      if (cancel_.now()) return;
      failed_ = failed_ || !shown.tests.back().outcome.differences.empty();
      if (args_.format == "text") io_.out << TestText(shown, shown.tests.back());
      if (args_.format == "github") io_.out << TestsGithub(shown, shown.tests.back());
      io_.out.flush();
    }
    if (!args_.coverage) return;
    shown.not_covered = runner.coverage().Missing();
    if (args_.format == "text") io_.out << CoverageText(shown);
  }

  void ShowFaults(const TestFile& file) {
    if (args_.format != "github") return RenderTestFile(file, io_.err_colour, io_.err);
    io_.out << FaultsGithub(file);
  }

  bool WriteJunit() {
    std::ofstream file(args_.junit, std::ios::binary | std::ios::trunc);
    file << TestsJunit(shown_);
    file.close();
    if (file) return true;
    io_.err << "anabranch test: cannot write " << args_.junit << "\n";
    return false;
  }

  // Cases that pass because they expect nothing are recorded too.
  int RecordMissing() {
    const auto expects_nothing = [](const ShownTest& test) { return !test.outcome.everything.empty(); };
    const bool any = std::ranges::any_of(
        shown_, [&](const ShownFile& file) { return std::ranges::any_of(file.tests, expects_nothing); });
    return args_.record && any ? Record() : kExitOk;
  }

  int Record() {
    if (std::getenv("CI") != nullptr) {
      return Refuse(
          "--record changes files, and CI is set: record on your own machine, look at the difference, and commit it");
    }
    int code = kExitOk;
    for (const ShownFile& file : shown_) code = std::max(code, RecordTests(file, args_.yes, io_));
    return code;
  }

  const TestArgs& args_;
  CommandIo& io_;
  CheckOptions options_;
  CancelToken cancel_;
  std::vector<std::unique_ptr<TestFile>> files_;
  std::vector<ShownFile> shown_;
  size_t count_ = 0;
  bool failed_ = false;
  bool faulty_ = false;
};

}  // namespace

int CommandTest(const TestArgs& args, CommandIo& io) { return TestSession(args, io).Run(); }

}  // namespace anabranch
