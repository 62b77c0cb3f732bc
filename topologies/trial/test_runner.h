#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "topologies/trial/coverage.h"
#include "topologies/trial/judge.h"
#include "topologies/trial/test_case.h"
#include "topologies/trial/trial.h"

namespace anabranch {

// What became of one case.
struct TestOutcome {
  std::vector<Difference> differences;  // none: it passes
  std::vector<std::string> ways;        // of the records that the differences are about: "payments[0]: check ok, …"
  std::vector<Recorded> everything;     // of a case that expects nothing: what came out
  int64_t elapsed_ns = 0;
};

// Runs the cases of one file, one after the other. Models are loaded once for all cases of a plan.
class TestRunner {
 public:
  struct Settings {
    // A case runs in one batch only. Else a case of at most 100 records, all of whose nodes give the same for the same
    // row, runs in one batch and row by row, and must give the same bytes.
    bool once = false;
    bool coverage = false;  // coverage() is filled: each node explains each row, which takes time
    // Raised to kNow, a case ends at once and its outcome means nothing. Null: nothing stops it.
    const CancelToken* cancel = nullptr;
  };
  // `plan`: of the file's topology; a case under other variables has a plan of its own. The plans outlive the runner.
  TestRunner(const Plan& plan, const Settings& settings) : settings_(settings), coverage_(plan) {}
  TestOutcome Run(const TestCase& test);
  const Coverage& coverage() const { return coverage_; }

 private:
  const Settings settings_;
  Coverage coverage_;
  std::map<const Plan*, std::unique_ptr<Trials>> trials_;
};

}  // namespace anabranch
