#include <algorithm>

#include "engine/clock.h"
#include "engine/fault_point.h"
#include "engine/models/model_agent.h"
#include "engine/strategy/arm_rules.h"

namespace anabranch {
namespace {

constexpr size_t kMostCountsBytes = 900 * 1024;  // brokers take 1 MB
constexpr int64_t kMoveRetryNs = 5'000'000'000;
constexpr int kGiveUpTries = 5;

bool Draws(const std::optional<ControlState::Generation>& generation) {
  return generation && generation->record().draws();
}

}  // namespace

// The model of a node, and its part in the node; null: the node has none that is managed.
std::pair<const ModelAgent::Model*, const ManagedModel*> ModelAgent::AtNode(std::string_view node) const {
  for (const Model& model : parts_.models) {
    const auto at = std::ranges::find(model.node_names, node);
    if (at != model.node_names.end()) return {&model, model.nodes[static_cast<size_t>(at - model.node_names.begin())]};
  }
  return {nullptr, nullptr};
}

// ------------------------------------------------------------------------------------------ counts

// Of each model the newest generation and the one before it, in the log and among those that are active.
void ModelAgent::KeepCounts() {
  std::map<uint32_t, std::string> generations;
  {
    const MutexLock lock(mutex_);
    for (const Model& model : parts_.models) {
      const std::string counted_as = CountedAs(SpecOrHeld(model.rollout));
      for (const uint32_t at_most : {UINT32_MAX, active_.load()}) {
        const ControlState::Generation* newest = state_.Newest(model.name, at_most);
        if (newest == nullptr) continue;
        generations[newest->number] = counted_as;
        const ControlState::Generation* before = state_.Newest(model.name, newest->number - 1);
        if (before != nullptr) generations[before->number] = counted_as;
      }
    }
  }
  counts_.Keep(generations);
}

// After the log was read for the first time.
void ModelAgent::GoOnCounting() {
  KeepCounts();
  const std::string fault = counts_.GoOn();
  if (!fault.empty()) Warn(fault);
  for (const Model& model : parts_.models) {
    const auto newest = Newest(model.name, UINT32_MAX);
    if (model.rollout != nullptr || !newest || !IsUnderWay(newest->record())) continue;
    Warn("a rollout of model \"" + model.name +
         "\" is under way, and the topology file has no \"rollout\" for it: no step is made by itself. End it: "
         "anabranch model promote --to-end, or anabranch model rollback");
  }
}

std::shared_ptr<const ArmRules> ModelAgent::Rules(std::string_view node, GenerationId generation) const {
  const auto [model, managed] = AtNode(node);
  if (model == nullptr || parts_.reads_only) return nullptr;  // what is replayed was counted before
  const auto found = Newest(model->name, generation);
  if (!Draws(found) || found->number != generation) return nullptr;
  if (found->record().rule == ArmRule::kBandit) return nullptr;  // no row has two answers, and a generation is short
  auto rules = std::make_shared<ArmRules>();
  rules->arms = found->record().arms.size();
  managed->AddCompared(found->serving().digest, &rules->compare);
  if (model->rollout != nullptr) {
    rules->compare.segment = model->rollout->segment;
    rules->guards = model->rollout->guards;
  }
  return rules;
}

void ModelAgent::Counted(std::string_view node, GenerationId generation, const ArmCounts& counts) {
  counts_.Counted(node, generation, counts);
}

void ModelAgent::SendCounts() {
  counts_sent_ns_ = Clock::Real().NowNs();
  for (RolloutCounts::Change& change : counts_.Changed()) {
    Stamp(&change.entry);
    const size_t bytes = PrintControlEntry(change.entry).size();
    if (bytes > kMostCountsBytes) {
      WarnOnce("the counts of generation " + std::to_string(change.entry.generation_number) + " take " +
               std::to_string(bytes) + " bytes, more than " + parts_.log->Describe() +
               " takes: only this instance judges by them. Compare fewer outputs of the model");
    } else if (!Append(change.entry)) {
      return;
    } else {
      FaultPoint("models.counts_sent");
    }
    counts_.Sent(change);
  }
}

// ------------------------------------------------------------------------------------------- judge

std::optional<RolloutStatus> ModelAgent::RolloutOfModel(const Model& model) const {
  std::optional<RolloutPlace> place;
  {
    const MutexLock lock(mutex_);
    place = RolloutPlaceOf(state_, model.name);
  }
  if (!place) return std::nullopt;
  const RolloutCounts::Sum sum = counts_.SumOf(place->newest.number);
  RolloutStatus status =
      RolloutAt(*place, SpecOrHeld(model.rollout), sum.counts, sum.instances, Clock::Real().WallMs());
  if (!sum.fault.empty()) status.text += "; " + sum.fault;
  return status;
}

std::vector<RolloutStatus> ModelAgent::Rollouts() const {
  std::vector<RolloutStatus> all;
  for (const Model& model : parts_.models) {
    if (auto status = RolloutOfModel(model)) all.push_back(std::move(*status));
  }
  return all;
}

CountsByNode ModelAgent::CountsOf(const std::string& model) const {
  const auto newest = Newest(model, UINT32_MAX);
  return Draws(newest) ? counts_.SumOf(newest->number).counts : CountsByNode();
}

// A step that is young changes fast; one of days would fill the log with what says little.
int64_t ModelAgent::CountsIntervalMs() const {
  int64_t since_ms = 0;  // of the youngest generation: what was counted before it is written soon, too
  {
    const MutexLock lock(mutex_);
    for (const Model& model : parts_.models) {
      const ControlState::Generation* newest = state_.Newest(model.name);
      if (newest != nullptr) since_ms = std::max(since_ms, newest->active.at_ms);
    }
  }
  return CountsInterval(Clock::Real().WallMs() - since_ms, parts_.counts_ms);
}

// Sends what was counted, and makes the step that a rollout asks for now.
void ModelAgent::RollOut() {
  KeepCounts();
  if (const std::string fault = counts_.TakeFault(); !fault.empty()) Warn(fault);
  if (Clock::Real().NowNs() - counts_sent_ns_ >= CountsIntervalMs() * kNsPerMs) SendCounts();
  if (!stops_.load()) Judge();
}

void ModelAgent::Judge() {
  for (const Model& model : parts_.models) {
    if (model.rollout == nullptr) continue;
    const auto status = RolloutOfModel(model);
    if (!status) continue;
    if (auto move = NextMove(*status, *model.rollout)) Move(*status, std::move(*move));
  }
}

void ModelAgent::Move(const RolloutStatus& status, ControlEntry entry) {
  const int64_t now = Clock::Real().NowNs();
  auto& [after, at_ns] = moved_[status.model];
  if (after == status.generation && now - at_ns < kMoveRetryNs) return;  // not read yet
  // First what it was decided by, for the history.
  SendCounts();
  Stamp(&entry);
  if (!Append(entry)) return;
  FaultPoint("models.step_sent", status.model);
  moved_[status.model] = {status.generation, now};
  if (entry.action != "promote") Warn("model \"" + status.model + "\", " + entry.action + ": " + entry.reason);
}

// -------------------------------------------------------------------------------------------- crash

bool ModelAgent::HasCandidate(std::string_view node) const {
  const Model* model = AtNode(node).first;
  return model != nullptr && !parts_.reads_only && Draws(Newest(model->name, UINT32_MAX));
}

// Before the first batch. A candidate that the process dies of while it is loaded is given up like one that it dies of
// while it scores.
Status ModelAgent::GiveUpAtLoad(Status advanced) {
  if (advanced.ok() || parts_.reads_only) return advanced;
  for (const Model& model : parts_.models) {
    const auto newest = Newest(model.name, UINT32_MAX);
    {
      const MutexLock lock(load_mutex_);
      if (!Draws(newest) || !deadly_.contains(newest->record().newest().digest)) continue;
    }
    ASSIGN_OR_RETURN(const bool rolled_back, GiveUpCandidate(model.node_names.front(), advanced.message()));
    if (!rolled_back) continue;
    Warn(advanced.message() + ". The new version is rolled back, and the run goes on");
    return Status::Ok();
  }
  return advanced;
}

Result<bool> ModelAgent::GiveUpCandidate(std::string_view node, const std::string& why) {
  if (!HasCandidate(node)) return false;
  const std::string& model = AtNode(node).first->name;
  for (int i = 0; i < kGiveUpTries; ++i) {
    RETURN_IF_ERROR(ReadOn(0));
    const auto newest = Newest(model, UINT32_MAX);
    if (!Draws(newest)) {  // rolled back, by this instance or another one
      const Status made = Advance(false);
      return active_.load() >= newest->number ? Result<bool>(true) : Result<bool>(made);
    }
    ControlEntry entry = RollBackEntry(*newest);
    entry.is_crash = true;
    Stamp(&entry);
    entry.reason = why;
    ASSIGN_OR_RETURN(const uint32_t number, parts_.log->Append(entry));
    RETURN_IF_ERROR(AwaitEntry(number, CancelToken()));
  }
  return Status(Code::kUnavailable, "the candidate of model \"" + model + "\" cannot be rolled back: others change " +
                                        parts_.log->Describe() + " all the time");
}

}  // namespace anabranch
