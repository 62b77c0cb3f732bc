#include <sys/resource.h>

#include <filesystem>
#include <ostream>

#include "engine/run/runner.h"
#include "topologies/commands/command.h"
#include "topologies/commands/run_view.h"
#include "topologies/commands/stop_signals.h"

namespace anabranch {
namespace {

// A core would hold records and secrets.
void ForbidCoreFiles() {
  rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
}

std::string StateDir(const RunArgs& args, const Plan& plan) {
  if (!args.state_dir.empty()) return args.state_dir;
  return (std::filesystem::path(plan.file).parent_path() / ".anabranch" / plan.name / args.instance).string();
}

bool ValidInstance(const std::string& instance) {
  return !instance.empty() && instance.size() <= 64 && instance != "." && instance != ".." &&
         instance.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
             std::string::npos;
}

std::string StartNote(const Plan& plan) {
  std::string delivery = plan.delivery == Delivery::kExactlyOnce ? "exactly_once" : "at_least_once";
  return "running " + plan.name + "@" + plan.hash + ", delivery " + delivery +
         (plan.delivery_given ? "" : " (not given in the file: the best that every target can)");
}

int Finish(const RunArgs& args, const RunSummary& summary, int signals, CommandIo& io) {
  const Status& status = summary.status;
  if (status.ok() || status.code() == Code::kCancelled) return signals >= 2 ? kExitInterrupted : kExitOk;
  io.err << "anabranch run: ";
  if (summary.failure) io.err << "stage \"" << summary.failure->stage << "\" stopped: ";
  io.err << status.message() << "\n";
  if (status.code() == Code::kStage || status.code() == Code::kTimedOut) {
    io.err << "What was complete before is committed. Mend the cause, then: anabranch run " << args.file << "\n";
  }
  return ExitCode(status.code());
}

}  // namespace

int CommandRun(const RunArgs& args, CommandIo& io) {
  if (!ValidInstance(args.instance)) {
    io.err << "anabranch run: --instance \"" << args.instance
           << "\": 1 to 64 letters, digits, '.', '_' or '-' (it names a folder and transactional ids)\n";
    return kExitUsage;
  }
  CheckedTopology checked = CheckForCommand(args.file, args.allow_paths, io);
  if (!checked.ok()) return kExitFaulty;
  const Plan& plan = *checked.plan;
  ForbidCoreFiles();
  CancelToken cancel;
  StopSignals signals(cancel);
  std::unique_ptr<RunView> view = MakeRunView(io);
  view->Note(StartNote(plan));
  RunOptions options;
  options.state_dir = StateDir(args, plan);
  options.instance = args.instance;
  options.workers = args.workers;
  options.once = args.once;
  options.fresh = args.fresh;
  options.new_identity = args.new_identity;
  RunObserver observer;
  observer.tick = [&](const RunSnapshot& snapshot) { view->Tick(snapshot); };
  observer.warn = [&](const std::string& line) { view->Warn(line); };
  RunSummary summary = RunPlan(plan, io.registry, options, cancel, observer);
  view.reset();
  if (!summary.note.empty()) io.err << summary.note << "\n";
  if (!summary.already_done && !summary.totals.stages.empty()) io.err << SummaryText(plan, summary);
  return Finish(args, summary, signals.seen(), io);
}

}  // namespace anabranch
