#pragma once

#include <set>
#include <string>
#include <vector>

#include "engine/plan.h"
#include "topologies/trial/test_case.h"
#include "topologies/trial/trial.h"

namespace anabranch {

// What the cases of one plan have reached: which nodes ran, which conditions held and did not, which records failed.
class Coverage {
 public:
  explicit Coverage(const Plan& plan) : plan_(plan), seen_(plan.stages()) {}
  // `result`: of a trial with TrialOptions::explain.
  void Add(const TestCase& test, const TrialResult& result);
  // Sentences, in plan order: `node "nn" never skipped`.
  std::vector<std::string> Missing() const;

 private:
  struct Rule {
    std::string name;
    bool failed = false;
  };
  struct Seen {
    std::set<Outcome> outcomes;
    std::vector<Rule> rules;  // in the order of the node's findings
    bool mocked_only = true;
  };

  const Plan& plan_;
  std::vector<Seen> seen_;  // by StageId
};

}  // namespace anabranch
