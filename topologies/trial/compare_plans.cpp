#include "topologies/trial/compare_plans.h"

#include <algorithm>

#include "engine/plan_graph.h"
#include "engine/restart/plan_changes.h"

namespace anabranch {
namespace {

std::string TypeText(const TargetField& field) { return field.type.ToString() + (field.nullable ? "?" : ""); }

// Without a target: none.
std::span<const TargetField> WrittenBy(const Plan& plan, StageId stage) {
  if (stage == kNoStage || stage < plan.sources.size()) return {};
  return plan.node(stage).program->written();
}

void CompareWritten(const std::string& target, std::span<const TargetField> before, std::span<const TargetField> after,
                    std::vector<WrittenFieldChange>* changes) {
  for (const TargetField& field : after) {
    const auto old = std::ranges::find(before, field.name, &TargetField::name);
    const std::string was = old == before.end() ? std::string() : TypeText(*old);
    if (was != TypeText(field)) changes->push_back({target, field.name, was, TypeText(field)});
  }
  for (const TargetField& field : before) {
    const bool gone = std::ranges::find(after, field.name, &TargetField::name) == after.end();
    if (gone) changes->push_back({target, field.name, TypeText(field), ""});
  }
}

NodeChange ChangeOf(const PlanChanges& changes, StageId stage, const StageFacts& now) {
  const StageFacts* before = changes.Before(stage);
  if (before == nullptr) return NodeChange::kNew;
  if (changes.Edited(stage)) return NodeChange::kEdited;
  return before->closure == now.closure ? NodeChange::kSame : NodeChange::kAbove;
}

}  // namespace

PlansReport ComparePlans(const Plan& before, const Plan& after) {
  const PlanFacts facts = FactsOf(before, before.name), now = FactsOf(after, after.name);
  const PlanChanges changes(facts, after, after.name);
  PlansReport report;
  report.changes = changes.Lines();
  report.moved = changes.Moved();
  for (StageId stage = 0; stage < after.stages(); ++stage) {
    const StageFacts* old = changes.Before(stage);
    const StageFacts& stage_now = now.stages[stage];
    NodeReport node{stage_now.id, stage_now.kind, "", ChangeOf(changes, stage, stage_now), "", stage_now.fingerprint};
    if (old != nullptr) {
      node.fingerprint_before = old->fingerprint;
      if (old->id != node.id) node.was = old->id;
    }
    if (stage >= after.sources.size()) {
      const bool usable = node.change == NodeChange::kSame;
      (usable ? report.reused : report.run_again).push_back(node.id);
    }
    CompareWritten(node.id, WrittenBy(before, old == nullptr ? kNoStage : FindStage(before, old->id)),
                   WrittenBy(after, stage), &report.fields);
    report.nodes.push_back(std::move(node));
  }
  for (const StageFacts* gone : changes.gone()) {
    report.nodes.push_back({gone->id, gone->kind, "", NodeChange::kGone, gone->fingerprint, ""});
    CompareWritten(gone->id, WrittenBy(before, FindStage(before, gone->id)), {}, &report.fields);
  }
  report.same = report.changes.empty() && report.moved.empty() && report.run_again.empty();
  return report;
}

std::vector<StageId> StagesBefore(const Plan& before, const Plan& after) {
  const PlanFacts facts = FactsOf(before, before.name);
  const PlanChanges changes(facts, after, after.name);
  std::vector<StageId> stages;
  for (StageId stage = 0; stage < after.stages(); ++stage) {
    const StageFacts* old = changes.Before(stage);
    stages.push_back(old == nullptr ? kNoStage : FindStage(before, old->id));
  }
  return stages;
}

}  // namespace anabranch
