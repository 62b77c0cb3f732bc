#include "topologies/commands/run_session.h"

#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <thread>

#include "engine/mutex.h"
#include "engine/printable.h"
#include "engine/run/pipeline.h"
#include "engine/trace/tracer.h"
#include "topologies/commands/command_line.h"
#include "topologies/commands/log_view.h"
#include "topologies/commands/model_gates.h"
#include "topologies/commands/run_view.h"
#include "topologies/commands/stop_signals.h"
#include "topologies/operate/masking.h"
#include "topologies/operate/model_session.h"
#include "topologies/operate/start_version.h"

namespace anabranch {
namespace {

// A core would hold records and secrets.
void ForbidCoreFiles() {
  rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
}

const char* VerbOf(RunStart start) {
  switch (start) {
    case RunStart::kRun: return "running ";
    case RunStart::kRestart: return "restarting ";
    case RunStart::kGiveUp: return "giving up records of ";
    case RunStart::kReplay: return "replaying dead letters of ";
    case RunStart::kRescore: return "scoring records again of ";
  }
  return "";
}

std::string StartNote(const Plan& plan, RunStart start) {
  std::string delivery = plan.delivery == Delivery::kExactlyOnce ? "exactly_once" : "at_least_once";
  return VerbOf(start) + plan.name + "@" + plan.hash + ", delivery " + delivery +
         (plan.delivery_given ? "" : " (not given in the file: the best that every target can)");
}

// For a shell.
std::string ShellWord(const std::string& word) {
  const char* const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/=:@,+";
  if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string AllowPathFlags(const std::vector<std::string>& paths) {
  std::string flags;
  for (const std::string& path : paths) flags += " --allow-path " + ShellWord(path);
  return flags;
}

void ShowFailure(const std::string& command, const StateArgs& args, RunStart start, const RunSummary& summary,
                 CommandIo& io) {
  io.err << "anabranch " << command << ": ";
  if (summary.failure && start == RunStart::kReplay) {
    io.err << "stage \"" << summary.failure->stage << "\" stopped: " << PrintableLines(summary.failure->message)
           << "\nThe dead letters that were not replayed stay where they are: fix the cause, then replay again.\n";
  } else if (summary.failure && start == RunStart::kRescore) {
    io.err << "stage \"" << summary.failure->stage << "\" stopped: " << PrintableLines(summary.failure->message)
           << "\nWhat was written stays: fix the cause, then repeat the command. It goes on from there.\n";
  } else if (summary.failure && !summary.not_recorded.ok()) {
    io.err << UnrecordedText(*summary.failure, summary.not_recorded.message(),
                             summary.restart_waits ? NextOf(args).restart : NextOf(args).run);
  } else if (summary.failure) {
    io.err << FailureText(*summary.failure, NextOf(args));
  } else {
    io.err << PrintableLines(summary.status.message()) << "\n";
  }
  if (summary.stuck) io.err << "a thread is stuck in that call, so this process ends\n";
}

void ShowSummary(const Plan& plan, const RunSummary& summary, const std::string& state_dir, CommandIo& io) {
  if (!summary.note.empty()) io.err << summary.note << "\n";
  if (!summary.already_done && !summary.totals.stages.empty()) io.err << SummaryText(plan, summary, state_dir);
}

}  // namespace

bool CheckInstance(const std::string& command, const StateArgs& args, CommandIo& io) {
  const std::string& instance = args.instance;
  const bool valid = !instance.empty() && instance.size() <= 64 && instance != "." && instance != ".." &&
                     instance.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
                         std::string::npos;
  if (!valid) {
    io.err << "anabranch " << command << ": --instance \"" << instance
           << "\": 1 to 64 letters, digits, '.', '_' or '-' (it names a folder and transactional ids)\n";
  }
  return valid;
}

std::string StateDirOf(const StateArgs& args, const std::string& file, const std::string& name) {
  if (!args.state_dir.empty()) return args.state_dir;
  return (std::filesystem::path(file).parent_path() / ".anabranch" / name / args.instance).string();
}

std::string TopicsCommand(const std::string& file, const std::vector<std::string>& allow_paths) {
  return "anabranch topics " + ShellWord(file) + AllowPathFlags(allow_paths) + " --create";
}

NextCommands NextOf(const StateArgs& args) {
  std::string tail = " " + ShellWord(args.file);
  if (args.instance != "0") tail += " --instance " + ShellWord(args.instance);
  if (!args.state_dir.empty()) tail += " --state-dir " + ShellWord(args.state_dir);
  tail += AllowPathFlags(args.allow_paths);
  return {.run = "anabranch run" + tail,
          .restart = "anabranch restart" + tail,
          .skip = "anabranch dlq skip" + tail,
          .letters = "anabranch dlq ls" + tail,
          .replay = "anabranch dlq replay" + tail};
}

bool Confirm(const std::string& command, const std::string& question, const std::string& cure, CommandIo& io,
             int* code) {
  *code = kExitOk;
  if (io.in == nullptr) {
    io.err << "anabranch " << command << ": nobody is here to be asked; say yes with " << cure << "\n";
    *code = kExitUsage;
    return false;
  }
  io.err << question << " [y/N] ";
  io.err.flush();
  std::string answer;
  std::getline(*io.in, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return true;
  io.err << "nothing was done\n";
  return false;
}

RunOptions OptionsOf(const StateArgs& args, const Plan& plan) {
  RunOptions options;
  options.state_dir = StateDirOf(args, plan.file, plan.name);
  options.instance = args.instance;
  options.make_command = TopicsCommand(args.file, args.allow_paths);
  return options;
}

std::unique_ptr<Service> StartService(const std::string& command, const StateArgs& args, const ServiceOptions& serve,
                                      const RunOptions& options, CommandIo& io, int* code) {
  const Registry& registry = io.registry;
  auto check = [&registry, file = args.file, allow_paths = args.allow_paths] {
    return CheckTopology(file, registry, {.allow_paths = allow_paths, .env = {}});
  };
  LivePipeline::Identity identity{args.file, options.state_dir, args.instance};
  auto service = Service::Start(
      serve, {std::move(identity), registry, NextOf(args), std::move(check), args.allow_paths, GatesInChild});
  if (service.ok()) return std::move(service).value();
  io.err << "anabranch " << command << ": " << PrintableLines(service.status().message()) << "\n";
  *code = service.status().code() == Code::kInvalid ? kExitUsage : ExitCode(service.status().code());
  return nullptr;
}

namespace {

// Null: the environment asks for no traces.
std::unique_ptr<Tracer> MakeTracer(const Plan& plan, const RunOptions& options,
                                   const std::function<void(const std::string&)>& warn, std::atomic<int64_t>& dropped) {
  const std::optional<TraceSettings> settings =
      TraceSettingsFrom([](const char* name) { return std::getenv(name); }, plan.name);
  if (!settings) return nullptr;
  for (const std::string& warning : settings->warnings) warn(warning);
  return std::make_unique<Tracer>(plan, Clock::Real(), *settings, options.instance, ProgramVersion(), warn, dropped);
}

// While a run starts: ends the process when a stop was asked for and the step that is under way does not end for it. No
// record was read yet, so that is as safe as waiting.
class StartGuard {
 public:
  StartGuard(const CancelToken& cancel, CommandIo& io) : thread_([this, &cancel, &io] { Watch(cancel, io); }) {}
  ~StartGuard() { Started(); }

  void Started() {
    {
      const MutexLock lock(mutex_);
      started_ = true;
    }
    changed_.NotifyAll();
    if (thread_.joinable()) thread_.join();
  }

 private:
  static constexpr std::chrono::milliseconds kLook{20};
  static constexpr std::chrono::seconds kGrace{5};

  void Watch(const CancelToken& cancel, CommandIo& io) {
    std::optional<std::chrono::steady_clock::time_point> asked;
    const MutexLock lock(mutex_);
    while (!changed_.WaitFor(mutex_, kLook, [this]() REQUIRES(mutex_) { return started_; })) {
      if (!cancel.draining()) continue;
      const auto now = std::chrono::steady_clock::now();
      if (!asked) asked = now;
      if (now - *asked < kGrace) continue;
      io.err << "stopped while starting; no record was read\n";
      io.drain_err();
      _exit(kExitOk);
    }
  }

  Mutex mutex_;
  Condition changed_;
  bool started_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

// Until the run ends, if it began.
void WaitAndTell(const Pipeline& pipeline, const ModelAgent* models, Service& service) {
  if (pipeline.state() != Pipeline::State::kRunning) return;
  service.Began(pipeline, models);
  while (!pipeline.Wait(std::chrono::seconds(1))) {
  }
  service.live().Leaving();
}

// What the rows of a run came to.
SessionEnd CountsOf(const Plan& plan, const RunSummary& summary) {
  SessionEnd end;
  end.records = summary.totals.rows_committed;
  for (StageId stage = 0; stage < summary.totals.stages.size(); ++stage) {
    const StageCounts& counts = summary.totals.stages[stage];
    end.dead_letters += counts.dead_lettered;
    const bool sink = stage >= plan.sources.size() && plan.node(stage).program->target() != nullptr;
    if (sink) end.results += counts.rows_out;
  }
  return end;
}

// How long the gates of a package may take in this process.
constexpr int kGatesMs = 120'000;

ModelAgent::Verdict GatesOf(const std::string& folder) { return GatesInChild(folder, {}, kGatesMs, nullptr); }

// Whether the versions that the file names are looked at: for runs that read the input.
bool FollowsFile(RunStart start) { return start == RunStart::kRun || start == RunStart::kRestart; }

// One run, from its models to its end. `*began`: it owned its state.
RunSummary RunToEnd(const Plan& plan, const StateArgs& args, RunOptions options, const RunObserver& observer,
                    CommandIo& io, CancelToken& cancel, Service* service, bool* began) {
  StartGuard start(cancel, io);
  const bool pinned = options.generations != nullptr;
  const ModelChangePlace place{.plan = plan,
                               .allow_paths = args.allow_paths,
                               .state_dir = options.state_dir,
                               .instance = options.instance,
                               .gates = GatesInChild,
                               .progress = observer.warn,
                               .cancel = &cancel};
  const auto first = [&place](const ModelAgent::Model& model, const GenerationRecord::Arm& arm) {
    return GateStart(place, model, arm.version);
  };
  auto models = pinned ? std::unique_ptr<ModelAgent>() : MakeModelAgent(plan, options, {first, GatesOf}, observer.warn);
  Status ready = models.status();
  if (ready.ok() && *models != nullptr) {
    if (FollowsFile(options.start)) FollowStarts(place, **models);
    ready = (*models)->Begin(cancel);
  }
  auto control = MakeControlView(plan, options.state_dir);
  if (ready.ok()) ready = control.status();
  RunSummary summary;
  if (!ready.ok()) {
    summary.status = ready;
    return summary;
  }
  ModelAgent* const agent = models->get();
  if (!pinned) options.generations = agent;
  options.control = control->get();
  {
    Pipeline pipeline(plan, io.registry, options, observer, &cancel);
    // Why it did not start is in the summary. Closing the opened parts may take as long as opening them.
    *began = pipeline.Start().ok();
    if (*began) start.Started();
    if (*began && agent != nullptr) agent->Follow();
    if (service != nullptr) WaitAndTell(pipeline, agent, *service);
    summary = pipeline.Finish();
  }
  if (summary.stuck) {  // a thread may still ask them
    (void)models->release();
    (void)control->release();
  }
  return summary;
}

}  // namespace

SessionEnd RunAndShow(const std::string& command, const Plan& plan, const StateArgs& args, const RunOptions& options,
                      CommandIo& io, Service* service) {
  ForbidCoreFiles();
  CancelToken cancel;
  StopSignals signals(cancel);
  std::unique_ptr<RunView> view = MakeRunView(io, args.log, plan.name);
  view->Note(StartNote(plan, options.start), {});
  for (const std::string& line : service != nullptr ? service->TakeLines() : std::vector<std::string>())
    view->Note(line, {});
  RunObserver observer;
  observer.tick = [&](const RunSnapshot& snapshot) { view->Tick(snapshot); };
  observer.warn = [&](const std::string& line) { view->Warn(line); };
  if (service != nullptr) service->Observe(&observer);
  std::atomic<int64_t> not_counted{0};
  std::unique_ptr<Tracer> tracer =
      MakeTracer(plan, options, observer.warn, service != nullptr ? service->spans_dropped() : not_counted);
  if (tracer != nullptr) tracer->Attach(&observer);
  bool began = false;
  RunSummary summary = RunToEnd(plan, args, options, observer, io, cancel, service, &began);
  if (service != nullptr) service->Finished(summary, began, summary.status.ok() && signals.seen() == 0);
  if (summary.failure) summary.failure = Masked(plan, *std::move(summary.failure));
  if (!summary.stuck) tracer.reset();
  const bool as_json = args.log.format == "json";
  if (as_json) {
    LogSummary(summary, *view);
  } else {
    if (!summary.stuck) view.reset();
    ShowSummary(plan, summary, options.state_dir, io);
  }
  SessionEnd end = CountsOf(plan, summary);
  const Status& status = summary.status;
  if (status.ok() || status.code() == Code::kCancelled) {
    end.code = signals.seen() >= 2 ? kExitInterrupted : kExitOk;
    end.input_ended = status.ok() && signals.seen() == 0;
  } else {
    if (as_json) {
      LogFailure(summary, NextOf(args), *view);
    } else {
      ShowFailure(command, args, options.start, summary, io);
    }
    end.code = ExitCode(status.code());
    end.stage_stopped = summary.failure && summary.not_recorded.ok();
  }
  if (summary.stuck) {
    io.drain_err();
    io.out.flush();
    _exit(end.code == kExitOk ? ExitCode(Code::kStage) : end.code);
  }
  end.stop_asked = signals.seen() > 0;
  return end;
}

}  // namespace anabranch
