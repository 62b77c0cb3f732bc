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
  void Add(const TestCase& test, const TrialResult& result);
  // Sentences, in plan order: `node "nn" never skipped`.
  std::vector<std::string> Missing() const;

 private:
  struct Seen {
    std::set<Outcome> outcomes;
    std::set<std::string> messages;  // of errors with the code "rule"
    bool mocked_only = true;
  };

  const Plan& plan_;
  std::vector<Seen> seen_;  // by StageId
};

}  // namespace anabranch
