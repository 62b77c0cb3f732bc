#pragma once

#include <string>
#include <vector>

#include "engine/testing/plan_builder.h"

namespace anabranch {

// A plan whose sinks say which fields they write; it is compared, never run.
class ComparedPlan {
 public:
  ComparedPlan() : source_(builder_.Source(std::make_shared<MemoryInput>())) {}

  StageId source() const { return source_; }
  PlanNode& node(StageId stage) { return builder_.node(stage); }
  StageId Node(const std::string& id, std::vector<StageId> inputs, const std::string& fingerprint);
  StageId Sink(const std::string& id, std::vector<StageId> inputs, std::vector<TargetField> fields);
  // Once, after which the plan does not change. Fills closures.
  const Plan& Build();

 private:
  PlanBuilder builder_;
  StageId source_;
};

}  // namespace anabranch
