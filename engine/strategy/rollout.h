#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/status.h"
#include "engine/strategy/rate_guard.h"

namespace anabranch {

// When one step of a rollout goes on, stops, or goes back.

struct GuardRule {
  enum class Kind : uint8_t {
    kRate,       // share of the units with an event, tested by RateGuard
    kThreshold,  // a figure such as PSI, compared once there are `least_rows` rows; not a test
  };
  std::string name;  // "errors"
  Kind kind = Kind::kRate;
  double limit = 0;
  int64_t least_rows = 5000;  // kThreshold
};

struct StepRules {
  std::vector<GuardRule> guards;
  double alpha = 0.01;  // of the whole rollout
  int instances = 1;    // that look at their own counts only; 1: one looks at the sum of all
  int64_t min_rows = 0, min_ms = 0;
  int64_t max_rows = INT64_MAX;
};
// kInvalid: a limit, alpha or number that cannot be.
Status CheckRules(const StepRules& rules);

enum class GuardState : uint8_t { kOpen, kBreached, kPassed };

struct GuardFigures {
  GuardState state = GuardState::kOpen;
  int64_t rows = 0, units = 0;
  double measured = 0;   // the rate by units, or the figure
  double log_above = 0;  // kRate: of the stakes; a breach needs log(guards · instances / α), a pass log(1 / α)
  double log_below = 0;
};

// What a guard was given: counts of a rate, or a figure and the rows that it comes from.
struct GuardInput {
  GuardCounts counts = {};
  double figure = 0;
  int64_t figure_rows = 0;
};

enum class StepState : uint8_t {
  kRunning,
  kBreached,      // a guard says no
  kPassed,        // every guard says yes, and the step has lasted
  kInconclusive,  // max_rows came first: some guard is still open
};

struct StepVerdict {
  StepState state = StepState::kRunning;
  std::vector<GuardFigures> guards;  // as StepRules::guards
  size_t guard = 0;                  // kBreached: the first that did
};

// A guard breaches by its units. It passes if its units and all its rows both say that the rate is below the limit: a
// busy key whose every row fails is one unit per window, and must not be promoted for that.
//
// `inputs`: as rules.guards. `rows` and `elapsed_ms`: of the step.
StepVerdict JudgeStep(const StepRules& rules, std::span<const GuardInput> inputs, int64_t rows, int64_t elapsed_ms);

// "errors 0.004 of 0.01, e = 0.02, 8,120 rows".
std::string GuardText(const GuardRule& rule, const GuardFigures& figures);

// Whether the share of keys on an arm is what the rollout asks for: a stake against it, from both sides, valid at every
// look. From 1/α on it is a fault of the assignment, not of the model. `share`: above 0, below 1. Each key counts once.
double LogShareMismatch(double share, int64_t keys, int64_t on_arm);

}  // namespace anabranch
