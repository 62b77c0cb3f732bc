#include "engine/run/run_mode.h"

#include <algorithm>
#include <map>

#include "engine/plan_graph.h"
#include "engine/record_batch.h"
#include "engine/run/rescore.h"

namespace anabranch {
namespace {

// The rows that wait are all in the kept results: nothing is read.
class NoLiveInput : public LiveInput {
 public:
  bool Begin(std::span<const PartitionId>, std::span<const int64_t>) override { return false; }
  bool AtEnd() const override { return true; }
  bool ends_with_kept() const override { return true; }
};

// Reads the records below given positions and gives each of them up in one stage.
class GivenUpInput : public LiveInput {
 public:
  // `partitions` outlives it.
  GivenUpInput(const SourceTable& partitions, std::map<SourcePartition, int64_t> below, StageId stage)
      : partitions_(partitions), below_(std::move(below)), stage_(stage) {}

  bool Begin(std::span<const PartitionId> partitions, std::span<const int64_t> next) override {
    given_up_.clear();
    for (size_t i = 0; i < partitions.size(); ++i) given_up_[partitions[i]] = next[i];
    return !AtEnd();
  }
  bool Take(RecordBatch& batch) override {
    batch.give_up = stage_;
    for (PositionRange& range : batch.positions) {
      range.next = std::min(range.next, EndOf(range.partition));
      given_up_[range.partition] = std::max(given_up_[range.partition], range.next);
    }
    std::erase_if(batch.positions, [](const PositionRange& range) { return range.next <= range.first; });
    return !batch.positions.empty();
  }
  bool AtEnd() const override {
    return std::ranges::all_of(given_up_, [this](const auto& each) { return each.second >= EndOf(each.first); });
  }
  bool ends_with_kept() const override { return true; }
  bool rereads_kept() const override { return true; }

 private:
  int64_t EndOf(PartitionId partition) const {
    const auto end = below_.find(partitions_.at(partition));
    return end == below_.end() ? 0 : end->second;
  }

  const SourceTable& partitions_;
  const std::map<SourcePartition, int64_t> below_;
  const StageId stage_;
  std::map<PartitionId, int64_t> given_up_;  // of the assignment: everything below
};

class RestartMode : public RunMode {
 public:
  explicit RestartMode(const RunOptions& options) : options_(options) {}
  bool restarts() const override { return true; }
  Result<TakeUp> Decide(const Plan& plan, const std::optional<Failure>& failure, const std::string& identity,
                        const KeptStore& kept) const override {
    return RestartKept(plan, options_, *failure, kept, identity);
  }

 protected:
  const RunOptions& options_;
};

class GiveUpMode : public RestartMode {
 public:
  using RestartMode::RestartMode;
  Result<TakeUp> Decide(const Plan& plan, const std::optional<Failure>& failure, const std::string& identity,
                        const KeptStore& kept) const override {
    return GiveUpKept(plan, options_, *failure, kept, identity);
  }
  std::unique_ptr<LiveInput> MakeLiveInput(const Plan& plan, const SourceTable& partitions,
                                           const TakeUp& take_up) const override {
    if (take_up.reread_below.empty()) return std::make_unique<NoLiveInput>();
    const StageId stage = FindStage(plan, take_up.rules.give_up);
    return std::make_unique<GivenUpInput>(partitions, take_up.reread_below, stage);
  }
  bool bounded() const override { return true; }
};

class ReplayMode : public RunMode {
 public:
  explicit ReplayMode(const RunOptions& options) : options_(options) {}
  std::string Identity(const std::string& identity) const override { return ReplayIdentity(identity); }
  bool has_history() const override { return false; }
  bool checks_outside() const override { return false; }
  std::vector<LaneInput> Inputs(const Plan&, int) const override {
    return {
        {.stage = StageId{0}, .id = "dead_letters", .program = options_.input.get(), .lanes = 1, .any_source = true}};
  }
  // What a crashed run left in the file is for the next run to judge.
  Result<std::unique_ptr<AttemptSlots>> OpenAttempts(const std::string&, size_t slots) const override {
    return AttemptSlots::OpenInMemory(slots);
  }
  // Each letter has its own rules.
  Result<TakeUp> Decide(const Plan&, const std::optional<Failure>&, const std::string&,
                        const KeptStore&) const override {
    return TakeUp();
  }
  bool commits_letters_last() const override { return true; }

 private:
  const RunOptions& options_;
};

// Its progress is all that it keeps: what fails is read again by the next run.
class RescoreMode : public RunMode {
 public:
  explicit RescoreMode(const RunOptions& options) : input_(static_cast<const RescoreInput&>(*options.input)) {}
  std::string Identity(const std::string& /*identity*/) const override { return input_.identity(); }
  bool has_history() const override { return false; }
  std::vector<LaneInput> Inputs(const Plan&, int) const override {
    return {{.stage = input_.stage(), .id = input_.source_id(), .program = &input_, .lanes = 1}};
  }
  Result<std::unique_ptr<AttemptSlots>> OpenAttempts(const std::string&, size_t slots) const override {
    return AttemptSlots::OpenInMemory(slots);
  }
  bool bounded() const override { return true; }

 private:
  const RescoreInput& input_;
};

}  // namespace

std::unique_ptr<const RunMode> RunMode::Of(const RunOptions& options) {
  switch (options.start) {
    case RunStart::kRun: break;
    case RunStart::kRestart: return std::make_unique<RestartMode>(options);
    case RunStart::kGiveUp: return std::make_unique<GiveUpMode>(options);
    case RunStart::kReplay: return std::make_unique<ReplayMode>(options);
    case RunStart::kRescore: return std::make_unique<RescoreMode>(options);
  }
  return std::make_unique<RunMode>();
}

std::vector<LaneInput> RunMode::Inputs(const Plan& plan, int workers) const {
  const int share = std::max(1, workers / static_cast<int>(plan.sources.size()));
  std::vector<LaneInput> inputs;
  for (const PlanSource& source : plan.sources) {
    const int lanes = std::clamp(source.program->Lanes(share), 1, share);
    const auto stage = StageId(inputs.size());
    inputs.push_back({.stage = stage, .id = source.id, .program = source.program.get(), .lanes = lanes});
  }
  return inputs;
}

Result<TakeUp> RunMode::Decide(const Plan& plan, const std::optional<Failure>& /*failure*/,
                               const std::string& /*identity*/, const KeptStore& kept) const {
  return ContinueKept(plan, kept);
}

std::unique_ptr<LiveInput> RunMode::MakeLiveInput(const Plan& /*plan*/, const SourceTable& /*partitions*/,
                                                  const TakeUp& /*take_up*/) const {
  return std::make_unique<LiveInput>();
}

}  // namespace anabranch
