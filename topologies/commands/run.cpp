#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>
#include <ostream>
#include <string_view>
#include <thread>

#include "engine/run/ledger.h"
#include "engine/run/restart_outlook.h"
#include "engine/run/run_state.h"
#include "topologies/commands/command.h"
#include "topologies/commands/run_session.h"
#include "topologies/commands/stop_signals.h"

namespace anabranch {
namespace {

constexpr std::chrono::milliseconds kLook{200};
constexpr int kLooksPerPoll = 5;

// How long to wait before a stage is restarted that failed again and again with nothing changed. The first such restart
// is made at once: the cause may have been outside.
std::chrono::seconds PauseBefore(const RestartOutlook& outlook, int most_s) {
  constexpr int kDoublings = 16;
  const int rounds = outlook.failure.rounds;
  if (!outlook.plan.unchanged || rounds == 0) return std::chrono::seconds(0);
  return std::chrono::seconds(std::min(most_s, 1 << std::min(rounds - 1, kDoublings)));
}

// False when a signal ends the pause.
bool Pause(std::chrono::seconds pause) {
  CancelToken cancel;
  const StopSignals signals(cancel);
  const auto until = std::chrono::steady_clock::now() + pause;
  while (!cancel.draining() && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(kLook);
  return !cancel.draining();
}

// --restart-failed: from the failed stage when there is one, with what `restart --yes` would choose. False when that
// is refused; `*code` tells. `*pause`: to wait before it, then to choose again: the topology may be another by then.
bool ChooseStart(const RunArgs& args, const Plan& plan, RunOptions* options, CommandIo& io, int* code,
                 std::chrono::seconds* pause) {
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
  *pause = PauseBefore(*outlook, args.most_restart_pause_s);
  options->start = RunStart::kRestart;
  options->token = outlook->plan.token;
  return true;
}

// Until somebody restarted the failed stage (`restart --once`, `dlq skip`). False when a signal ends the wait.
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
    const Result<StateReport> state = RunState::Read(**ledger);
    const bool waits = !state.ok() || state->phase == RunPhase::kNone || state->phase == RunPhase::kFailed ||
                       state->phase == RunPhase::kRestarting;
    if (!waits) return true;
  }
}

// The exit code at the end of the input: too many dead letters are a failure, though each record was handled.
int Judge(const RunArgs& args, const SessionEnd& end, CommandIo& io) {
  if (!end.input_ended || end.records == 0 || end.dead_letters == 0) return end.code;
  // A record that failed in two branches is one record.
  const int64_t letters = std::min(end.dead_letters, end.records);
  const std::optional<DeadLetterLimit> limit = ParseDeadLetterLimit(args.max_dead_letters);
  const auto records = static_cast<double>(end.records);
  const auto most = [&] { return limit->percent ? limit->number / 100 * records : limit->number; };
  const bool too_many = limit ? static_cast<double>(letters) > most() : letters == end.records && end.results == 0;
  if (!too_many) return end.code;
  io.err << "anabranch run: " << letters << " of " << end.records << " records became dead letters"
         << (limit ? "; --max-dead-letters is " + args.max_dead_letters : std::string(": no record got through"))
         << ". To see them:\n  " << NextOf(args).letters << "\n";
  return ExitCode(Code::kStage);
}

// `waits`: a pause that is due has not been made yet.
SessionEnd RunOnce(const RunArgs& args, bool first, bool waits, CommandIo& io) {
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
  std::chrono::seconds pause(0);
  if (!ChooseStart(args, plan, &options, io, &end.code, &pause)) return end;
  if (waits && pause.count() > 0) {
    io.err << "nothing changed since the last restart failed: the next one begins in " << pause.count() << " s\n";
    io.err.flush();
    return Pause(pause) ? RunOnce(args, first, false, io) : end;
  }
  end = RunAndShow("run", plan, args, options, io);
  end.code = Judge(args, end, io);
  if (!end.stage_stopped || args.on_stop != "stay") return end;
  io.err << "waiting for that (--on-stop stay); clients are closed, the state is free\n";
  io.err.flush();
  if (!AwaitRestart(options.state_dir)) end.stage_stopped = false;
  return end;
}

}  // namespace

std::optional<DeadLetterLimit> ParseDeadLetterLimit(const std::string& text) {
  DeadLetterLimit limit;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, limit.number, std::chars_format::fixed);
  limit.percent = std::string_view(rest, end) == "%";
  const bool sound = error == std::errc() && (rest == end || limit.percent) && limit.number >= 0;
  return sound ? std::optional(limit) : std::nullopt;
}

int CommandRun(const RunArgs& args, CommandIo& io) {
  if (!CheckInstance("run", args, io)) return kExitUsage;
  SessionEnd end = RunOnce(args, true, true, io);
  while (end.stage_stopped && args.on_stop == "stay") end = RunOnce(args, false, true, io);
  return end.code;
}

}  // namespace anabranch
