#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/plan.h"
#include "engine/testing/memory_source.h"
#include "engine/testing/memory_target.h"

namespace anabranch {

// Builds plans by hand, node by node, each node a function of its rows:
//
//   PlanBuilder plan;
//   const StageId in = plan.Source(input);
//   const StageId a = plan.Node("a", {in}, [](const NodeRun& run) { …; return Status::Ok(); });
//   plan.Persist("out", {a}, output);
//   RunPlan(plan.Build(), registry, …);
class PlanBuilder {
 public:
  using Work = std::function<Status(const NodeRun&)>;

  PlanBuilder();
  StageId Source(std::shared_ptr<MemoryInput> input);
  StageId Node(const std::string& id, std::vector<StageId> inputs, Work work);
  StageId Persist(const std::string& id, std::vector<StageId> inputs, std::shared_ptr<MemoryOutput> output,
                  const std::string& unit = "memory");
  PlanNode& node(StageId stage) { return plan_.nodes[stage - plan_.sources.size()]; }
  Plan& plan() { return plan_; }
  std::shared_ptr<MemoryOutput> dead_letters() { return dead_letters_; }
  // Adds the dead letters and freezes.
  const Plan& Build();

 private:
  StageId Add(PlanNode node);
  Plan plan_;
  std::shared_ptr<MemoryOutput> dead_letters_ = std::make_shared<MemoryOutput>();
};

}  // namespace anabranch
