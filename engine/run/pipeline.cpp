#include "engine/run/pipeline.h"

#include <algorithm>
#include <thread>
#include <utility>
#include <vector>

#include "engine/fault_point.h"
#include "engine/keep/kept_store.h"
#include "engine/mutex.h"
#include "engine/plan_graph.h"
#include "engine/run/call_name.h"
#include "engine/run/counters.h"
#include "engine/run/crash_blame.h"
#include "engine/run/crew.h"
#include "engine/run/lane_group.h"
#include "engine/run/lane_opener.h"
#include "engine/run/results_log.h"
#include "engine/run/run_measures.h"
#include "engine/run/run_mode.h"
#include "engine/run/run_shared.h"
#include "engine/run/run_state.h"
#include "engine/run/stage_guards.h"
#include "engine/text/instant.h"

namespace anabranch {
namespace {

constexpr size_t kUsualOutputBytes = size_t{4} << 20;  // of a batch: not divided for less, where it can be held
constexpr int64_t kStuckGraceNs = 2'000'000'000;
constexpr int64_t kEndGraceNs = 15'000'000'000;
constexpr int64_t kLookNs = 20'000'000;

}  // namespace

// Everything that the threads of a run use. Leaked when one of them is stuck.
class Pipeline::Core {
 public:
  Core(const Plan& plan, const Registry& registry, RunOptions options, RunObserver observer, CancelToken& cancel)
      : plan_(plan),
        registry_(registry),
        options_(std::move(options)),
        observer_(std::move(observer)),
        cancel_(cancel),
        clock_(options_.clock != nullptr ? *options_.clock : Clock::Real()),
        mode_(RunMode::Of(options_)),
        counters_(plan),
        guards_(plan),
        measures_(plan, clock_),
        shared_{.plan = plan,
                .clock = clock_,
                .counters = counters_,
                .stop = cancel,
                .refused = guards_.refused,
                .measures = measures_} {
    if (observer_.warn) shared_.warn = observer_.warn;
    shared_.before = observer_.before;
    shared_.committed = observer_.committed;
    shared_.show = observer_.batch;
    shared_.show_stopped = observer_.stopped;
    shared_.accept_loss = options_.accept_loss;
    shared_.generations = options_.generations;
  }

  Status Start();
  RunSnapshot Snapshot() const;
  MeasureSnapshot Measures() const;
  State state() const;
  std::vector<AwayPart> Away() const { return lanes_.Away(); }
  std::optional<Failure> failure() const;
  bool Wait(std::chrono::nanoseconds at_most) const;
  // Waits for the end, and for the supervisor.
  RunSummary End();

 private:
  Status OpenState();
  Status TakeUpKept();
  Status OpenParts();
  Status OpenAttempts(size_t slots);
  Result<std::unique_ptr<PlanWorker>> OpenWorker();
  Status Proceed() const;
  int64_t Elapsed() const { return clock_.NowNs() - begin_ns_.load(); }

  void Supervise();
  bool RunLanes();
  bool FindStuck();
  void WaitForLanes(size_t left, int64_t at_most_ns);
  void Tick();
  void SettleRestart();
  void Record(bool input_ended);
  void SetState(State state);

  const Plan& plan_;
  const Registry& registry_;
  const RunOptions options_;
  const RunObserver observer_;
  CancelToken& cancel_;
  const Clock& clock_;
  const std::unique_ptr<const RunMode> mode_;
  std::unique_ptr<RunState> ledger_;  // Start(), then the supervisor
  std::unique_ptr<KeptStore> kept_;
  TakeUp take_up_;
  Counters counters_;
  std::unique_ptr<AttemptSlots> attempts_;
  StageGuards guards_;
  RunMeasures measures_;
  RunShared shared_;
  std::unique_ptr<ResultsLog> log_;  // null: the mode keeps nothing
  std::unique_ptr<LaneOpener> opener_;
  std::unique_ptr<Crew> crew_;
  LaneGroup lanes_;
  std::atomic<int64_t> begin_ns_{0};  // 0: no lane has started
  bool restarting_ = false;           // supervisor
  bool ends_as_crash_ = false;        // supervisor: the next process is to count what this one is stuck in
  RunSummary summary_;                // Start(), then the supervisor; anybody once the state is kEnded or kStuck

  mutable Mutex mutex_;
  mutable Condition changed_;
  State state_ GUARDED_BY(mutex_) = State::kNew;
  std::thread supervisor_;
};

Status Pipeline::Core::Start() {
  Status opened = OpenState();
  if (opened.ok() && !summary_.already_done) opened = TakeUpKept();
  if (opened.ok() && !summary_.already_done) opened = OpenParts();
  if (opened.ok() && !summary_.already_done) opened = ledger_->Begin(take_up_.unchanged);
  if (!opened.ok() || summary_.already_done) {
    summary_.status = opened;
    SetState(State::kEnded);
    return opened;
  }
  restarting_ = ledger_->failure().has_value();
  begin_ns_ = clock_.NowNs();
  SetState(State::kRunning);
  supervisor_ = std::thread([this] { Supervise(); });
  return Status::Ok();
}

Status Pipeline::Core::OpenState() {
  ASSIGN_OR_RETURN(ledger_, RunState::Open(plan_, options_, *mode_));
  summary_.already_done = ledger_->already_done();
  summary_.note = ledger_->note();
  shared_.ledger = &ledger_->ledger();
  return Status::Ok();
}

Status Pipeline::Core::TakeUpKept() {
  ASSIGN_OR_RETURN(kept_, KeptStore::Open(options_.state_dir, plan_.limits.kept_bytes));
  ASSIGN_OR_RETURN(take_up_, mode_->Decide(plan_, ledger_->failure(), ledger_->identity(), *kept_));
  if (!take_up_.action.empty()) {
    RETURN_IF_ERROR(ledger_->ledger().AddAction(FormatInstant(clock_.WallMs()) + " " + take_up_.action));
  }
  if (take_up_.discard_kept) RETURN_IF_ERROR(kept_->Discard());
  shared_.rules = take_up_.rules;
  if (!take_up_.rules.give_up.empty()) guards_.given_up = ledger_->failure();
  if (!mode_->has_history()) return Status::Ok();
  shared_.kept = kept_.get();
  log_ = std::make_unique<ResultsLog>(plan_, *kept_, cancel_, shared_.warn);
  return Status::Ok();
}

Status Pipeline::Core::OpenParts() {
  const int workers =
      options_.workers > 0 ? options_.workers : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  if (mode_->checks_outside()) {
    RETURN_IF_ERROR(registry_.CheckOutside(NeedsOf(plan_), options_.make_command, &cancel_));
  }
  const std::vector<LaneInput> inputs = mode_->Inputs(plan_, workers);
  int lanes = 0;
  for (const LaneInput& input : inputs) lanes += input.lanes;
  shared_.lanes = lanes;
  // What a lane holds may have to be kept.
  shared_.lane_bytes = std::min(plan_.limits.memory_bytes, plan_.limits.kept_bytes) / 2 / static_cast<size_t>(lanes);
  guards_.output_bytes = std::max(shared_.lane_bytes / 8, std::min(shared_.lane_bytes, kUsualOutputBytes));
  if (ledger_->failure()) guards_.ResumeBreakers(plan_, ledger_->identity(), *ledger_->failure());
  RETURN_IF_ERROR(OpenAttempts(static_cast<size_t>(std::max(lanes, workers))));

  // Models are loaded and warmed before any group is joined.
  std::vector<std::unique_ptr<PlanWorker>> helpers;
  for (int i = lanes; i < workers; ++i) {
    RETURN_IF_ERROR(Proceed());
    ASSIGN_OR_RETURN(auto worker, OpenWorker());
    helpers.push_back(std::move(worker));
  }
  if (!helpers.empty()) crew_ = std::make_unique<Crew>(std::move(helpers));
  shared_.crew = crew_.get();
  opener_ = std::make_unique<LaneOpener>(registry_, options_, *mode_, take_up_, *ledger_, shared_);
  for (const LaneInput& input : inputs) {
    for (int i = 0; i < input.lanes; ++i) {
      RETURN_IF_ERROR(Proceed());
      ASSIGN_OR_RETURN(auto worker, OpenWorker());
      ASSIGN_OR_RETURN(auto lane, opener_->Open(input, static_cast<int>(lanes_.size()), std::move(worker)));
      lanes_.Add(std::move(lane));
    }
  }
  if (const std::string slow = WhyTooSlow(plan_, ChooseBatch(plan_)); !slow.empty()) shared_.warn(slow);
  return Status::Ok();
}

// A process that died says in its slots what it was working on.
Status Pipeline::Core::OpenAttempts(size_t slots) {
  ASSIGN_OR_RETURN(attempts_, mode_->OpenAttempts(options_.state_dir, slots));
  guards_.attempts = attempts_.get();
  if (!ledger_->crashed()) return Status::Ok();
  ASSIGN_OR_RETURN(summary_.failure, BlameCrash(*attempts_, ledger_->ledger(), options_.generations, shared_.warn));
  if (!summary_.failure) return Status::Ok();
  attempts_->Clear();
  summary_.not_recorded = ledger_->End(&summary_, false);
  return {Code::kStage, summary_.failure->message};
}

// Between two steps of a start: each may take its time.
Status Pipeline::Core::Proceed() const {
  FaultPoint("start.step");
  return cancel_.draining() ? Status(Code::kCancelled, "stopped while starting") : Status::Ok();
}

Result<std::unique_ptr<PlanWorker>> Pipeline::Core::OpenWorker() {
  ASSIGN_OR_RETURN(auto worker, PlanWorker::Open(plan_, clock_, guards_, cancel_));
  worker->SetKeptSink(log_.get());
  worker->SetMeter(&measures_.AddWorker());
  return worker;
}

void Pipeline::Core::Supervise() {
  lanes_.Start();
  summary_.stuck = !RunLanes();
  const bool input_ended = !summary_.stuck && !cancel_.draining() && !mode_->bounded();
  if (!summary_.stuck) {
    lanes_.Join();
    SettleRestart();
  }
  lanes_.Collect(&summary_);
  if (ends_as_crash_) summary_.failure.reset();
  if (summary_.failure) guards_.NoteBreakers(plan_, &*summary_.failure);
  if (!summary_.stuck) summary_.totals = Snapshot();
  Record(input_ended);
  SetState(summary_.stuck ? State::kStuck : State::kEnded);
}

// False: a call is stuck, and what could be saved is.
bool Pipeline::Core::RunLanes() {
  int64_t next_tick = begin_ns_ + options_.tick_ns;
  const std::chrono::nanoseconds look(std::min(options_.tick_ns, kLookNs));
  while (!lanes_.Wait(look)) {
    const int64_t now = clock_.NowNs();
    if (now >= next_tick) {
      if (FindStuck()) return false;
      Tick();
      next_tick = now + options_.tick_ns;
    }
    SettleRestart();
  }
  return true;
}

void Pipeline::Core::Tick() {
  const RunSnapshot snapshot = Snapshot();
  if (observer_.tick) observer_.tick(snapshot);
  if (Status s = ledger_->Note(snapshot); !s.ok()) shared_.warn("the ledger: " + s.message());
}

// When nothing of the kept rows is left, or every lane has fed what it could, the restart is over.
void Pipeline::Core::SettleRestart() {
  if (!restarting_ || (shared_.lanes_fed.load() < shared_.lanes && !shared_.kept->entries().empty())) return;
  restarting_ = false;
  if (Status s = ledger_->Restarted(); !s.ok()) shared_.warn("the ledger: " + s.message());
}

// Looks for a call that does not return, though its node's time ran out and some more.
bool Pipeline::Core::FindStuck() {
  const std::vector<AttemptSlots::Call> overdue = attempts_->Overdue(clock_.NowNs(), kStuckGraceNs);
  if (overdue.empty()) return false;
  const AttemptSlots::Call& call = overdue.front();
  const std::string stage = StageOfCall(call.stage);
  const auto still_out = [&](const AttemptSlots::Call& each) {
    return each.stage == call.stage && each.first == call.first && each.since_ns == call.since_ns;
  };
  const std::string late = "node \"" + stage + "\": a call did not return within its time limit and " +
                           std::to_string(kStuckGraceNs / 1'000'000'000) + " s more";
  cancel_.Raise(CancelToken::kDrain);
  WaitForLanes(0, kStuckGraceNs);
  const Status stuck(Code::kStage, late + "; its thread cannot be ended");
  const bool returned = std::ranges::none_of(attempts_->Overdue(clock_.NowNs(), kStuckGraceNs), still_out);
  const size_t taken = returned ? 0 : lanes_.TakeOver(stage, stuck);
  WaitForLanes(taken, kEndGraceNs);  // others find their own end
  if (taken == 0) {
    summary_.status = {Code::kRetry, late + ", then it came back: run it again"};
    return false;
  }
  const Generations* const generations = mode_->has_history() ? options_.generations : nullptr;
  if (generations != nullptr && generations->HasCandidate(stage)) {
    ends_as_crash_ = true;
    summary_.status = {Code::kRetry, stuck.message() + ". Its model has a new version under way: run it again; after " +
                                         std::to_string(kMostCrashes) + " times in a row that is rolled back"};
    return true;
  }
  summary_.status = stuck;
  attempts_->Clear();
  return true;
}

void Pipeline::Core::WaitForLanes(size_t left, int64_t at_most_ns) {
  const int64_t until = clock_.NowNs() + at_most_ns;
  while (!lanes_.Wait(std::chrono::nanoseconds(kLookNs), left) && clock_.NowNs() < until) {
  }
}

void Pipeline::Core::Record(bool input_ended) {
  Status noted = ledger_->Note(summary_.totals);
  if (ends_as_crash_) return;
  Status ended = ledger_->End(&summary_, input_ended);
  if (summary_.failure && !ended.ok()) {
    summary_.not_recorded = ended;
    summary_.restart_waits = ledger_->failure().has_value();
    summary_.status = {ended.code(), summary_.status.message()};
  }
  if (ended.ok()) ended = std::move(noted);
  if (summary_.status.ok()) summary_.status = std::move(ended);
}

void Pipeline::Core::SetState(State state) {
  const MutexLock lock(mutex_);
  state_ = state;
  changed_.NotifyAll();
}

Pipeline::State Pipeline::Core::state() const {
  const MutexLock lock(mutex_);
  return state_;
}

RunSnapshot Pipeline::Core::Snapshot() const { return counters_.Snapshot(begin_ns_ == 0 ? 0 : Elapsed()); }

MeasureSnapshot Pipeline::Core::Measures() const {
  if (state() == State::kNew || begin_ns_ == 0) return {};
  MeasureSnapshot snapshot = measures_.Snapshot(Elapsed());
  for (size_t i = 0; i < plan_.nodes.size(); ++i) {
    const uint32_t failed = guards_.breakers[plan_.sources.size() + i].Count();
    snapshot.nodes[i].breaker_fill = static_cast<double>(failed) / std::max(1U, plan_.nodes[i].breaker.failures);
  }
  snapshot.held_limit = static_cast<int64_t>(shared_.lane_bytes) * shared_.lanes;
  snapshot.kept_limit = static_cast<int64_t>(plan_.limits.kept_bytes);
  snapshot.kept_bytes = static_cast<int64_t>(kept_->bytes());
  if (snapshot.kept_bytes == 0) return snapshot;
  for (const KeptStore::Entry& entry : kept_->entries()) snapshot.kept_rows += entry.header.rows;
  return snapshot;
}

std::optional<Failure> Pipeline::Core::failure() const {
  const MutexLock lock(mutex_);
  const bool ended = state_ == State::kEnded || state_ == State::kStuck;
  return ended ? summary_.failure : std::nullopt;
}

bool Pipeline::Core::Wait(std::chrono::nanoseconds at_most) const {
  const MutexLock lock(mutex_);
  return changed_.WaitFor(mutex_, at_most,
                          [this]() REQUIRES(mutex_) { return state_ == State::kEnded || state_ == State::kStuck; });
}

RunSummary Pipeline::Core::End() {
  if (supervisor_.joinable()) supervisor_.join();
  return std::move(summary_);
}

Pipeline::Pipeline(const Plan& plan, const Registry& registry, RunOptions options, RunObserver observer,
                   CancelToken* cancel)
    : own_cancel_(cancel == nullptr ? std::make_unique<CancelToken>() : nullptr),
      cancel_(cancel == nullptr ? *own_cancel_ : *cancel),
      core_(std::make_unique<Core>(plan, registry, std::move(options), std::move(observer), cancel_)) {}

Pipeline::~Pipeline() {
  if (core_ == nullptr) return;
  Stop();
  (void)Finish();
}

Status Pipeline::Start() { return core_->Start(); }
Pipeline::State Pipeline::state() const { return core_->state(); }
RunSnapshot Pipeline::Snapshot() const { return core_->Snapshot(); }
MeasureSnapshot Pipeline::Measures() const { return core_->Measures(); }
std::vector<AwayPart> Pipeline::Away() const { return core_->Away(); }
std::optional<Failure> Pipeline::failure() const { return core_->failure(); }
bool Pipeline::Wait(std::chrono::nanoseconds at_most) const { return core_->Wait(at_most); }

RunSummary Pipeline::Finish() {
  RunSummary summary = core_->End();
  if (summary.stuck) {  // a thread still uses them
    (void)core_.release();
    (void)own_cancel_.release();
  }
  core_.reset();
  return summary;
}

}  // namespace anabranch
