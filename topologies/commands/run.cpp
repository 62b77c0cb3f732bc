#include <chrono>
#include <ostream>
#include <thread>

#include "engine/run/ledger.h"
#include "topologies/commands/command.h"
#include "topologies/commands/run_session.h"
#include "topologies/commands/stop_signals.h"

namespace anabranch {
namespace {

constexpr std::chrono::milliseconds kLook{200};
constexpr int kLooksPerPoll = 5;

// --restart-failed: from the failed stage when there is one, with what `restart --yes` would choose. False when that
// is refused; `*code` tells.
bool ChooseStart(const RunArgs& args, const Plan& plan, RunOptions* options, CommandIo& io, int* code) {
  if (!args.restart_failed || args.fresh || args.new_ledger) return true;
  const Result<RestartOutlook> outlook = LookAtRestart(plan, *options);
  // No state yet, or a process that owns it: `run` says what there is to say.
  if (!outlook.ok() || outlook->already_running || outlook->nothing_failed) return true;
  io.err << RestartPlanText(outlook->failure, outlook->plan);
  if (outlook->plan.refused) {
    io.err << "anabranch run: --restart-failed cannot decide this; see:\n  " << NextOf(args).restart << " --dry-run\n";
    *code = ExitCode(Code::kStage);
    return false;
  }
  options->start = RunStart::kRestart;
  options->token = outlook->plan.token;
  return true;
}

// Until somebody mended the failed stage (`restart --once`, `dlq skip`). False when a signal ends the wait.
bool AwaitRestart(const std::string& state_dir) {
  CancelToken cancel;
  const StopSignals signals(cancel);
  for (int look = 1;; ++look) {
    std::this_thread::sleep_for(kLook);
    if (cancel.draining()) return false;
    if (look % kLooksPerPoll != 0) continue;
    const Result<int64_t> owner = Ledger::Owner(state_dir);
    if (!owner.ok() || *owner != 0) continue;
    const auto ledger = Ledger::OpenReadOnly(state_dir);
    if (!ledger.ok()) continue;
    const auto state = (*ledger)->Get("state");
    if (state.ok() && *state && **state != "failed" && **state != "restarting") return true;
  }
}

SessionEnd RunOnce(const RunArgs& args, bool first, CommandIo& io) {
  const CheckedTopology checked = CheckForCommand(args.file, args.allow_paths, io);
  if (!checked.ok()) return {kExitFaulty, false};
  const Plan& plan = *checked.plan;
  RunOptions options = OptionsOf(args, plan);
  options.workers = args.workers;
  options.once = args.once;
  options.fresh = args.fresh && first;
  options.new_identity = args.new_identity && first;
  options.new_ledger = args.new_ledger && first;
  SessionEnd end;
  if (!ChooseStart(args, plan, &options, io, &end.code)) return end;
  end = RunAndShow("run", plan, args, options, io);
  if (!end.stage_stopped || args.on_stop != "stay") return end;
  io.err << "waiting for that (--on-stop stay); clients are closed, the state is free\n";
  io.err.flush();
  if (!AwaitRestart(options.state_dir)) end.stage_stopped = false;
  return end;
}

}  // namespace

int CommandRun(const RunArgs& args, CommandIo& io) {
  if (!CheckInstance("run", args, io)) return kExitUsage;
  SessionEnd end = RunOnce(args, true, io);
  while (end.stage_stopped && args.on_stop == "stay") end = RunOnce(args, false, io);
  return end.code;
}

}  // namespace anabranch
