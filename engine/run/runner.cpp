#include "engine/run/runner.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <tuple>

#include "engine/codec/instant.h"
#include "engine/connector.h"
#include "engine/fault_point.h"
#include "engine/keep/kept_store.h"
#include "engine/lane_context.h"
#include "engine/plan_graph.h"
#include "engine/registry.h"
#include "engine/run/counters.h"
#include "engine/run/crash_blame.h"
#include "engine/run/crew.h"
#include "engine/run/lane.h"
#include "engine/run/restart_outlook.h"
#include "engine/run/run_state.h"

namespace anabranch {
namespace {

// Source positions that no target's commit carries: stored after the targets are durable.
class PositionsCommitter : public Committer {
 public:
  explicit PositionsCommitter(Source& source) : source_(source) {}
  Status Open() override { return Status::Ok(); }
  Result<std::vector<int64_t>> Progress(std::span<const PartitionId> partitions) override {
    return std::vector<int64_t>(partitions.size(), kWantsNothing);
  }
  Status Write(const EncodedBatch&) override { return Status::Ok(); }
  Status Commit(const EpochEnd& end) override {
    Status status = source_.CommitPositions(end.positions);
    if (status.code() == Code::kRetry) return {Code::kAborted, status.message()};  // storing again doubles nothing
    return status;
  }
  Status Abort() override { return Status::Ok(); }
  bool ShowsAtCommit() const override { return false; }  // readers see no positions
  bool CarriesPositions() const override { return true; }
  CommitOrder commit_order() const override { return CommitOrder::kSourcePositions; }
  void Close() override {}

 private:
  Source& source_;
};

// Writes what nodes with "keep": "always" finished to the logs of the state folder. It only saves work: what cannot be
// written is told, and computed again after a crash.
class ResultsLog : public KeptSink {
 public:
  ResultsLog(const Plan& plan, KeptStore& store, const CancelToken& stop,
             const std::function<void(const std::string&)>& warn)
      : plan_(plan), store_(store), stop_(stop), warn_(warn) {}

  void Keep(const RecordBatch& batch, const std::vector<bool>& done) override {
    std::vector<KeptHeader::Range> ranges;
    for (const PositionRange& range : batch.positions) {
      ranges.push_back({batch.partitions->at(range.partition), range.first, range.next});
    }
    const Status logged = store_.Log(batch.lane, WriteKeptBatch(plan_, batch, done), ranges, stop_);
    if (logged.ok() || logged.code() == Code::kCancelled || warned_.exchange(true)) return;
    warn_("results cannot be kept (" + logged.message() + "): after a crash they are computed again");
  }

 private:
  const Plan& plan_;
  KeptStore& store_;
  const CancelToken& stop_;
  const std::function<void(const std::string&)>& warn_;
  std::atomic<bool> warned_{false};
};

// Where some of what was kept had left its stages, and so has no records to give up: the positions below which all
// records that wait lie.
std::map<SourcePartition, int64_t> GivenUpBelow(const std::vector<KeptStore::Entry>& entries) {
  std::map<SourcePartition, int64_t> below;
  if (std::ranges::none_of(entries, [](const KeptStore::Entry& entry) { return entry.header.outputs; })) return below;
  for (const KeptStore::Entry& entry : entries) {
    for (const KeptHeader::Range& range : entry.header.ranges) {
      int64_t& next = below[range.partition];
      next = std::max(next, range.next);
    }
  }
  return below;
}

// One run from opened models to closed sources. Built, used and destroyed by RunPlan.
class Run {
 public:
  Run(const Plan& plan, const RunOptions& options, const Registry& registry, RunState& state, KeptStore& kept,
      const RestoreRules& rules, CancelToken& cancel, const RunObserver& observer)
      : plan_(plan),
        options_(options),
        registry_(registry),
        state_(state),
        cancel_(cancel),
        observer_(observer),
        clock_(options.clock ? *options.clock : Clock::Real()),
        counters_(plan),
        guards_(plan),
        shared_{.plan = plan, .clock = clock_, .counters = counters_, .stop = cancel, .refused = guards_.refused},
        log_(plan, kept, cancel, shared_.warn) {
    shared_.ledger = &state.ledger();
    if (!replays()) shared_.kept = &kept;
    shared_.rules = rules;
    shared_.accept_loss = options.accept_loss;
    shared_.kept_only = options.start == RunStart::kGiveUp;
    if (shared_.kept_only) guards_.given_up = state.failure();
    if (shared_.kept_only) shared_.give_up_below = GivenUpBelow(kept.entries());
    if (observer.warn) shared_.warn = observer.warn;
  }

  Status Open();
  void Execute(RunSummary* summary);
  bool input_ended() const { return input_ended_; }
  // The stage in which earlier processes died: Open failed because of it.
  const std::optional<Failure>& blamed() const { return blamed_; }

 private:
  // What lanes read: the plan's sources, or dead letters, which may be records of any of them.
  struct Input {
    StageId stage;
    std::string id;
    const SourceProgram* program = nullptr;
    int lanes = 1;
  };
  struct LaneThread {
    std::unique_ptr<Lane> lane;
    std::thread thread;
    Status status;
  };

  void ResumeBreakers();
  void NoteBreakers(Failure* failure);
  Status OpenAttempts(size_t slots);
  Result<std::unique_ptr<PlanWorker>> OpenWorker();
  bool replays() const { return options_.start == RunStart::kReplay; }
  std::vector<Input> Inputs(int workers) const;
  Status GoOn() const;
  Status OpenLane(const Input& input, int lane);
  Status OpenCommitters(LaneContext& context, const Input& input, Lane::Parts* parts);
  bool Descends(TargetId target, StageId source) const;
  void Tick(int64_t elapsed_ns);
  bool FindStuck(int64_t now_ns, RunSummary* summary);
  void SettleRestart();
  void Collect(RunSummary* summary);

  const Plan& plan_;
  const RunOptions& options_;
  const Registry& registry_;
  RunState& state_;
  CancelToken& cancel_;
  const RunObserver& observer_;
  const Clock& clock_;
  Counters counters_;
  std::unique_ptr<AttemptSlots> attempts_;
  std::optional<Failure> blamed_;
  StageGuards guards_;
  RunShared shared_;
  ResultsLog log_;
  std::vector<std::unique_ptr<LaneContext>> contexts_;
  std::unique_ptr<Crew> crew_;
  std::vector<std::unique_ptr<LaneThread>> lanes_;
  std::mutex mutex_;
  std::condition_variable finished_;
  size_t running_ = 0;  // guarded by mutex_
  bool restarting_ = false;
  bool input_ended_ = false;
};

constexpr size_t kUsualOutputBytes = size_t{4} << 20;  // of a batch: not divided for less, where it can be held
constexpr int64_t kStuckGraceNs = 2'000'000'000;
constexpr int64_t kEndGraceNs = 15'000'000'000;

std::vector<Run::Input> Run::Inputs(int workers) const {
  if (replays()) return {{0, "dead_letters", options_.letters.get(), 1}};
  const int share = std::max(1, workers / static_cast<int>(plan_.sources.size()));
  std::vector<Input> inputs;
  for (const PlanSource& source : plan_.sources) {
    const int lanes = std::clamp(source.program->Lanes(share), 1, share);
    inputs.push_back({StageId(inputs.size()), source.id, source.program.get(), lanes});
  }
  return inputs;
}

// A stage that is as it was when a stage failed, with all above it, goes on counting where its breaker stood then.
void Run::ResumeBreakers() {
  if (!state_.failure()) return;
  const Failure& failure = *state_.failure();
  const PlanFacts now = FactsOf(plan_, state_.identity());
  for (const Failure::Breaker& breaker : failure.breakers) {
    const auto same = [&](const StageFacts& facts) { return facts.id == breaker.stage; };
    const auto before = std::ranges::find_if(failure.plan.stages, same);
    const auto after = std::ranges::find_if(now.stages, same);
    if (before == failure.plan.stages.end() || after == now.stages.end() || before->closure != after->closure) continue;
    guards_.breakers[FindStage(plan_, breaker.stage)].Resume(breaker.failed, breaker.code, breaker.message);
  }
}

void Run::NoteBreakers(Failure* failure) {
  for (StageId stage = 0; stage < plan_.stages(); ++stage) {
    const RowBreaker& breaker = guards_.breakers[stage];
    if (breaker.Count() == 0) continue;
    const auto [code, message] = breaker.Most();
    failure->breakers.push_back({plan_.StageName(stage), breaker.Count(), code, message});
  }
}

// A forerunner that died says what it was at. A replay leaves that to the next run.
Status Run::OpenAttempts(size_t slots) {
  ASSIGN_OR_RETURN(attempts_,
                   replays() ? AttemptSlots::OpenInMemory(slots) : AttemptSlots::Open(options_.state_dir, slots));
  guards_.attempts = attempts_.get();
  if (!state_.crashed()) return Status::Ok();
  ASSIGN_OR_RETURN(blamed_, BlameCrash(*attempts_, state_.ledger(), shared_.warn));
  if (!blamed_) return Status::Ok();
  attempts_->Clear();
  return {Code::kStage, blamed_->message};
}

Status Run::Open() {
  const int workers =
      options_.workers > 0 ? options_.workers : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  if (!replays()) RETURN_IF_ERROR(registry_.CheckOutside(NeedsOf(plan_), &cancel_));
  const std::vector<Input> inputs = Inputs(workers);
  int lanes = 0;
  for (const Input& input : inputs) lanes += input.lanes;
  shared_.lanes = lanes;
  // What a lane holds may have to be kept.
  shared_.lane_bytes = std::min(plan_.limits.memory_bytes, plan_.limits.kept_bytes) / 2 / static_cast<size_t>(lanes);
  guards_.output_bytes = std::max(shared_.lane_bytes / 8, std::min(shared_.lane_bytes, kUsualOutputBytes));

  ResumeBreakers();
  RETURN_IF_ERROR(OpenAttempts(static_cast<size_t>(std::max(lanes, workers))));

  // Models are loaded and warmed before any group is joined.
  std::vector<std::unique_ptr<PlanWorker>> helpers;
  for (int i = lanes; i < workers; ++i) {
    RETURN_IF_ERROR(GoOn());
    ASSIGN_OR_RETURN(auto worker, OpenWorker());
    helpers.push_back(std::move(worker));
  }
  if (!helpers.empty()) {
    crew_ = std::make_unique<Crew>(std::move(helpers));
    shared_.crew = crew_.get();
  }
  int lane = 0;
  for (const Input& input : inputs) {
    for (int i = 0; i < input.lanes; ++i) {
      RETURN_IF_ERROR(GoOn());
      RETURN_IF_ERROR(OpenLane(input, lane++));
    }
  }
  if (const std::string slow = WhyTooSlow(plan_, ChooseBatch(plan_)); !slow.empty()) shared_.warn(slow);
  return Status::Ok();
}

// Between two steps of a start: each may take its time.
Status Run::GoOn() const {
  FaultPoint("start.step");
  return cancel_.draining() ? Status(Code::kCancelled, "stopped while starting") : Status::Ok();
}

Result<std::unique_ptr<PlanWorker>> Run::OpenWorker() {
  ASSIGN_OR_RETURN(auto worker, PlanWorker::Open(plan_, clock_, guards_, cancel_));
  if (!replays()) worker->SetKeptSink(&log_);
  return worker;
}

bool Run::Descends(TargetId target, StageId source) const {
  if (target == plan_.dead_letters() || replays()) return true;
  return std::any_of(plan_.nodes.begin(), plan_.nodes.end(), [&](const PlanNode& node) {
    return node.program->target() && node.target == target && node.from_source[source];
  });
}

Status Run::OpenLane(const Input& input, int lane) {
  Lane::Parts parts;
  parts.number = lane;
  parts.source_stage = input.stage;
  parts.source_id = input.id;
  parts.repeats = input.program->CanRepeat();
  parts.partitions = std::make_unique<SourceTable>();
  ASSIGN_OR_RETURN(parts.worker, OpenWorker());

  contexts_.push_back(std::make_unique<LaneContext>());
  LaneContext& context = *contexts_.back();
  context.topology = state_.identity();
  context.instance = options_.instance;
  context.lane = lane;
  context.lanes = input.lanes;
  context.delivery = plan_.delivery;
  context.once = options_.once || shared_.kept_only;
  context.wants_headers = true;  // dead letters keep every header
  context.pass_headers = true;
  context.source_id = input.id;
  context.state_dir = options_.state_dir;
  context.read_ahead_bytes = plan_.limits.memory_bytes / 4 / static_cast<size_t>(shared_.lanes);
  context.partitions = parts.partitions.get();
  context.ledger = &state_.ledger();
  context.cancel = &cancel_;
  context.clock = &clock_;
  context.warn = observer_.warn ? observer_.warn : [](const std::string&) {};

  ASSIGN_OR_RETURN(parts.source, input.program->OpenLane(context));
  RETURN_IF_ERROR(parts.source->Open().WithContext("source \"" + input.id + "\""));
  RETURN_IF_ERROR(OpenCommitters(context, input, &parts));
  lanes_.push_back(std::make_unique<LaneThread>());
  lanes_.back()->lane = std::make_unique<Lane>(shared_, std::move(parts));
  return Status::Ok();
}

Status Run::OpenCommitters(LaneContext& context, const Input& input, Lane::Parts* parts) {
  std::map<std::string, std::vector<std::pair<TargetId, const TargetProgram*>>> units;
  for (TargetId target = 0; target < plan_.targets.size(); ++target) {
    if (!Descends(target, parts->source_stage)) continue;
    const TargetProgram* program = plan_.targets[target].program.get();
    units[program->commit_unit()].emplace_back(target, program);
  }
  bool carried = false;
  struct Opened {
    std::unique_ptr<Committer> committer;
    std::string stage;  // whose rows it commits
    bool dead_letters = false;
  };
  std::vector<Opened> opened;
  // Dead letters and positions belong to no stage: when they fail, the rows wait before the last one.
  std::string last = input.id;
  for (const PlanTarget& target : plan_.targets) {
    const auto id = TargetId(static_cast<size_t>(&target - plan_.targets.data()));
    if (id != plan_.dead_letters() && Descends(id, parts->source_stage)) last = target.id;
  }
  for (const auto& [unit, targets] : units) {
    const Connector* connector = registry_.FindConnector(targets.front().second->connector());
    ASSIGN_OR_RETURN(auto committer,
                     connector->OpenCommitter(context, targets, input.program->origin(), parts->source->origin()));
    RETURN_IF_ERROR(committer->Open().WithContext(targets.front().second->Describe()));
    carried = carried || committer->CarriesPositions();
    const std::string& stage = plan_.targets[targets.front().first].id;
    const bool dead_letters = targets.front().first == plan_.dead_letters();
    opened.push_back({std::move(committer), dead_letters ? last : stage, dead_letters});
  }
  if (!carried) opened.push_back({std::make_unique<PositionsCommitter>(*parts->source), last});
  // A letter counts as replayed once the dead letters' target has its position: not before its results are durable.
  // Positions that no target carries come last in any case.
  const auto place = [this](const Opened& each) {
    const CommitOrder order = each.committer->commit_order();
    return std::make_tuple(order == CommitOrder::kSourcePositions, replays() && each.dead_letters, order,
                           each.dead_letters);
  };
  std::ranges::stable_sort(opened, {}, place);
  for (Opened& each : opened) {
    parts->committers.push_back(std::move(each.committer));
    parts->committer_stages.push_back(std::move(each.stage));
  }
  return Status::Ok();
}

void Run::Tick(int64_t elapsed_ns) {
  const RunSnapshot snapshot = counters_.Snapshot(elapsed_ns);
  if (observer_.tick) observer_.tick(snapshot);
  if (Status s = state_.Note(snapshot); !s.ok()) shared_.warn("the ledger: " + s.message());
}

// When nothing of what was kept is left, or every lane has fed what it could, the restart is over.
void Run::SettleRestart() {
  if (!restarting_ || (shared_.lanes_fed.load() < shared_.lanes && !shared_.kept->entries().empty())) return;
  restarting_ = false;
  if (Status s = state_.Restarted(); !s.ok()) shared_.warn("the ledger: " + s.message());
}

void Run::Collect(RunSummary* summary) {
  for (auto& lane : lanes_) {
    const Failure& failure = lane->lane->failure();
    if (lane->status.ok() && !summary->stuck) continue;
    if (!lane->status.ok() && summary->status.ok()) summary->status = lane->status;
    if (failure.stage.empty()) continue;
    // The first one names the failure; what the others kept belongs to it.
    if (!summary->failure) {
      if (!summary->stuck) summary->status = lane->status;
      summary->failure = failure;
      if (!summary->stuck) summary->failure->message = lane->status.message();
      continue;
    }
    summary->failure->kept_rows += failure.kept_rows;
    summary->failure->kept_bytes += failure.kept_bytes;
    if (summary->failure->not_kept.empty()) summary->failure->not_kept = failure.not_kept;
  }
  if (summary->failure) NoteBreakers(&*summary->failure);
}

// A call that does not come back, though its node's time ran out and some more.
bool Run::FindStuck(int64_t now_ns, RunSummary* summary) {
  const std::vector<AttemptSlots::Call> overdue = attempts_->Overdue(now_ns, kStuckGraceNs);
  if (overdue.empty()) return false;
  const AttemptSlots::Call& call = overdue.front();
  const auto still_out = [&](const AttemptSlots::Call& each) {
    return each.stage == call.stage && each.first == call.first && each.since_ns == call.since_ns;
  };
  const std::string late = "node \"" + call.stage + "\": a call did not return within its time limit and " +
                           std::to_string(kStuckGraceNs / 1'000'000'000) + " s more";
  cancel_.Raise(CancelToken::kDrain);
  const auto wait_for_lanes = [this](size_t stuck, int64_t until) {
    std::unique_lock lock(mutex_);
    while (running_ > stuck && clock_.NowNs() < until) finished_.wait_for(lock, std::chrono::milliseconds(20));
  };
  wait_for_lanes(0, clock_.NowNs() + kStuckGraceNs);
  const Status stuck(Code::kStage, late + "; its thread cannot be ended, so this process ends");
  size_t taken = 0;
  const bool returned = std::ranges::none_of(attempts_->Overdue(clock_.NowNs(), kStuckGraceNs), still_out);
  for (auto& lane : lanes_) {
    if (returned) break;
    taken += lane->lane->TakeOver(call.stage, stuck) ? 1 : 0;
  }
  wait_for_lanes(taken, clock_.NowNs() + kEndGraceNs);  // others find their own end
  summary->stuck = taken > 0;
  summary->status = summary->stuck ? stuck : Status(Code::kRetry, late + ", then it came back: run it again");
  if (summary->stuck) attempts_->Clear();
  return summary->stuck;
}

void Run::Execute(RunSummary* summary) {
  const int64_t begin = clock_.NowNs();
  restarting_ = state_.failure().has_value();
  running_ = lanes_.size();
  for (auto& lane : lanes_) {
    lane->thread = std::thread([this, lane = lane.get()] {
      lane->status = lane->lane->Run();
      std::lock_guard lock(mutex_);
      --running_;
      finished_.notify_all();
    });
  }
  std::unique_lock lock(mutex_);
  int64_t next_tick = begin + options_.tick_ns;
  const std::chrono::nanoseconds look_each(std::min<int64_t>(options_.tick_ns, 20'000'000));
  while (running_ > 0) {
    finished_.wait_for(lock, look_each);
    const int64_t now = clock_.NowNs();
    if (now >= next_tick || restarting_) {
      lock.unlock();
      if (now >= next_tick && FindStuck(now, summary)) return Collect(summary);
      if (now >= next_tick) Tick(now - begin);
      SettleRestart();
      lock.lock();
      if (now >= next_tick) next_tick = now + options_.tick_ns;
    }
  }
  lock.unlock();
  for (auto& lane : lanes_) lane->thread.join();
  input_ended_ = !cancel_.draining() && !shared_.kept_only;
  SettleRestart();
  Collect(summary);
  summary->totals = counters_.Snapshot(clock_.NowNs() - begin);
}

Status Refused(const std::string& why) { return {Code::kInvalid, "this restart is refused: " + why}; }

bool UsesOutputs(const std::vector<KeptStore::Entry>& entries, const RestoreRules& rules) {
  return std::ranges::all_of(entries, [&](const KeptStore::Entry& entry) {
    if (!entry.header.outputs) return true;
    return std::ranges::all_of(entry.header.done, [&](const KeptHeader::Stage& stage) {
      return std::ranges::any_of(rules.reuse, [&](const auto& reused) { return reused.second == stage.id; });
    });
  });
}

// How this start takes up what was kept; refuses a restart that its plan refuses. `*unchanged`: it restarts what is as
// it was.
Result<RestoreRules> DecideRules(const Plan& plan, const RunOptions& options, RunState& state, KeptStore& kept,
                                 bool* unchanged) {
  if (options.start == RunStart::kReplay) return RestoreRules();  // each letter has its own
  const std::vector<KeptStore::Entry> entries = kept.entries();
  RestoreRules rules;
  if (!state.failure()) {
    rules = RulesAfterCrash(entries, plan);
  } else {
    const RestartPlan restart = PlanRestart(plan, options, *state.failure(), kept, state.identity());
    if (restart.refused) return Refused(*restart.refused);
    if (!options.token.empty() && options.token != restart.token) {
      return Refused("its plan is not " + options.token + " any more but " + restart.token +
                     ": the topology or the kept results changed; look at it again with --dry-run");
    }
    if (options.start == RunStart::kGiveUp && restart.records == 0) {
      return Refused("no records of stage \"" + restart.from +
                     "\" are kept that could be given up: fix the cause, then: "
                     "anabranch restart");
    }
    if (options.choices.recompute && !kept.damaged().empty()) RETURN_IF_ERROR(kept.Discard());
    rules = restart.rules;
    *unchanged = restart.unchanged;
    if (options.start == RunStart::kGiveUp) rules.give_up = restart.from;
    RETURN_IF_ERROR(state.ledger().AddAction(
        FormatInstant((options.clock ? *options.clock : Clock::Real()).WallMs()) +
        (options.start == RunStart::kGiveUp ? " gave up on the records of " : " restart from ") + restart.from +
        ", plan " + restart.token));
  }
  // Rows that had left their stages cannot be made anew from what was kept of them: their source has them.
  if (rules.give_up.empty() && !UsesOutputs(entries, rules)) RETURN_IF_ERROR(kept.Discard());
  return rules;
}

}  // namespace

RunSummary RunPlan(const Plan& plan, const Registry& registry, const RunOptions& options, CancelToken& cancel,
                   const RunObserver& observer) {
  RunSummary summary;
  const auto fail = [&summary](const Status& status) {
    summary.status = status;
    return summary;
  };
  auto state = RunState::Open(plan, options);
  if (!state.ok()) return fail(state.status());
  if ((*state)->already_done()) {
    summary.already_done = true;
    summary.note = (*state)->note();
    return summary;
  }
  auto kept = KeptStore::Open(options.state_dir, plan.limits.kept_bytes);
  if (!kept.ok()) return fail(kept.status());
  bool unchanged = false;
  auto rules = DecideRules(plan, options, **state, **kept, &unchanged);
  if (!rules.ok()) return fail(rules.status());
  auto run = std::make_unique<Run>(plan, options, registry, **state, **kept, *rules, cancel, observer);
  if (Status opened = run->Open(); !opened.ok()) {
    summary.failure = run->blamed();
    if (summary.failure) summary.not_recorded = (*state)->End(&summary, false);
    return fail(opened);
  }
  if (Status begun = (*state)->Begin(unchanged); !begun.ok()) return fail(begun);
  if (observer.started) observer.started();
  run->Execute(&summary);
  Status noted = (*state)->Note(summary.totals);
  Status ended = (*state)->End(&summary, run->input_ended());
  if (summary.failure && !ended.ok()) {
    summary.not_recorded = ended;
    summary.restart_waits = (*state)->failure().has_value();
    summary.status = {ended.code(), summary.status.message()};
  }
  if (ended.ok()) ended = std::move(noted);
  if (summary.status.ok()) summary.status = std::move(ended);
  if (summary.stuck) {  // threads still use them, until the process ends
    (void)run.release();
    (void)kept->release();
    (void)state->release();
  }
  return summary;
}

}  // namespace anabranch
