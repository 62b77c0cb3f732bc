#pragma once

#include <string_view>
#include <vector>

#include "engine/outside_need.h"
#include "engine/plan.h"

namespace anabranch {

// The stage of that name; kNoStage when there is none.
StageId FindStage(const Plan& plan, std::string_view name);
// By StageId: `stage` and every stage below it; none for kNoStage.
std::vector<bool> StageAndBelow(const Plan& plan, StageId stage);
// By StageId: `stages` and every stage above one of them: what must have run so that they can.
std::vector<bool> WithAncestors(const Plan& plan, std::vector<bool> stages);
// The plan's identity with the models above a sink.
ResultIdentity IdentityOf(const Plan& plan, StageId sink);

// What the parts of the plan need outside, sources first.
std::vector<OutsideNeed> NeedsOf(const Plan& plan);

}  // namespace anabranch
