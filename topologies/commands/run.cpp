#include <algorithm>
#include <charconv>
#include <chrono>
#include <memory>
#include <optional>
#include <ostream>
#include <string_view>
#include <thread>

#include "engine/run/ledger.h"
#include "engine/run/restart_outlook.h"
#include "engine/run/run_state.h"
#include "topologies/commands/command.h"
#include "topologies/commands/log_view.h"
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
  TellRestart(args.log, plan, *outlook, io);
  if (outlook->plan.refused) {
    const std::string next = NextOf(args).restart + " --dry-run";
    Tell(args.log, plan.name, "anabranch run: --restart-failed cannot decide this; see:\n  " + next + "\n",
         "--restart-failed cannot decide this; next: " + next, io);
    *code = ExitCode(Code::kStage);
    return false;
  }
  *pause = PauseBefore(*outlook, args.most_restart_pause_s);
  options->start = RunStart::kRestart;
  options->token = outlook->plan.token;
  return true;
}

using Order = std::optional<LivePipeline::RestartOrder>;

// Until somebody restarted the failed stage (`restart --once`, `dlq skip`), or ordered it here. False when a signal
// ends the wait.
bool AwaitRestart(const std::string& state_dir, Service& service, Order* order) {
  CancelToken cancel;
  const StopSignals signals(cancel);
  for (int look = 1;; ++look) {
    std::this_thread::sleep_for(kLook);
    if (cancel.draining()) return false;
    *order = service.live().TakeRestart();
    if (*order) return true;
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
int Judge(const RunArgs& args, const std::string& topology, const SessionEnd& end, CommandIo& io) {
  if (!end.input_ended || end.records == 0 || end.dead_letters == 0) return end.code;
  // A record that failed in two branches is one record.
  const int64_t letters = std::min(end.dead_letters, end.records);
  const std::optional<DeadLetterLimit> limit = ParseDeadLetterLimit(args.max_dead_letters);
  const auto records = static_cast<double>(end.records);
  const auto most = [&] { return limit->percent ? limit->number / 100 * records : limit->number; };
  const bool too_many = limit ? static_cast<double>(letters) > most() : letters == end.records && end.results == 0;
  if (!too_many) return end.code;
  const std::string what =
      std::to_string(letters) + " of " + std::to_string(end.records) + " records became dead letters" +
      (limit ? "; --max-dead-letters is " + args.max_dead_letters : std::string(": no record got through"));
  const std::string next = NextOf(args).letters;
  Tell(args.log, topology, "anabranch run: " + what + ". To see them:\n  " + next + "\n", what + "; next: " + next, io);
  return ExitCode(Code::kStage);
}

// One `run`: its sessions, and what is served beside them.
class Runs {
 public:
  Runs(const RunArgs& args, CommandIo& io) : args_(args), io_(io) {}
  int All() {
    SessionEnd end = Once(true);
    while (Stays(end)) end = Once(true);
    return end.code;
  }

 private:
  bool Stays(const SessionEnd& end) const { return end.stage_stopped && !end.stop_asked && args_.on_stop == "stay"; }
  SessionEnd Once(bool waits);
  bool Choose(const Plan& plan, bool waits, RunOptions* options, SessionEnd* end, bool* again);
  void Stay(const std::string& topology, const RunOptions& options, SessionEnd* end);
  void KeepWaiting(const Plan& plan, const RunOptions& options, SessionEnd* end);

  const RunArgs& args_;
  CommandIo& io_;
  bool first_ = true;
  Order order_;
  std::unique_ptr<Service> service_;
};

// False: there is no session to run; `*again`: after a pause it is chosen anew. `waits`: a pause that is due has not
// been made yet.
bool Runs::Choose(const Plan& plan, bool waits, RunOptions* options, SessionEnd* end, bool* again) {
  if (order_) {
    options->start = RunStart::kRestart;
    options->token = order_->token;
    return true;
  }
  std::chrono::seconds pause(0);
  if (!ChooseStart(args_, plan, options, io_, &end->code, &pause)) return false;
  if (!waits || pause.count() == 0) return true;
  const std::string text =
      "nothing changed since the last restart failed: the next one begins in " + std::to_string(pause.count()) + " s";
  Tell(args_.log, plan.name, text + "\n", text, io_);
  *again = Pause(pause);
  return false;
}

SessionEnd Runs::Once(bool waits) {
  const auto checked = std::make_shared<const CheckedTopology>(CheckForCommand(args_.file, args_.allow_paths, io_));
  if (!checked->ok()) return {kExitFaulty, false};
  const Plan& plan = *checked->plan;
  RunOptions options = OptionsOf(args_, plan);
  options.workers = args_.workers;
  options.once = args_.once;
  options.fresh = args_.fresh && first_;
  options.new_identity = args_.new_identity && first_;
  options.new_ledger = args_.new_ledger && first_;
  SessionEnd end;
  bool again = false;
  if (!Choose(plan, waits, &options, &end, &again)) return again ? Once(false) : end;
  if (!service_) service_ = StartService("run", args_, args_.serve, options, io_, &end.code);
  if (!service_) return end;
  first_ = false;
  service_->live().Starting(checked, options);
  end = RunAndShow("run", plan, args_, options, io_, service_.get());
  end.code = Judge(args_, plan.name, end, io_);
  if (order_) KeepWaiting(plan, options, &end);
  order_.reset();
  if (Stays(end)) Stay(plan.name, options, &end);
  return end;
}

// A restart that was ordered and did not begin (the state changed meanwhile, or a broker is away) changes nothing.
void Runs::KeepWaiting(const Plan& plan, const RunOptions& options, SessionEnd* end) {
  if (end->code == kExitOk || end->stage_stopped) return;
  RunOptions look = options;
  look.token.clear();
  const Result<RestartOutlook> outlook = LookAtRestart(plan, look);
  if (!outlook.ok() || outlook->nothing_failed || outlook->already_running) return;
  RunSummary summary;
  summary.failure = outlook->failure;
  service_->live().Ended(summary);
  end->stage_stopped = true;
}

void Runs::Stay(const std::string& topology, const RunOptions& options, SessionEnd* end) {
  const std::string text =
      "waiting for that (--on-stop stay); clients are closed, the state is free. With --once that command works "
      "off what waits, and this process then goes on";
  Tell(args_.log, topology, text + "\n", text, io_);
  if (!AwaitRestart(options.state_dir, *service_, &order_)) end->stage_stopped = false;
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
  return Runs(args, io).All();
}

}  // namespace anabranch
