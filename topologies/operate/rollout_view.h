#pragma once

#include <string>

#include "engine/models/rollout_judge.h"

namespace anabranch {

// "version 8 scores all rows", "5 % of the keys are answered by version 8, the others by version 7".
std::string ScoringText(const GenerationRecord& record);
const char* NameOf(ArmRule rule);      // "one", "shadow", "canary", "bandit"
const char* NameOf(GuardState state);  // "open", "breached", "passed"

// {"state", "step", "steps", "rule", "share", "serving", "candidate", "since", "generation", "rows", "paired",
// "answered", "guards": […], "text"}
std::string RolloutJson(const RolloutStatus& status, const RolloutSpec& spec);

}  // namespace anabranch
