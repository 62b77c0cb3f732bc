#include "engine/run/stage_guards.h"

#include <algorithm>

#include "engine/plan_graph.h"

namespace anabranch {

void StageGuards::ResumeBreakers(const Plan& plan, const std::string& identity, const Failure& failure) {
  const PlanFacts now = FactsOf(plan, identity);
  for (const Failure::Breaker& breaker : failure.breakers) {
    const auto same = [&](const StageFacts& facts) { return facts.id == breaker.stage; };
    const auto before = std::ranges::find_if(failure.plan.stages, same);
    const auto after = std::ranges::find_if(now.stages, same);
    if (before == failure.plan.stages.end() || after == now.stages.end() || before->closure != after->closure) continue;
    breakers[FindStage(plan, breaker.stage)].Resume(breaker.failed, breaker.code, breaker.message);
  }
}

void StageGuards::NoteBreakers(const Plan& plan, Failure* failure) const {
  for (auto stage = StageId{0}; stage < plan.stages(); ++stage) {
    const RowBreaker& breaker = breakers[stage];
    if (breaker.Count() == 0) continue;
    const auto [code, message] = breaker.Most();
    failure->breakers.push_back({plan.StageName(stage), breaker.Count(), code, message});
  }
}

}  // namespace anabranch
