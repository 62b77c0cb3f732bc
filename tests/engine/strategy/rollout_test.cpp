#include "engine/strategy/rollout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

namespace anabranch {
namespace {

StepRules Rules() {
  StepRules rules;
  rules.guards = {
      {.name = "errors", .limit = 0.01}, {.name = "disagrees", .limit = 0.05}, {.name = "slower", .limit = 0.01}};
  rules.max_rows = 20'000;
  return rules;
}

struct Model {
  double errors, disagrees, slower;
};

struct Outcome {
  StepState state;
  size_t guard;
  int64_t rows;
};

// One step, looked at after every batch of 100 rows. `by_key`: errors come in bursts of one busy key.
Outcome Simulate(const StepRules& rules, const Model& model, std::mt19937_64* random, bool by_key = true,
                 bool burst = false) {
  std::vector<GuardInput> inputs(rules.guards.size());
  const double rates[] = {model.errors, model.disagrees, model.slower};
  KeyWindow window;
  std::uniform_real_distribution<double> uniform;
  std::string busy;
  for (int64_t rows = 1;; ++rows) {
    // Three busy keys have a tenth of the rows each. In a burst all rows of such a key fail for one window.
    const bool is_busy = uniform(*random) < 0.3;
    const std::string key =
        is_busy ? "busy " + std::to_string((*random)() % 3) : "key " + std::to_string((*random)() % 100'000);
    if (burst && rows % 1024 == 1)
      busy = uniform(*random) < 10 * model.errors ? "busy " + std::to_string((*random)() % 3) : "";
    const bool is_unit = window.IsFirst(key) || !by_key;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const bool event = i == 0 && burst ? key == busy : uniform(*random) < rates[i];
      inputs[i].counts.Add(is_unit || i == 2, event);
    }
    if (rows % 100 != 0) continue;
    const StepVerdict verdict = JudgeStep(rules, inputs, rows, rows);
    if (verdict.state != StepState::kRunning) return {verdict.state, verdict.guard, rows};
  }
}

struct Tally {
  int breached = 0, passed = 0, inconclusive = 0;
};

Tally SimulateMany(int times, const Model& model, bool by_key = true, bool burst = false) {
  std::mt19937_64 random(2026);
  Tally tally;
  StepRules rules = Rules();
  if (burst) rules.min_rows = rules.max_rows;  // long enough for some bursts
  for (int i = 0; i < times; ++i) {
    const StepState state = Simulate(rules, model, &random, by_key, burst).state;
    tally.breached += state == StepState::kBreached;
    tally.passed += state == StepState::kPassed;
    tally.inconclusive += state == StepState::kInconclusive;
  }
  std::printf("%d rollouts: %d rolled back, %d passed, %d inconclusive\n", times, tally.breached, tally.passed,
              tally.inconclusive);
  return tally;
}

TEST(Rollouts, TwoEqualModelsAreRarelyRolledBack) {
  // The hardest case: every rate is exactly at its limit, at 200 looks.
  EXPECT_LE(SimulateMany(200, {0.01, 0.05, 0.01}).breached, 4);
  // And what equal models do: they never disagree, and fail alike.
  const Tally equal = SimulateMany(200, {0.001, 0, 0.002});
  EXPECT_EQ(equal.breached, 0);
  EXPECT_GE(equal.passed, 195);
}

TEST(Rollouts, ABadCandidateIsRolledBackSoon) {
  std::mt19937_64 random(3);
  std::vector<int64_t> rows;
  for (int i = 0; i < 101; ++i) {
    const Outcome outcome = Simulate(Rules(), {0.03, 0.01, 0.001}, &random);
    EXPECT_EQ(outcome.state, StepState::kBreached);
    EXPECT_EQ(outcome.guard, 0U);
    rows.push_back(outcome.rows);
  }
  std::nth_element(rows.begin(), rows.begin() + 50, rows.end());
  std::printf("3 %% errors, limit 1 %%, three guards: rolled back after %d rows (median)\n",
              static_cast<int>(rows[50]));
  EXPECT_LE(rows[50], 1500);
}

// Without "per key" a busy key that fails for a while is taken for many independent failures.
TEST(Rollouts, ABurstOfOneKeyIsNotManyFailures) {
  const Model model{0.004, 0, 0.001};
  const Tally by_key = SimulateMany(100, model, true, true), by_row = SimulateMany(100, model, false, true);
  EXPECT_LE(by_key.breached, 2);
  EXPECT_GT(by_row.breached, by_key.breached);
}

TEST(Rollouts, AKeyThatAlwaysFailsIsNotPromoted) {
  StepRules rules;
  rules.guards = {{.name = "errors", .limit = 0.01}};
  rules.max_rows = 50'000;
  std::vector<GuardInput> inputs(1);
  KeyWindow window;
  StepState state = StepState::kRunning;
  for (int rows = 1; state == StepState::kRunning; ++rows) {
    const bool hot = rows % 2 == 0;  // half of all rows are of one key, and fail
    inputs[0].counts.Add(window.IsFirst(hot ? "hot" : "key " + std::to_string(rows)), hot);
    if (rows % 100 == 0) state = JudgeStep(rules, inputs, rows, 0).state;
  }
  EXPECT_EQ(state, StepState::kInconclusive);
}

TEST(Rollouts, FewKeysAreEnoughToBreach) {
  StepRules rules;
  rules.guards = {{.name = "errors", .limit = 0.01}};
  std::vector<GuardInput> inputs(1);
  KeyWindow window;
  for (int rows = 0; rows < 100; ++rows) inputs[0].counts.Add(window.IsFirst("key " + std::to_string(rows % 3)), true);
  EXPECT_EQ(inputs[0].counts.units, 3);
  EXPECT_EQ(JudgeStep(rules, inputs, 100, 0).state, StepState::kBreached);
}

TEST(Rollouts, AStepLastsAsLongAsItMust) {
  StepRules rules;
  rules.guards = {{.name = "errors", .limit = 0.01}};
  rules.min_rows = 2000;
  rules.min_ms = 60'000;
  rules.max_rows = 3000;
  const GuardInput good[] = {{.counts = {1500, 0, 1500, 0}}};
  EXPECT_EQ(JudgeStep(rules, good, 1500, 99'000).state, StepState::kRunning);
  EXPECT_EQ(JudgeStep(rules, good, 2000, 59'999).state, StepState::kRunning);
  EXPECT_EQ(JudgeStep(rules, good, 2000, 60'000).state, StepState::kPassed);
  EXPECT_EQ(JudgeStep(rules, good, 3000, 0).state, StepState::kRunning);  // good, but too soon
  const GuardInput open[] = {{.counts = {300, 3, 300, 3}}};
  EXPECT_EQ(JudgeStep(rules, open, 2000, 60'000).state, StepState::kRunning);
  EXPECT_EQ(JudgeStep(rules, open, 3000, 0).state, StepState::kInconclusive);
  const GuardInput bad[] = {{.counts = {300, 30, 300, 30}}};
  EXPECT_EQ(JudgeStep(rules, bad, 300, 0).state, StepState::kBreached);
}

TEST(Rollouts, AlphaIsSharedByGuardsAndInstances) {
  StepRules rules;
  rules.guards = {{.name = "errors", .limit = 0.01}};
  const GuardInput input[] = {{.counts = {500, 16, 500, 16}}};
  const StepVerdict one = JudgeStep(rules, input, 500, 0);
  EXPECT_EQ(one.state, StepState::kBreached) << one.guards[0].log_above;
  rules.instances = 1000;
  EXPECT_EQ(JudgeStep(rules, input, 500, 0).state, StepState::kRunning);
}

TEST(Rollouts, AThresholdNeedsItsRows) {
  StepRules rules;
  rules.guards = {{.name = "psi", .kind = GuardRule::Kind::kThreshold, .limit = 0.2}};
  const auto state = [&](double psi, int64_t rows) {
    const GuardInput input[] = {{.figure = psi, .figure_rows = rows}};
    return JudgeStep(rules, input, rows, 0).state;
  };
  EXPECT_EQ(state(0.9, 4999), StepState::kRunning);
  EXPECT_EQ(state(0.2, 5000), StepState::kPassed);
  EXPECT_EQ(state(0.21, 5000), StepState::kBreached);
}

TEST(Rollouts, AGuardSaysItsFigures) {
  GuardFigures figures{.rows = 8120, .units = 8120, .measured = 0.004, .log_above = std::log(0.02)};
  const GuardRule rule{.name = "errors", .limit = 0.01};
  EXPECT_EQ(GuardText(rule, figures), "errors 0.004 of 0.01, e = 0.02, 8,120 rows");
  figures.units = 1000;
  EXPECT_EQ(GuardText(rule, figures), "errors 0.004 of 0.01, e = 0.02, 8,120 rows (1,000 counted)");
}

TEST(Rollouts, RulesThatCannotBeAreRefused) {
  StepRules rules = Rules();
  EXPECT_TRUE(CheckRules(rules).ok());
  rules.guards[1].limit = 0;
  EXPECT_NE(CheckRules(rules).message().find("\"disagrees\""), std::string::npos);
  rules = Rules();
  rules.alpha = 1;
  EXPECT_FALSE(CheckRules(rules).ok());
  rules = Rules();
  rules.min_rows = rules.max_rows + 1;
  EXPECT_FALSE(CheckRules(rules).ok());
}

TEST(Rollouts, AShareThatIsNotTheOneAskedForIsSeen) {
  EXPECT_LT(LogShareMismatch(0.05, 100'000, 5'050), std::log(100));
  EXPECT_GT(LogShareMismatch(0.05, 100'000, 5'600), std::log(100));
  EXPECT_GT(LogShareMismatch(0.05, 100'000, 4'400), std::log(100));
}

}  // namespace
}  // namespace anabranch
