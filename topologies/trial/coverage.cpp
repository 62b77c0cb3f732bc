#include "topologies/trial/coverage.h"

#include <algorithm>

namespace anabranch {

void Coverage::Add(const TestCase& test, const TrialResult& result) {
  for (const TrialStory& story : result.stories) {
    for (StageId stage = 0; stage < story.steps.size(); ++stage) {
      if (test.idle.contains(stage)) continue;
      const TrialStep& step = story.steps[stage];
      Seen& seen = seen_[stage];
      seen.outcomes.insert(step.outcome);
      if (step.outcome == Outcome::kOk && !test.mocked.contains(stage)) seen.mocked_only = false;
      if (step.code == "rule") seen.messages.insert(step.message);
    }
  }
}

std::vector<std::string> Coverage::Missing() const {
  std::vector<std::string> missing;
  for (const PlanNode& node : plan_.nodes) {
    const auto stage = StageId(plan_.sources.size() + static_cast<size_t>(&node - plan_.nodes.data()));
    const Seen& seen = seen_[stage];
    const auto never = [&](const std::string& what) { missing.push_back("node \"" + node.id + "\" never " + what); };
    if (!seen.outcomes.contains(Outcome::kOk)) {
      never("ran");
      continue;
    }
    if (seen.mocked_only) never("ran without a mock");
    if (node.when != nullptr && !seen.outcomes.contains(Outcome::kSkipped)) never("skipped");
    if (node.program->filters() && !seen.outcomes.contains(Outcome::kFiltered)) never("filtered");
    for (const std::string& rule : node.program->rules()) {
      const auto names = [&](const std::string& message) { return message.find("\"" + rule + "\"") != std::string::npos; };
      if (std::ranges::none_of(seen.messages, names)) missing.push_back("rule " + node.id + "." + rule + " never false");
    }
  }
  return missing;
}

}  // namespace anabranch
