#include "engine/restart/failure.h"

namespace anabranch {

PlanFacts FactsOf(const Plan& plan, const std::string& identity) {
  PlanFacts facts;
  facts.topology = plan.identity().topology;
  facts.identity = identity;
  facts.exactly_once = plan.delivery == Delivery::kExactlyOnce;
  for (const PlanSource& source : plan.sources) {
    facts.stages.push_back(
        {source.id, "source", source.fingerprint, source.fingerprint, {}, source.position_owner, ""});
  }
  for (const PlanNode& node : plan.nodes) {
    StageFacts stage{node.id, node.kind, node.fingerprint, node.closure, {}, "", ""};
    for (const StageId input : node.inputs) stage.inputs.push_back(plan.StageName(input));
    if (const auto target = node.program->target()) stage.target = target->commit_unit() + " " + target->Describe();
    facts.stages.push_back(std::move(stage));
  }
  return facts;
}

}  // namespace anabranch
