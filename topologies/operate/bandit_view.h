#pragma once

#include <string>
#include <vector>

#include "engine/models/bandit_learner.h"
#include "engine/plan.h"

namespace anabranch {

// A bandit for people and programs: `status`, `model evaluate`.

// {"generation", "began", "since", "unit", "rewards", "unmatched", "arms": [{"version", "probability",
// "rewards", "mean"}], "text"}
std::string BanditJson(const BanditStatus& status);
std::string BanditSentence(const BanditStatus& status);

// What a policy would have earned.
struct PolicyView {
  std::string name;
  std::vector<double> shares;  // of the versions
  PolicyEstimate estimate;
};
// `name`: "always:VERSION", "uniform", "now" (the probabilities as they are), or a policy of the file, which knows all
// rewards. kInvalid: none of them; the text says what there is.
Result<PolicyView> EstimateOf(const BanditStatus& status, const BanditPolicy& policy, const std::string& name);
// Those that need no choice: "now", "uniform", each version always.
std::vector<std::string> PlainPolicies(const BanditStatus& status);

std::string EvaluationJson(const BanditStatus& status, const std::vector<PolicyView>& policies);
std::string EvaluationText(const BanditStatus& status, const std::vector<PolicyView>& policies);

}  // namespace anabranch
