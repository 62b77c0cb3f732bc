#include "engine/run/runner.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "engine/registry.h"
#include "engine/run/counters.h"
#include "engine/run/crew.h"
#include "engine/run/lane.h"
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
  bool CarriesPositions() const override { return true; }
  int rank() const override { return 4; }  // after every target has the rows
  void Close() override {}

 private:
  Source& source_;
};

// One run from opened models to closed sources. Built, used and destroyed by RunPlan.
class Run {
 public:
  Run(const Plan& plan, const RunOptions& options, const Registry& registry, RunState& state, CancelToken& cancel,
      const RunObserver& observer)
      : plan_(plan),
        options_(options),
        registry_(registry),
        state_(state),
        cancel_(cancel),
        observer_(observer),
        clock_(options.clock ? *options.clock : Clock::Real()),
        counters_(plan),
        guards_(plan),
        shared_{plan, clock_, counters_, nullptr, cancel} {
    shared_.ledger = &state.ledger();
    if (observer.warn) shared_.warn = observer.warn;
  }

  Status Open();
  void Execute(RunSummary* summary);
  bool input_ended() const { return input_ended_; }

 private:
  struct LaneThread {
    std::unique_ptr<Lane> lane;
    std::thread thread;
    Status status;
  };

  Status OpenLane(StageId source, int lane, int lanes);
  Status OpenCommitters(LaneContext& context, const PlanSource& source, Lane::Parts* parts);
  bool Descends(TargetId target, StageId source) const;

  const Plan& plan_;
  const RunOptions& options_;
  const Registry& registry_;
  RunState& state_;
  CancelToken& cancel_;
  const RunObserver& observer_;
  const Clock& clock_;
  Counters counters_;
  StageGuards guards_;
  RunShared shared_;
  std::vector<std::unique_ptr<LaneContext>> contexts_;
  std::unique_ptr<Crew> crew_;
  std::vector<std::unique_ptr<LaneThread>> lanes_;
  std::mutex mutex_;
  std::condition_variable finished_;
  size_t running_ = 0;  // guarded by mutex_
  bool input_ended_ = false;
};

int LanesOf(const PlanSource& source, int workers, size_t sources) {
  const int share = std::max(1, workers / static_cast<int>(sources));
  return std::clamp(source.program->Lanes(share), 1, share);
}

Status Run::Open() {
  const int workers =
      options_.workers > 0 ? options_.workers : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  std::vector<int> lanes_of;
  int lanes = 0;
  for (const PlanSource& source : plan_.sources) {
    lanes_of.push_back(LanesOf(source, workers, plan_.sources.size()));
    lanes += lanes_of.back();
  }
  shared_.lanes = lanes;
  shared_.lane_bytes = plan_.limits.memory_bytes / 2 / static_cast<size_t>(lanes);

  // Models are loaded and warmed before any group is joined.
  std::vector<std::unique_ptr<PlanWorker>> helpers;
  for (int i = lanes; i < workers; ++i) {
    ASSIGN_OR_RETURN(auto worker, PlanWorker::Open(plan_, clock_, guards_, cancel_));
    helpers.push_back(std::move(worker));
  }
  if (!helpers.empty()) {
    crew_ = std::make_unique<Crew>(std::move(helpers));
    shared_.crew = crew_.get();
  }
  int lane = 0;
  for (StageId source = 0; source < plan_.sources.size(); ++source) {
    for (int i = 0; i < lanes_of[source]; ++i) RETURN_IF_ERROR(OpenLane(source, lane++, lanes_of[source]));
  }
  return Status::Ok();
}

bool Run::Descends(TargetId target, StageId source) const {
  if (target == plan_.dead_letters()) return true;
  return std::any_of(plan_.nodes.begin(), plan_.nodes.end(), [&](const PlanNode& node) {
    return node.program->target() && node.target == target && node.from_source[source];
  });
}

Status Run::OpenLane(StageId source_stage, int lane, int lanes) {
  const PlanSource& source = plan_.sources[source_stage];
  Lane::Parts parts;
  parts.source_stage = source_stage;
  parts.source_id = source.id;
  parts.stores_positions = source.program->KeepsPosition();
  parts.partitions = std::make_unique<SourceTable>();
  ASSIGN_OR_RETURN(parts.worker, PlanWorker::Open(plan_, clock_, guards_, cancel_));

  contexts_.push_back(std::make_unique<LaneContext>());
  LaneContext& context = *contexts_.back();
  context.topology = state_.identity();
  context.instance = options_.instance;
  context.lane = lane;
  context.lanes = lanes;
  context.delivery = plan_.delivery;
  context.once = options_.once;
  context.wants_headers = true;  // dead letters keep every header
  context.pass_headers = true;
  context.source_id = source.id;
  context.state_dir = options_.state_dir;
  context.partitions = parts.partitions.get();
  context.ledger = &state_.ledger();
  context.cancel = &cancel_;
  context.clock = &clock_;
  context.warn = observer_.warn ? observer_.warn : [](const std::string&) {};

  ASSIGN_OR_RETURN(parts.source, source.program->OpenLane(context));
  RETURN_IF_ERROR(parts.source->Open().WithContext("source \"" + source.id + "\""));
  RETURN_IF_ERROR(OpenCommitters(context, source, &parts));
  lanes_.push_back(std::make_unique<LaneThread>());
  lanes_.back()->lane = std::make_unique<Lane>(shared_, std::move(parts));
  return Status::Ok();
}

Status Run::OpenCommitters(LaneContext& context, const PlanSource& source, Lane::Parts* parts) {
  std::map<std::string, std::vector<std::pair<TargetId, const TargetProgram*>>> units;
  for (TargetId target = 0; target < plan_.targets.size(); ++target) {
    if (!Descends(target, parts->source_stage)) continue;
    const TargetProgram* program = plan_.targets[target].program.get();
    units[program->commit_unit()].emplace_back(target, program);
  }
  bool carried = false;
  for (const auto& [unit, targets] : units) {
    const Connector* connector = registry_.FindConnector(targets.front().second->connector());
    ASSIGN_OR_RETURN(auto committer, connector->OpenCommitter(context, targets, *source.program, *parts->source));
    RETURN_IF_ERROR(committer->Open().WithContext(targets.front().second->Describe()));
    carried = carried || committer->CarriesPositions();
    parts->committers.push_back(std::move(committer));
  }
  if (!carried) parts->committers.push_back(std::make_unique<PositionsCommitter>(*parts->source));
  std::stable_sort(parts->committers.begin(), parts->committers.end(),
                   [](const auto& a, const auto& b) { return a->rank() < b->rank(); });
  return Status::Ok();
}

void Run::Execute(RunSummary* summary) {
  const int64_t begin = clock_.NowNs();
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
  while (running_ > 0) {
    finished_.wait_for(lock, std::chrono::milliseconds(20));
    const int64_t now = clock_.NowNs();
    if (observer_.tick && now >= next_tick) {
      next_tick = now + options_.tick_ns;
      lock.unlock();
      observer_.tick(counters_.Snapshot(now - begin));
      lock.lock();
    }
  }
  lock.unlock();
  for (auto& lane : lanes_) lane->thread.join();
  input_ended_ = !cancel_.draining();
  for (auto& lane : lanes_) {
    // The first real failure wins; other lanes only drained because of it.
    if (lane->status.ok() || !summary->status.ok()) continue;
    summary->status = lane->status;
    summary->failed_stage = lane->lane->failed_stage();
  }
  summary->totals = counters_.Snapshot(clock_.NowNs() - begin);
}

}  // namespace

RunSummary RunPlan(const Plan& plan, const Registry& registry, const RunOptions& options, CancelToken& cancel,
                   const RunObserver& observer) {
  RunSummary summary;
  auto state = RunState::Open(plan, options);
  if (!state.ok()) {
    summary.status = state.status();
    return summary;
  }
  if ((*state)->already_done()) {
    summary.already_done = true;
    summary.note =
        "finished at " + (*state)->finished_at() + "; the input has not changed since (--fresh does it again)";
    return summary;
  }
  Run run(plan, options, registry, **state, cancel, observer);
  summary.status = run.Open();
  if (summary.status.ok()) summary.status = (*state)->Begin();
  if (summary.status.ok()) run.Execute(&summary);
  Status ended = (*state)->End(summary, run.input_ended());
  if (summary.status.ok()) summary.status = std::move(ended);
  return summary;
}

}  // namespace anabranch
