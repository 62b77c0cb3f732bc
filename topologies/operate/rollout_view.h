#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/models/rollout_judge.h"
#include "engine/plan.h"

namespace anabranch {

// "version 8 scores all rows", "5 % of the keys are answered by version 8, the others by version 7".
std::string ScoringText(const GenerationRecord& record);
std::string PercentText(double share);  // "5 %"
const char* NameOf(GuardState state);   // "open", "breached", "passed"

// The rollout of a model as the log says, with the counts that stand there; nothing: none is under way.
std::optional<RolloutStatus> RolloutIn(const ControlState& state, const PlanModel& model, int64_t now_ms);

// {"state", "step", "steps", "rule", "share", "serving", "candidate", "since", "generation", "rows", "paired",
// "answered", "guards": […], "text"}
std::string RolloutJson(const RolloutStatus& status, const RolloutSpec& spec);

}  // namespace anabranch
