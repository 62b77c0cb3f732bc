#include "engine/strategy/rollout.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/strategy/figure_text.h"

namespace anabranch {
namespace {

double Rate(int64_t events, int64_t units) {
  return units == 0 ? 0 : static_cast<double>(events) / static_cast<double>(units);
}

// α is for the whole rollout: every guard of every instance that decides by itself may fail once.
double BreachAt(const StepRules& rules) {
  return std::log(static_cast<double>(rules.guards.size()) * rules.instances / rules.alpha);
}

GuardFigures JudgeRate(const GuardRule& rule, const GuardCounts& counts, double breach_at, double pass_at) {
  const RateGuard guard(rule.limit);
  GuardFigures figures;
  figures.rows = counts.rows;
  figures.units = counts.units;
  figures.measured = Rate(counts.unit_events, counts.units);
  figures.log_above = guard.LogAbove(counts.units, counts.unit_events);
  figures.log_below =
      std::min(guard.LogBelow(counts.units, counts.unit_events), guard.LogBelow(counts.rows, counts.events));
  if (figures.log_above >= breach_at) {
    figures.state = GuardState::kBreached;
  } else if (figures.log_below >= pass_at) {
    figures.state = GuardState::kPassed;
  }
  return figures;
}

GuardFigures JudgeThreshold(const GuardRule& rule, const GuardInput& input) {
  GuardFigures figures;
  figures.rows = figures.units = input.figure_rows;
  figures.measured = input.figure;
  if (input.figure_rows >= rule.least_rows) {
    figures.state = input.figure <= rule.limit ? GuardState::kPassed : GuardState::kBreached;
  }
  return figures;
}

}  // namespace

Status CheckRules(const StepRules& rules) {
  if (!(rules.alpha > 0 && rules.alpha < 1)) {
    return {Code::kInvalid, "alpha is " + Short(rules.alpha) + "; give a number above 0 and below 1, such as 0.01"};
  }
  for (const GuardRule& guard : rules.guards) {
    const bool fits =
        guard.kind == GuardRule::Kind::kRate ? guard.limit > 0 && guard.limit < 1 : std::isfinite(guard.limit);
    if (!fits) {
      return {Code::kInvalid, "guard \"" + guard.name + "\": the limit " + Short(guard.limit) +
                                  " is not a rate; give a number above 0 and below 1, such as 0.01"};
    }
  }
  if (rules.instances < 1 || rules.min_rows < 0 || rules.min_ms < 0 || rules.max_rows < rules.min_rows) {
    return {Code::kInvalid, "min_rows is " + std::to_string(rules.min_rows) + ", max_rows " +
                                std::to_string(rules.max_rows) + ", instances " + std::to_string(rules.instances) +
                                "; give numbers that are not negative, with max_rows not below min_rows"};
  }
  return Status::Ok();
}

StepVerdict JudgeStep(const StepRules& rules, std::span<const GuardInput> inputs, int64_t rows, int64_t elapsed_ms) {
  StepVerdict verdict;
  const double breach_at = BreachAt(rules), pass_at = std::log(1 / rules.alpha);
  bool all_passed = true;
  for (size_t i = 0; i < rules.guards.size(); ++i) {
    const GuardRule& rule = rules.guards[i];
    verdict.guards.push_back(rule.kind == GuardRule::Kind::kRate ? JudgeRate(rule, inputs[i].counts, breach_at, pass_at)
                                                                 : JudgeThreshold(rule, inputs[i]));
    const GuardState state = verdict.guards.back().state;
    all_passed = all_passed && state == GuardState::kPassed;
    if (state == GuardState::kBreached && verdict.state != StepState::kBreached) {
      verdict.state = StepState::kBreached;
      verdict.guard = i;
    }
  }
  if (verdict.state == StepState::kBreached) return verdict;
  if (all_passed && rows >= rules.min_rows && elapsed_ms >= rules.min_ms) {
    verdict.state = StepState::kPassed;
  } else if (!all_passed && rows >= rules.max_rows) {
    verdict.state = StepState::kInconclusive;
  }
  return verdict;
}

std::string GuardText(const GuardRule& rule, const GuardFigures& figures) {
  std::string text = rule.name + " " + Short(figures.measured) + " of " + Short(rule.limit);
  if (rule.kind == GuardRule::Kind::kRate) text += ", e = " + Short(std::exp(figures.log_above));
  text += ", " + Grouped(figures.rows) + " rows";
  if (figures.units != figures.rows) text += " (" + Grouped(figures.units) + " counted)";
  return text;
}

double LogShareMismatch(double share, int64_t keys, int64_t on_arm) {
  const RateGuard guard(share, 2);
  const double above = guard.LogAbove(keys, on_arm), below = guard.LogBelow(keys, on_arm);
  const double largest = std::max(above, below);
  return largest + std::log((std::exp(above - largest) + std::exp(below - largest)) / 2);
}

}  // namespace anabranch
