#include "engine/models/bandit_learner.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "engine/strategy/draw.h"

namespace anabranch {
namespace {

bool IsSameBandit(const GenerationRecord& a, const GenerationRecord& b) {
  return a.model == b.model && a.rule == b.rule && a.salt == b.salt && a.arms.size() == b.arms.size();
}

std::string RoundedText(double number, int digits) {
  char text[64];
  const std::to_chars_result end = std::to_chars(text, text + sizeof text, number, std::chars_format::fixed, digits);
  return {text, end.ptr};
}

ControlEntry StepAfter(const BanditStatus& status, const char* action, std::string reason) {
  ControlEntry entry;
  entry.kind = ControlEntry::Kind::kStep;
  entry.action = action;
  entry.reason = std::move(reason);
  entry.after = status.generation;
  entry.generation = status.now.record;
  entry.generation.at.clear();
  return entry;
}

}  // namespace

uint32_t ScoredBy(const ControlState& state, const std::string& partition, int64_t offset) {
  const auto found = state.served().find(partition);
  if (found == state.served().end()) return 0;
  for (auto at = found->second.rbegin(); at != found->second.rend(); ++at) {
    if (at->since <= offset) return at->number;
  }
  return 0;
}

size_t BanditGeneration::ArmFor(const std::string_view* key, std::string_view record_id) const {
  const std::string_view unit = record.by_record || key == nullptr ? record_id : *key;
  return ArmOf(Draw(record.salt, unit), record.probabilities);
}

std::optional<BanditGeneration> BanditAt(const ControlState& state, const std::string& model, uint32_t number) {
  const ControlState::Generation* at = state.Newest(model, number);
  if (at == nullptr || at->record().rule != ArmRule::kBandit) return std::nullopt;
  BanditGeneration found{at->record(), at->number};
  for (const ControlState::Generation& each : state.generations()) {
    if (each.number < found.began && IsSameBandit(each.record(), found.record)) found.began = each.number;
  }
  return found;
}

std::optional<BanditStatus> BanditOf(const ControlState& state, const std::string& model) {
  const ControlState::Generation* newest = state.Newest(model);
  const bool draws = newest != nullptr && newest->record().rule == ArmRule::kBandit;
  return draws ? LastBanditOf(state, model) : std::nullopt;
}

std::optional<BanditStatus> LastBanditOf(const ControlState& state, const std::string& model) {
  const ControlState::Generation* last = nullptr;
  for (const ControlState::Generation& each : state.generations()) {
    if (each.record().model == model && each.record().rule == ArmRule::kBandit) last = &each;
  }
  if (last == nullptr) return std::nullopt;
  BanditStatus status;
  status.model = model;
  status.generation = last->number;
  status.since_ms = last->active.at_ms;
  status.now = *BanditAt(state, model, last->number);
  status.began_ms = state.At(status.now.began)->active.at_ms;
  status.totals.Restart(status.now.began, last->record().arms.size());
  const auto* partitions = state.RewardsOf(model);
  if (partitions == nullptr) return status;
  for (const auto& [partition, entry] : *partitions) {
    const auto totals = RewardTotals::Parse(entry.rewards);
    if (totals.ok()) {
      status.totals.Add(*totals);
    } else {
      status.fault = "rewards of " + partition + ": " + totals.status().message();
    }
  }
  return status;
}

std::vector<double> BestOf(const BanditStatus& status, const BanditSpec& spec) {
  return BestProbabilities(spec.policy.kind, status.totals.ByArm());
}

std::optional<ControlEntry> NextLesson(const BanditStatus& status, const BanditSpec& spec, int64_t now_ms) {
  if (!status.fault.empty() || !Fits(status.now.record, spec)) return std::nullopt;
  const std::vector<ArmTotals> arms = status.totals.ByArm();
  const auto best = spec.stop_when ? ArmThatIsBest(*spec.stop_when, spec.policy.kind, arms) : std::nullopt;
  if (best) {
    const GenerationRecord::Arm arm = status.now.record.arms[*best];
    ControlEntry entry = StepAfter(status, "promote",
                                   "version " + arm.version + " is the best one with probability " +
                                       RoundedText(BestOf(status, spec)[*best], 4) + ": " + BanditText(status));
    entry.generation = {};
    entry.generation.model = status.model;
    entry.generation.arms = {arm};
    return entry;
  }
  if (now_ms - status.since_ms < spec.update_ms) return std::nullopt;
  std::vector<double> next = Probabilities(spec.policy, arms);
  if (!HasMoved(status.now.record.probabilities, next)) return std::nullopt;
  ControlEntry entry = StepAfter(status, "learn", "rewards: " + BanditText(status));
  entry.generation.probabilities = std::move(next);
  return entry;
}

GenerationRecord FirstDraws(const BanditSpec& spec, const std::string& model,
                            const std::vector<GenerationRecord::Arm>& arms, std::string_view seed) {
  GenerationRecord record;
  record.model = model;
  record.rule = ArmRule::kBandit;
  record.arms = arms;
  record.by_record = spec.by_record;
  record.salt = std::max<uint64_t>(SaltOf("bandit", SaltOf(seed, 0)), 1);
  record.probabilities.assign(arms.size(), 1 / static_cast<double>(arms.size()));
  return record;
}

bool Fits(const GenerationRecord& record, const BanditSpec& spec) {
  const auto named = [](const GenerationRecord::Arm& arm, const std::string& version) {
    return arm.version == version;
  };
  return record.rule == ArmRule::kBandit && record.by_record == spec.by_record &&
         std::ranges::equal(record.arms, spec.arms, named);
}

std::string BanditText(const BanditStatus& status) {
  std::string text;
  const std::vector<ArmTotals> arms = status.totals.ByArm();
  for (size_t i = 0; i < arms.size(); ++i) {
    text += (i == 0 ? "" : "; ") + ("version " + status.now.record.arms[i].version) + " " +
            RoundedText(100 * status.now.record.probabilities[i], 1) + " %, " + std::to_string(arms[i].rewards) +
            " rewards" + (arms[i].rewards == 0 ? "" : ", mean " + RoundedText(arms[i].mean(), 4));
  }
  return text;
}

}  // namespace anabranch
