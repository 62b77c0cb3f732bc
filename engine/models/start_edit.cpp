#include "engine/models/start_edit.h"

#include <algorithm>

namespace anabranch {
namespace {

// It scores, or its rollout is under way. A bandit has no version that a file could mean.
bool IsAtWork(const GenerationRecord& record, const std::string& version) {
  return record.rule != ArmRule::kBandit &&
         std::ranges::count(record.arms, version, &GenerationRecord::Arm::version) > 0;
}

}  // namespace

StartLook LookAtStart(const ControlState& state, const std::string& model, const std::string& start,
                      const std::string& instance) {
  using Kind = StartLook::Kind;
  const std::vector<ControlState::FileStart>& known = state.StartsOf(model);
  const ControlState::Generation* newest = state.Newest(model);
  if (newest == nullptr) return {};
  // A command deployed before any run.
  if (known.empty()) return {Kind::kNoted, {newest->number, "", "", 0}};
  const bool has_seen = state.HasSeenStart(model, instance);
  if (known.back().version == start) {
    const ControlState::Deployment* begun = DeploymentOfEdit(state, model, start);
    const bool is_open = begun != nullptr && begun->state == ControlState::Deployment::State::kOpen;
    if (is_open) return {Kind::kBegun, known.back()};
    return {has_seen ? Kind::kNothing : Kind::kSeen, known.back()};
  }
  const bool is_known = std::ranges::count(known, start, &ControlState::FileStart::version) > 0;
  if (is_known && !has_seen) return {Kind::kBehind, known.back()};
  return {IsAtWork(newest->record(), start) ? Kind::kNoted : Kind::kEdited, known.back()};
}

const ControlState::Deployment* DeploymentOfEdit(const ControlState& state, const std::string& model,
                                                 const std::string& start) {
  const std::vector<ControlState::FileStart>& known = state.StartsOf(model);
  if (known.empty() || known.back().version != start) return nullptr;
  const auto at = std::ranges::find_if(state.deployments(), [&](const ControlState::Deployment& each) {
    return each.prepare.number == known.back().number;
  });
  return at == state.deployments().end() ? nullptr : &*at;
}

}  // namespace anabranch
