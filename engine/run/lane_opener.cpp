#include "engine/run/lane_opener.h"

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "engine/connector.h"

namespace anabranch {
namespace {

// Source positions that no target's commit carries: stored after the targets are durable.
class PositionsCommitter : public Committer {
 public:
  explicit PositionsCommitter(Source& source) : source_(source) {}
  Status Open() override { return Status::Ok(); }
  Result<std::vector<TargetProgress>> Progress(std::span<const PartitionId>) override {
    return std::vector<TargetProgress>();
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

struct Opened {
  std::unique_ptr<Committer> committer;
  std::string stage;  // whose rows it commits
  std::vector<TargetId> targets;
  bool dead_letters = false;
};

}  // namespace

Result<std::unique_ptr<Lane>> LaneOpener::Open(const LaneInput& input, int number, std::unique_ptr<PlanWorker> worker) {
  Lane::Parts parts;
  parts.number = number;
  parts.source_stage = input.stage;
  parts.source_id = input.id;
  parts.repeats = input.program->CanRepeat();
  parts.partitions = std::make_unique<SourceTable>();
  parts.live = mode_.MakeLiveInput(shared_.plan, *parts.partitions, take_up_);
  parts.worker = std::move(worker);
  const LaneContext& context = MakeContext(input, number, parts.partitions.get());
  ASSIGN_OR_RETURN(parts.source, input.program->OpenLane(context));
  RETURN_IF_ERROR(parts.source->Open().WithContext("source \"" + input.id + "\""));
  RETURN_IF_ERROR(OpenCommitters(context, input, &parts));
  return std::make_unique<Lane>(shared_, std::move(parts));
}

LaneContext& LaneOpener::MakeContext(const LaneInput& input, int number, SourceTable* partitions) {
  const Plan& plan = shared_.plan;
  contexts_.push_back(std::make_unique<LaneContext>());
  LaneContext& context = *contexts_.back();
  context.topology = state_.identity();
  context.instance = options_.instance;
  context.lane = number;
  context.lanes = input.lanes;
  context.delivery = plan.delivery;
  context.once = options_.once || mode_.bounded();
  context.source_id = input.id;
  context.state_dir = options_.state_dir;
  context.make_command = options_.make_command;
  context.read_ahead_bytes = plan.limits.memory_bytes / 4 / static_cast<size_t>(shared_.lanes);
  context.partitions = partitions;
  context.store = &state_.ledger();
  context.control = options_.control;
  context.cancel = &shared_.stop;
  context.warn = shared_.warn;
  return context;
}

bool LaneOpener::Reaches(const LaneInput& input, TargetId target) const {
  const Plan& plan = shared_.plan;
  if (target == plan.dead_letters() || input.any_source) return true;
  return std::ranges::any_of(plan.nodes, [&](const PlanNode& node) {
    return node.program->target() && node.target == target && node.from_source[input.stage];
  });
}

Status LaneOpener::OpenCommitters(const LaneContext& context, const LaneInput& input, Lane::Parts* parts) {
  const Plan& plan = shared_.plan;
  std::map<std::string, std::vector<std::pair<TargetId, const TargetProgram*>>> units;
  // Dead letters and positions belong to no stage: when they fail, the rows wait before the last one.
  std::string last = input.id;
  for (auto target = TargetId{0}; target < plan.targets.size(); ++target) {
    if (!Reaches(input, target)) continue;
    const TargetProgram* program = plan.targets[target].program.get();
    units[program->commit_unit()].emplace_back(target, program);
    if (target != plan.dead_letters()) last = plan.targets[target].id;
  }
  bool carried = false;
  std::vector<Opened> opened;
  for (const auto& [unit, targets] : units) {
    const auto& [first, program] = targets.front();
    const Connector* connector = registry_.FindConnector(program->connector());
    ASSIGN_OR_RETURN(auto committer,
                     connector->OpenCommitter(context, targets, input.program->origin(), parts->source->origin()));
    RETURN_IF_ERROR(committer->Open().WithContext(program->Describe()));
    carried = carried || committer->CarriesPositions();
    const bool dead_letters = first == plan.dead_letters();
    std::vector<TargetId> written;
    for (const auto& [target, each] : targets) written.push_back(target);
    opened.push_back({std::move(committer), dead_letters ? last : plan.targets[first].id, written, dead_letters});
  }
  if (!carried) opened.push_back({std::make_unique<PositionsCommitter>(*parts->source), last, {}});
  // Positions that no target carries come last in any case.
  const auto place = [this](const Opened& each) {
    const CommitOrder order = each.committer->commit_order();
    const bool after_results = mode_.commits_letters_last() && each.dead_letters;
    return std::make_tuple(order == CommitOrder::kSourcePositions, after_results, order, each.dead_letters);
  };
  std::ranges::stable_sort(opened, {}, place);
  for (Opened& each : opened) {
    parts->committers.push_back(std::move(each.committer));
    parts->committer_stages.push_back(std::move(each.stage));
    parts->committer_targets.push_back(std::move(each.targets));
  }
  return Status::Ok();
}

}  // namespace anabranch
