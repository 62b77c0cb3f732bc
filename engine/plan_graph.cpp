#include "engine/plan_graph.h"

namespace anabranch {

StageId FindStage(const Plan& plan, std::string_view name) {
  for (StageId stage = 0; stage < plan.stages(); ++stage) {
    if (plan.StageName(stage) == name) return stage;
  }
  return kNoStage;
}

std::vector<bool> StageAndBelow(const Plan& plan, StageId stage) {
  std::vector<bool> below(plan.stages());
  if (stage != kNoStage) below[stage] = true;
  for (auto lower = StageId(plan.sources.size()); lower < plan.stages(); ++lower) {
    for (const StageId input : plan.node(lower).inputs) below[lower] = below[lower] || below[input];
  }
  return below;
}

std::vector<OutsideNeed> NeedsOf(const Plan& plan) {
  std::vector<OutsideNeed> needs;
  for (const PlanSource& source : plan.sources) {
    needs.push_back({"read by source \"" + source.id + "\"", source.program.get(), nullptr});
  }
  for (const PlanTarget& target : plan.targets) {
    const bool dead = &target - plan.targets.data() == plan.dead_letters();
    needs.push_back({dead ? "dead letters" : "written by node \"" + target.id + "\"", nullptr, target.program.get()});
  }
  if (plan.control != nullptr) needs.push_back({.who = "control", .control = plan.control.get()});
  return needs;
}

std::vector<bool> WithAncestors(const Plan& plan, std::vector<bool> stages) {
  for (auto stage = StageId(plan.stages()); stage-- > plan.sources.size();) {
    if (!stages[stage]) continue;
    for (const StageId input : plan.node(stage).inputs) stages[input] = true;
  }
  return stages;
}

ResultIdentity IdentityOf(const Plan& plan, StageId sink) {
  std::vector<bool> above(plan.stages());
  above[sink] = true;
  above = WithAncestors(plan, std::move(above));
  ResultIdentity identity = plan.identity();
  for (auto stage = StageId(plan.sources.size()); stage < sink; ++stage) {
    if (!above[stage]) continue;
    const auto facts = plan.node(stage).program->Facts();
    if (const auto model = facts.find("model"); model != facts.end()) identity.models.push_back({stage, model->second});
  }
  return identity;
}

}  // namespace anabranch
