#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/models/control_state.h"
#include "engine/plan.h"

namespace anabranch {

// A version that the topology file names with `start`, and that does not score.
struct StartDifference {
  std::string start;                 // what the file says
  std::string serving;               // what scores
  std::string state;                 // "deploying", "rollout", "refused", "lags_behind", "not_deployed", "replaced"
  std::vector<std::string> reasons;  // "refused"
  std::string text;                  // "the file says 2: 3 serves since …, by deploy"
};

// Nothing: it scores, or the model never ran, or it has a bandit, which chooses by itself.
std::optional<StartDifference> StartDifferenceOf(const ControlState& state, const PlanModel& model);
// {"start", "serving", "state", "reasons", "text"}
std::string StartDifferenceJson(const StartDifference& difference);

}  // namespace anabranch
