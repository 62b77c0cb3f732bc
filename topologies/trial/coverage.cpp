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
      for (const Finding& finding : step.findings) {
        if (finding.verdict.empty()) continue;
        const auto rule = std::ranges::find(seen.rules, finding.name, &Rule::name);
        const bool held = finding.verdict == "true";
        if (rule == seen.rules.end()) {
          seen.rules.push_back({finding.name, !held});
        } else if (!held) {
          rule->failed = true;
        }
      }
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
    for (const Rule& rule : seen.rules) {
      if (!rule.failed) missing.push_back("rule " + node.id + "." + rule.name + " never false");
    }
  }
  return missing;
}

}  // namespace anabranch
