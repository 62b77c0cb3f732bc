#include <memory>
#include <ostream>

#include "engine/printable.h"
#include "engine/run/restart_outlook.h"
#include "topologies/commands/command.h"
#include "topologies/commands/log_view.h"
#include "topologies/commands/run_session.h"
#include "topologies/operate/masking.h"

namespace anabranch {
namespace {

RunOptions RestartOptions(const RestartArgs& args, const Plan& plan) {
  RunOptions options = OptionsOf(args, plan);
  options.start = RunStart::kRestart;
  options.workers = args.workers;
  options.once = args.once;
  options.token = args.token;
  options.choices.from = args.from;
  options.choices.recompute = args.on_missing == "recompute";
  options.choices.accept_stale.insert(args.accept_stale.begin(), args.accept_stale.end());
  options.choices.drop_unclaimed = args.drop_unclaimed;
  options.choices.new_identity = args.new_identity;
  options.accept_loss = args.accept_loss;
  return options;
}

int ShowDryRun(const RestartArgs& args, const Plan& plan, const RestartOutlook& outlook, CommandIo& io) {
  const bool nothing = outlook.nothing_failed;
  if (args.format == "json") {
    io.out << (nothing ? NothingFailedJson() : RestartPlanJson(outlook.plan)) << "\n";
  } else if (nothing) {
    io.out << "nothing failed: there is nothing to restart\n";
  } else {
    io.out << RestartPlanText(Masked(plan, outlook.failure), outlook.plan);
  }
  return !nothing && outlook.plan.refused ? ExitCode(Code::kStage) : kExitOk;
}

// Whether to go on; `*code` tells what to exit with if not.
bool Agreed(const RestartArgs& args, const RestartPlan& plan, CommandIo& io, int* code) {
  *code = ExitCode(Code::kStage);
  if (plan.refused) return false;
  if (!args.token.empty() && args.token != plan.token) {
    io.err << "anabranch restart: --plan " << args.token << " is not the plan any more (now " << plan.token
           << "): the state, the topology or a model changed; nothing was done\n";
    return false;
  }
  if (args.yes || !args.token.empty()) return true;
  const std::string cure = "--yes, or with this very plan: --plan " + plan.token;
  return Confirm("restart", "Go on?", cure, io, code);
}

}  // namespace

int CommandRestart(const RestartArgs& args, CommandIo& io) {
  if (!CheckInstance("restart", args, io)) return kExitUsage;
  const auto checked = std::make_shared<const CheckedTopology>(CheckForCommand(args.file, args.allow_paths, io));
  if (!checked->ok()) return kExitFaulty;
  RunOptions options = RestartOptions(args, *checked->plan);
  const Result<RestartOutlook> outlook = LookAtRestart(*checked->plan, options);
  if (!outlook.ok()) {
    io.err << "anabranch restart: " << PrintableLines(outlook.status().message()) << "\n";
    return ExitCode(outlook.status().code());
  }
  if (outlook->already_running) {
    io.err << "anabranch restart: a process is running with " << options.state_dir
           << ": there is nothing to restart while it runs\n";
    return ExitCode(Code::kRetry);
  }
  if (args.dry_run) return ShowDryRun(args, *checked->plan, *outlook, io);
  if (outlook->nothing_failed) {
    io.err << "nothing failed: there is nothing to restart; to go on:\n  " << NextOf(args).run << "\n";
    return kExitOk;
  }
  TellRestart(args.log, *checked->plan, *outlook, io);
  int code = kExitOk;
  if (!Agreed(args, outlook->plan, io, &code)) return code;
  options.token = outlook->plan.token;
  const auto service = StartService("restart", args, args.serve, options, io, &code);
  if (!service) return code;
  service->live().Starting(checked, options);
  return RunAndShow("restart", *checked->plan, args, options, io, service.get()).code;
}

}  // namespace anabranch
