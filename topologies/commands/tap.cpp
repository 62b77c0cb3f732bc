#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <ostream>
#include <thread>

#include "engine/clock.h"
#include "engine/printable.h"
#include "engine/text/instant.h"
#include "topologies/commands/command.h"
#include "topologies/commands/run_session.h"
#include "topologies/commands/stop_signals.h"
#include "topologies/commands/tap_case.h"
#include "topologies/commands/tap_text.h"
#include "topologies/commands/watched_pipeline.h"
#include "topologies/trial/test_file.h"

namespace anabranch {
namespace {

using TapAnswer = nlohmann::ordered_json;

constexpr std::chrono::milliseconds kTapPause(200);  // between two reads
const std::string kTaps = "/api/v1/taps";

// One tap, from its opening to its end.
class TapSession {
 public:
  TapSession(const TapArgs& args, WatchedPipeline pipeline, CommandIo& io)
      : args_(args), pipeline_(std::move(pipeline)), io_(io), client_(ControlAddress(pipeline_.state_dir)) {}

  int Run() {
    CancelToken cancel;
    const StopSignals stop(cancel);
    bool nobody = false;
    const Result<TapAnswer> opened = AnswerOf(client_.Post(kTaps, Wanted().dump()), &nobody);
    if (!opened.ok()) return Refuse(opened.status(), nobody);
    const std::string path = kTaps + "/" + opened->value("id", "");
    while (!done_ && !cancel.draining()) {
      const Result<TapAnswer> answer = AnswerOf(client_.Get(path + "?after=" + std::to_string(next_)), &nobody);
      if (!answer.ok()) {
        io_.err << "anabranch tap: "
                << (nobody ? "the process that ran " + pipeline_.name + " has ended"
                           : PrintableLines(NoAnswer(pipeline_, answer.status())))
                << (nobody ? "\n" : "");
        break;
      }
      Show(*answer);
      if (!done_ && !cancel.draining()) std::this_thread::sleep_for(kTapPause);
    }
    (void)client_.Delete(path);
    io_.out.flush();
    io_.err << TapSummary(shown_, seen_, dropped_) << "\n";
    return args_.save.empty() ? kExitOk : Save();
  }

 private:
  TapAnswer Wanted() const {
    TapAnswer wanted{{"nodes", args_.nodes}, {"at", args_.at}, {"where", args_.where}, {"columns", args_.columns}};
    wanted["limit"] = args_.follow ? 0 : args_.limit;
    wanted["rate"] = args_.rate;
    wanted["record"] = !args_.save.empty();
    wanted["reveal"] = args_.reveal;
    return wanted;
  }

  int Refuse(const Status& status, bool nobody) {
    if (nobody) {
      io_.err << "anabranch tap: " << NobodyRuns(pipeline_, args_);
      return kExitUnavailable;
    }
    io_.err << "anabranch tap: " << PrintableLines(NoAnswer(pipeline_, status));
    if (status.code() == Code::kTimedOut) return kExitUnavailable;
    return status.code() == Code::kInvalid ? kExitUsage : ExitCode(status.code());
  }

  void Show(const TapAnswer& answer) {
    for (const TapAnswer& row : answer["rows"]) {
      if (args_.format == "json") {
        io_.out << row.dump(-1, ' ', false, TapAnswer::error_handler_t::replace) << "\n";
      } else {
        io_.out << (args_.format == "kcat" ? TapRowKcat(row) : TapRowText(row, io_.out_colour));
      }
      ++shown_;
    }
    if (!answer["rows"].empty()) io_.out.flush();
    if (!args_.save.empty()) case_.Add(answer);
    next_ = answer["next"];
    seen_ = answer["seen"];
    dropped_ = answer["dropped"];
    done_ = answer["done"];
  }

  int Save() {
    if (shown_ == 0) {
      io_.err << "anabranch tap: no row came, so " << args_.save << " is not written\n";
      return kExitOk;
    }
    namespace fs = std::filesystem;
    const fs::path to = fs::absolute(args_.save);
    const std::string topology = fs::relative(fs::absolute(args_.file), to.parent_path()).string();
    std::string nodes;
    for (const std::string& node : args_.nodes) nodes += (nodes.empty() ? "" : ", ") + node;
    const std::string name = (nodes.empty() ? "results" : nodes) + " at " + FormatInstant(Clock::Real().WallMs());
    size_t omitted = 0;
    const std::string text = case_.Text(name, topology, &omitted);
    std::ofstream file(to, std::ios::binary);
    if (!(file << text << std::flush)) {
      io_.err << "anabranch tap: cannot write " << args_.save << "\n";
      return kExitUnavailable;
    }
    io_.err << "saved to " << args_.save;
    if (omitted > 0) io_.err << ", without " << omitted << " records of which not every row was shown";
    if (case_.masked()) io_.err << "; sensitive values are stand-ins, so look at what is expected";
    io_.err << ". To run it:\n  anabranch test " << args_.save << "\n";
    return kExitOk;
  }

  const TapArgs& args_;
  const WatchedPipeline pipeline_;
  CommandIo& io_;
  HttpClient client_;
  TapCase case_;
  int64_t next_ = 0, shown_ = 0, seen_ = 0, dropped_ = 0;
  bool done_ = false;
};

// What can be refused before the pipeline is asked; empty: nothing.
std::string FaultOf(const TapArgs& args) {
  if (args.save.empty()) return "";
  if (!IsTestFile(args.save)) return "--save \"" + args.save + "\": the name of a file with tests ends in .tests.json";
  if (!args.columns.empty()) return "--save and --columns exclude each other: a test expects what a node makes";
  if (args.at == "inputs") return "--save needs the outputs: a test expects what a node makes";
  std::error_code ignored;
  if (std::filesystem::exists(args.save, ignored))
    return "--save: " + args.save + " is there already; name another file";
  return "";
}

}  // namespace

int CommandTap(const TapArgs& args, CommandIo& io) {
  if (const std::string fault = FaultOf(args); !fault.empty()) {
    io.err << "anabranch tap: " << Printable(fault) << "\n";
    return kExitUsage;
  }
  if (!CheckInstance("tap", args, io)) return kExitUsage;
  const Result<WatchedPipeline> pipeline = FindPipeline(args);
  if (!pipeline.ok()) {
    io.err << "anabranch tap: " << PrintableLines(pipeline.status().message()) << "\n";
    return kExitFaulty;
  }
  return TapSession(args, *pipeline, io).Run();
}

}  // namespace anabranch
