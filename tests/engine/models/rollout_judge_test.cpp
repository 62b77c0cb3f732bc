#include "engine/models/rollout_judge.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <limits>
#include <random>
#include <thread>

#include "engine/models/newest_entries.h"
#include "engine/models/rollout_counts.h"

namespace anabranch {
namespace {

using Kind = ControlEntry::Kind;
using State = RolloutStatus::State;
using Then = RolloutSpec::Then;
using What = RolloutSpec::Guard::What;

constexpr int64_t kBegin = 1'764'417'660'000;  // 2025-11-29 12:01 UTC
constexpr int64_t kLater = kBegin + 600'000;

RolloutSpec Spec() {
  RolloutSpec spec;
  spec.steps = {{ArmRule::kShadow, 1, 2000, 0}, {ArmRule::kCanary, 0.05, 3000, 60'000}, {ArmRule::kOne, 1, 0, 0}};
  spec.guards = {{.what = What::kErrors, .limit = 0.01, .per_key = true}, {.what = What::kDisagrees, .limit = 0.05}};
  spec.max_rows = 20'000;
  return spec;
}

const GenerationRecord::Arm kSeven{"7", "digest-of-7"}, kEight{"8", "digest-of-8"};

// A model that began with version 7, in step `step` of the rollout of version 8.
ControlState StateAt(const RolloutSpec& spec, int step) {
  ControlState state;
  ControlEntry start;
  start.number = 1;
  start.kind = Kind::kActive;
  start.action = "start";
  start.generation.model = "gbt";
  start.generation.arms = {kSeven};
  state.Apply(start);
  ControlEntry at;
  at.number = 2;
  at.kind = Kind::kStep;
  at.after = 1;
  at.at_ms = kBegin;
  at.generation = FirstStep(spec, "gbt", kSeven, kEight, "d1");
  at.generation.step = step;
  at.generation.rule = spec.steps[static_cast<size_t>(step) - 1].rule;
  at.generation.share = spec.steps[static_cast<size_t>(step) - 1].share;
  state.Apply(at);
  return state;
}

CompareSpec Compared() { return {.outputs = {{.name = "p", .edges = {0.25, 0.5, 0.75}}}, .segment = ""}; }

// `rows` that both arms answered, all from the same distribution, and so many events by guard.
ArmCounts Counts(int64_t rows, const std::vector<int64_t>& events) {
  ArmCounts counts(Compared(), events.size(), 2);
  for (size_t i = 0; i < events.size(); ++i) counts.guards[i] = {rows, events[i], rows, events[i]};
  for (int64_t row = 0; row < rows; ++row) {
    const ComparedValue value{.kind = ComparedValue::Kind::kNumber, .number = static_cast<double>(row % 100) / 100};
    counts.compare.Add({.id = "id", .segment = "", .a = {&value, 1}, .b = {&value, 1}});
  }
  counts.drawn = counts.answered = {rows, 0};
  return counts;
}

CountsByNode OneNode(int64_t rows, const std::vector<int64_t>& events) { return {{"score", Counts(rows, events)}}; }

struct Case {
  const char* name;
  int step;
  int64_t rows;
  std::vector<int64_t> events;
  int64_t now_ms;
  void (*edit)(RolloutSpec*);
  State state;
  const char* move;  // "action → rule step"; empty: none
};

std::string MoveOf(const std::optional<ControlEntry>& move) {
  if (!move) return "";
  if (move->kind == Kind::kHold) return "hold";
  const GenerationRecord& record = move->generation;
  const char* rules[] = {"one", "shadow", "canary", "bandit"};
  return move->action + " " + rules[static_cast<size_t>(record.rule)] + " " + std::to_string(record.step) + " " +
         record.newest().version;
}

void AsItIs(RolloutSpec*) {}
void HoldsBreaches(RolloutSpec* spec) { spec->on_breach = Then::kHold; }
void HoldsPasses(RolloutSpec* spec) { spec->on_pass = Then::kHold; }
void NeedsApproval(RolloutSpec* spec) { spec->needs_approval = true; }
void RollsInconclusiveBack(RolloutSpec* spec) { spec->on_inconclusive = Then::kRollBack; }
void HasOneStepLess(RolloutSpec* spec) { spec->steps.erase(spec->steps.begin()); }

const Case kCases[] = {
    {"it began", 1, 0, {0, 0}, kBegin, AsItIs, State::kRunning, ""},
    {"too few rows", 1, 1500, {0, 0}, kLater, AsItIs, State::kRunning, ""},
    {"a shadow passes", 1, 2000, {0, 0}, kLater, AsItIs, State::kRunning, "promote canary 2 8"},
    {"too soon", 2, 3000, {0, 0}, kBegin + 59'999, AsItIs, State::kRunning, ""},
    {"too soon is not inconclusive", 2, 20'000, {0, 0}, kBegin + 59'999, AsItIs, State::kRunning, ""},
    {"a canary passes", 2, 3000, {0, 0}, kBegin + 60'000, AsItIs, State::kRunning, "promote one 3 8"},
    {"a breach", 1, 500, {25, 0}, kLater, AsItIs, State::kRunning, "rollback one 0 7"},
    {"a breach of the second guard", 2, 2000, {0, 300}, kLater, AsItIs, State::kRunning, "rollback one 0 7"},
    {"a breach that is held", 1, 500, {25, 0}, kLater, HoldsBreaches, State::kBreached, "hold"},
    {"it passes and is held", 1, 2000, {0, 0}, kLater, HoldsPasses, State::kHeld, ""},
    {"held after a pass, a breach counts", 1, 500, {25, 0}, kLater, HoldsPasses, State::kRunning, "rollback one 0 7"},
    {"an approval is needed for the last step", 2, 3000, {0, 0}, kLater, NeedsApproval, State::kAwaitsPerson, ""},
    {"an approval is not needed before", 1, 2000, {0, 0}, kLater, NeedsApproval, State::kRunning, "promote canary 2 8"},
    {"inconclusive", 1, 20'000, {200, 0}, kLater, AsItIs, State::kInconclusive, "hold"},
    {"inconclusive, and rolled back",
     1,
     20'000,
     {200, 0},
     kLater,
     RollsInconclusiveBack,
     State::kRunning,
     "rollback one 0 7"},
    {"the file was cut while it ran", 2, 3000, {0, 0}, kLater, HasOneStepLess, State::kRunning, "promote one 3 8"},
    {"counts of other guards are none", 1, 20'000, {0, 0, 0}, kLater, AsItIs, State::kInconclusive, "hold"},
};

TEST(RolloutJudge, SaysWhereARolloutStandsAndWhatComesNext) {
  for (const Case& each : kCases) {
    RolloutSpec spec = Spec();
    const ControlState state = StateAt(spec, each.step);
    each.edit(&spec);
    const auto status = RolloutOf(state, "gbt", spec, OneNode(each.rows, each.events), 1, each.now_ms);
    ASSERT_TRUE(status) << each.name;
    EXPECT_STREQ(NameOf(status->state), NameOf(each.state)) << each.name << ": " << status->text;
    const auto move = NextMove(*status, spec);
    EXPECT_EQ(MoveOf(move), each.move) << each.name << ": " << status->text;
    EXPECT_EQ(move ? move->after : 2U, 2U) << each.name;
  }
}

TEST(RolloutJudge, WhatIsHeldStaysSo) {
  for (const auto& [rows, events, state_name] :
       std::vector<std::tuple<int64_t, int64_t, std::string>>{{2000, 0, "held"}, {500, 25, "breached"}}) {
    const RolloutSpec spec = Spec();
    ControlState state = StateAt(spec, 1);
    ControlEntry hold = HoldEntry(*state.Newest("gbt"));
    hold.number = 3;
    hold.by = "ann";
    state.Apply(hold);
    const auto status = RolloutOf(state, "gbt", spec, OneNode(rows, {events, 0}), 1, kLater);
    ASSERT_TRUE(status);
    EXPECT_EQ(NameOf(status->state), state_name);
    EXPECT_EQ(status->held_by, "ann");
    EXPECT_FALSE(NextMove(*status, spec));
    // A person goes on, and the next step moves by itself again.
    ControlEntry promote = PromoteEntry(*status, spec, false);
    promote.number = 4;
    state.Apply(promote);
    EXPECT_FALSE(state.IsHeld(4));
    EXPECT_EQ(state.Newest("gbt")->number, 4U);
  }
}

TEST(RolloutJudge, AStepIsMadeOnceHoweverManyAskForIt) {
  const RolloutSpec spec = Spec();
  ControlState state = StateAt(spec, 1);
  const auto status = RolloutOf(state, "gbt", spec, OneNode(2000, {0, 0}), 1, kLater);
  ControlEntry move = *NextMove(*status, spec);
  move.number = 3;
  state.Apply(move);
  move.number = 4;
  state.Apply(move);
  EXPECT_EQ(state.Newest("gbt")->number, 3U);
  EXPECT_EQ(state.generations().size(), 3U);
  const GenerationRecord& record = state.Newest("gbt")->record();
  EXPECT_EQ(record.rule, ArmRule::kCanary);
  EXPECT_EQ(record.share, 0.05);
  EXPECT_EQ(record.salt, status->record.salt);
  EXPECT_NE(record.salt, 0U);
  EXPECT_EQ(record.rollout, "d1");
  // The counts of the step before say nothing about this one.
  EXPECT_FALSE(NextMove(*RolloutOf(state, "gbt", spec, {}, 1, kLater), spec));
}

TEST(RolloutJudge, APromotionWaitsForADeploymentAndARollbackDoesNot) {
  const RolloutSpec spec = Spec();
  ControlState state = StateAt(spec, 1);
  ControlEntry prepare;
  prepare.number = 3;
  prepare.kind = Kind::kPrepare;
  prepare.deployment = "other";
  prepare.generation.model = "gbt";
  prepare.generation.arms = {{"9", "digest-of-9"}};
  state.Apply(prepare);
  const auto good = RolloutOf(state, "gbt", spec, OneNode(2000, {0, 0}), 1, kLater);
  EXPECT_FALSE(NextMove(*good, spec));
  EXPECT_NE(good->text.find("version 9"), std::string::npos) << good->text;
  const auto bad = RolloutOf(state, "gbt", spec, OneNode(500, {25, 0}), 1, kLater);
  EXPECT_EQ(MoveOf(NextMove(*bad, spec)), "rollback one 0 7");
}

TEST(RolloutJudge, SaysInOneSentenceWhatItWaitsFor) {
  const RolloutSpec spec = Spec();
  const auto shadow = RolloutOf(StateAt(spec, 1), "gbt", spec, OneNode(1500, {6, 0}), 1, kLater);
  EXPECT_EQ(shadow->text,
            "step 1 of 3: version 8 scores 100 % of the rows unseen since 12:01; errors 0.004 of 0.01, e = 0.0024, "
            "1,500 rows; disagrees 0 of 0.05, e = 1.05e-12, 1,500 rows; it goes on after 500 more rows and once it is "
            "sure of errors");
  const auto canary = RolloutOf(StateAt(spec, 2), "gbt", spec, {}, 1, kBegin + 86'400'000);
  EXPECT_EQ(canary->text.substr(0, 82),
            "step 2 of 3: 5 % of the keys are answered by version 8 since 2025-11-29 12:01; err");
  EXPECT_TRUE(canary->text.ends_with("it goes on after 3,000 more rows and once it is sure of errors, disagrees"))
      << canary->text;
  const auto bad = RolloutOf(StateAt(spec, 1), "gbt", spec, OneNode(500, {25, 0}), 1, kLater);
  EXPECT_TRUE(bad->text.ends_with("guard \"errors\" is breached, and it is rolled back")) << bad->text;
  const auto move = NextMove(*bad, spec);
  EXPECT_EQ(move->reason.substr(0, 34), "step 1 of 3: errors 0.05 of 0.01, ") << move->reason;
  EXPECT_EQ(move->guards.at("errors"), bad->guard_texts[0]);
}

TEST(RolloutJudge, AlphaIsSharedByStepsAndInstances) {
  RolloutSpec spec = Spec();
  const ControlState state = StateAt(spec, 1);
  const CountsByNode counts = OneNode(500, {17, 0});
  const auto breaches = [&](int instances) {
    return RolloutOf(state, "gbt", spec, counts, instances, kLater)->verdict.state == StepState::kBreached;
  };
  EXPECT_TRUE(breaches(1));
  EXPECT_FALSE(breaches(1000));
  spec.steps.insert(spec.steps.begin(), 1000, spec.steps[0]);
  EXPECT_FALSE(breaches(1));
}

TEST(RolloutJudge, TheWorstOutputDecidesAboutPsi) {
  RolloutSpec spec = Spec();
  spec.guards = {{.what = What::kPsi, .limit = 0.2}};
  const ControlState state = StateAt(spec, 1);
  const auto counted = [](int64_t rows, double shift) {
    ArmCounts counts({.outputs = {{.name = "p", .edges = {0.25, 0.5, 0.75}}, {.name = "q", .edges = {0.25, 0.5, 0.75}}},
                      .segment = ""},
                     1, 2);
    for (int64_t row = 0; row < rows; ++row) {
      const double at = static_cast<double>(row % 100) / 100;
      const ComparedValue a[] = {{ComparedValue::Kind::kNumber, at}, {ComparedValue::Kind::kNumber, at}};
      const ComparedValue b[] = {{ComparedValue::Kind::kNumber, at}, {ComparedValue::Kind::kNumber, at * shift}};
      counts.compare.Add({.id = "id", .segment = "", .a = a, .b = b});
    }
    return counts;
  };
  const auto state_of = [&](const CountsByNode& counts) {
    return RolloutOf(state, "gbt", spec, counts, 1, kLater)->verdict.state;
  };
  EXPECT_EQ(state_of({{"a", counted(4999, 0.3)}}), StepState::kRunning);
  EXPECT_EQ(state_of({{"a", counted(5000, 0.3)}}), StepState::kBreached);
  EXPECT_EQ(state_of({{"a", counted(5000, 1)}}), StepState::kPassed);
  // A node with few rows does not hide one with enough, and does not decide.
  EXPECT_EQ(state_of({{"a", counted(5000, 0.3)}, {"b", counted(10, 1)}}), StepState::kBreached);
  EXPECT_EQ(state_of({{"a", counted(5000, 1)}, {"b", counted(100, 0.1)}}), StepState::kPassed);
}

TEST(RolloutJudge, PsiDoesNotPassACandidateThatDoesNotAnswer) {
  RolloutSpec spec = Spec();
  spec.guards = {{.what = What::kPsi, .limit = 0.2}};
  const ControlState state = StateAt(spec, 1);
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  // The candidate answers `first` and `second`; nothing at all where `fails`.
  const auto counted = [](double first, double second, bool fails) {
    ArmCounts counts({.outputs = {{.name = "p", .edges = {0.25, 0.5}}, {.name = "q", .edges = {0.25, 0.5}}}}, 1, 2);
    for (int64_t row = 0; row < 6000; ++row) {
      const ComparedValue a[] = {{ComparedValue::Kind::kNumber, 0.3}, {ComparedValue::Kind::kNumber, 0.3}};
      const ComparedValue b[] = {{ComparedValue::Kind::kNumber, first}, {ComparedValue::Kind::kNumber, second}};
      const auto answer = fails ? std::span<const ComparedValue>() : std::span<const ComparedValue>(b);
      counts.compare.Add({.id = "id", .segment = "", .b_failed = fails, .a = a, .b = answer});
    }
    return counts;
  };
  const auto state_of = [&](const CountsByNode& counts) {
    return RolloutOf(state, "gbt", spec, counts, 1, kLater)->verdict.state;
  };
  EXPECT_EQ(state_of({{"a", counted(0.3, 0.3, false)}}), StepState::kPassed);
  EXPECT_EQ(state_of({{"a", counted(0.3, 0.3, true)}}), StepState::kRunning);
  EXPECT_EQ(state_of({{"a", counted(0.3, kNan, false)}}), StepState::kRunning);
  EXPECT_EQ(state_of({{"a", counted(0.3, 0.3, false)}, {"b", counted(0.3, 0.3, true)}}), StepState::kRunning);
  // What is there says no, whatever is not.
  EXPECT_EQ(state_of({{"a", counted(0.9, kNan, false)}}), StepState::kBreached);
  EXPECT_EQ(state_of({{"a", counted(0.3, 0.3, true)}, {"b", counted(0.9, 0.3, false)}}), StepState::kBreached);
}

// Every batch of 100 rows goes through the counts of an instance and is judged, as the agent does it.
struct Simulated {
  std::string move;
  int64_t rows = 0;
};
Simulated Simulate(const RolloutSpec& spec, double errors, double disagrees, std::mt19937_64* random) {
  const ControlState state = StateAt(spec, 1);
  RolloutCounts counts("0");
  counts.Keep({{2, CountedAs(spec)}});
  std::bernoulli_distribution fails(errors), differs(disagrees);
  for (int64_t rows = 100;; rows += 100) {
    ArmCounts batch(Compared(), 2, 2);
    for (int row = 0; row < 100; ++row) {
      batch.guards[0].Add(true, fails(*random));
      batch.guards[1].Add(true, differs(*random));
      batch.compare.Add({.id = "id", .segment = "", .a_failed = true, .b_failed = true});
    }
    counts.Counted("score", 2, batch);
    const auto status = RolloutOf(state, "gbt", spec, counts.SumOf(2).counts, 1, kLater);
    EXPECT_EQ(status->paired, rows);
    if (const auto move = NextMove(*status, spec)) return {MoveOf(move), rows};
  }
}

TEST(RolloutJudge, TwoEqualModelsAreRarelyRolledBack) {
  std::mt19937_64 random(2026);
  int back = 0, on = 0;
  for (int i = 0; i < 200; ++i) {
    const Simulated end = Simulate(Spec(), 0.01, 0.05, &random);  // at the limits: the hardest case
    back += end.move.starts_with("rollback");
    on += end.move.starts_with("promote");
  }
  std::printf("200 rollouts at the limits: %d rolled back, %d promoted\n", back, on);
  EXPECT_LE(back, 4);
  EXPECT_LE(on, 4);
}

TEST(RolloutJudge, ABadCandidateIsRolledBackSoon) {
  std::mt19937_64 random(3);
  std::vector<int64_t> rows;
  for (int i = 0; i < 101; ++i) {
    const Simulated end = Simulate(Spec(), 0.03, 0, &random);
    EXPECT_EQ(end.move, "rollback one 0 7");
    rows.push_back(end.rows);
  }
  std::ranges::nth_element(rows, rows.begin() + 50);
  std::printf("3 %% errors, limit 1 %%: rolled back after %d rows (median)\n", static_cast<int>(rows[50]));
  EXPECT_LE(rows[50], 1500);
}

TEST(RolloutJudge, TheSumOfTheInstancesIsTheSumOfTheirCounts) {
  const RolloutSpec spec = Spec();
  std::map<std::string, ControlEntry> entries;
  RolloutCounts mine("a");
  mine.Keep({{2, CountedAs(spec)}});
  mine.Counted("score", 2, Counts(300, {3, 1}));
  entries["a"] = mine.Changed()[0].entry;
  entries["a"].instance = "a";
  RolloutCounts others("b");
  others.Keep({{2, CountedAs(spec)}});
  others.Counted("score", 2, Counts(200, {1, 0}));
  others.Counted("second", 2, Counts(50, {0, 0}));
  entries["b"] = others.Changed()[0].entry;
  entries["b"].instance = "b";
  entries["b"].number = 9;
  const auto sum = SumOf(entries);
  ASSERT_TRUE(sum.ok()) << sum.status().message();
  EXPECT_EQ(sum->at("score").guards[0], (GuardCounts{500, 4, 500, 4}));
  EXPECT_EQ(sum->at("score").paired(), 500);
  EXPECT_EQ(sum->at("second").paired(), 50);
  mine.Heard(entries["b"]);
  RolloutCounts::Sum live = mine.SumOf(2);
  EXPECT_EQ(live.instances, 2);
  EXPECT_EQ(live.counts.at("score").Print(), sum->at("score").Print());
  mine.Counted("score", 2, Counts(100, {0, 0}));
  EXPECT_EQ(mine.SumOf(2).counts.at("score").paired(), 600);
  EXPECT_EQ(mine.SumOf(1).counts.size(), 0U);

  RolloutSpec edited = spec;
  edited.guards[0].what = What::kNan;
  EXPECT_EQ(SumOf(entries, &spec)->size(), 2U);
  EXPECT_EQ(SumOf(entries, &edited)->size(), 0U);

  entries["b"].counts["score"] = "damaged";
  EXPECT_EQ(SumOf(entries).status().code(), Code::kInvalid);
  entries["b"].number = 10;
  mine.Heard(entries["b"]);
  live = mine.SumOf(2);
  EXPECT_EQ(live.counts.at("score").paired(), 400);
  EXPECT_NE(live.fault.find("instance b"), std::string::npos) << live.fault;
}

TEST(RolloutJudge, ARestartedInstanceGoesOnFromItsLastCountsUnlessTheGuardsAreOthers) {
  const RolloutSpec spec = Spec();
  RolloutCounts before("a");
  before.Keep({{2, CountedAs(spec)}});
  before.Counted("score", 2, Counts(300, {3, 1}));
  ControlEntry entry = before.Changed()[0].entry;
  entry.instance = "a";
  entry.number = 5;
  RolloutSpec edited = spec;
  edited.guards[0].limit = 0.5;  // a limit may be edited: what is counted is the same
  for (const bool other : {false, true}) {
    if (other) edited.guards[1] = {.what = What::kNan, .limit = 0.01};
    RolloutCounts after("a");
    after.Heard(entry);
    after.Keep({{2, CountedAs(edited)}});
    const std::string fault = after.GoOn();
    EXPECT_EQ(fault.empty(), !other) << fault;
    EXPECT_TRUE(after.Changed().empty());
    after.Counted("score", 2, Counts(100, {0, 0}));
    EXPECT_EQ(after.SumOf(2).counts.at("score").paired(), other ? 100 : 400);
  }
}

TEST(RolloutJudge, CountsAreOfTheExactSizesAndTheSegment) {
  RolloutSpec spec = Spec();
  spec.guards = {{.what = What::kDisagrees, .limit = 0.05, .size = 0.50001}};
  const std::string one = CountedAs(spec);
  spec.guards[0].size = 0.50002;
  EXPECT_NE(CountedAs(spec), one);
  spec.guards[0].size = 0.50001;
  EXPECT_EQ(CountedAs(spec), one);
  spec.segment = "country";
  EXPECT_NE(CountedAs(spec), one);
}

TEST(RolloutJudge, OwnCountsOfOtherOutputsBeginAnewAndItIsSaid) {
  RolloutCounts counts("a");
  counts.Keep({{2, CountedAs(Spec())}});
  counts.Counted("score", 2, Counts(100, {1, 0}));
  EXPECT_EQ(counts.SumOf(2).counts.at("score").compare.Total().rows, 100);
  EXPECT_EQ(counts.TakeFault(), "");
  counts.Counted("score", 2, ArmCounts({.outputs = {{.name = "q"}}, .segment = ""}, 2, 2));
  EXPECT_EQ(counts.SumOf(2).counts.at("score").compare.Total().rows, 0);
  EXPECT_NE(counts.TakeFault().find("begin at 0 again"), std::string::npos);
  EXPECT_EQ(counts.TakeFault(), "");
}

TEST(RolloutJudge, NothingIsLostBetweenThoseWhoCountAndThoseWhoAdd) {
  const std::string counted_as = CountedAs(Spec());
  RolloutCounts counts("a");
  counts.Keep({{2, counted_as}});
  ControlEntry other = CountsEntry(2, OneNode(7, {1, 0}), counted_as);
  other.instance = "b";
  std::atomic<bool> done{false};
  const auto rows = [&] { return counts.SumOf(2).counts.at("score").guards[0].rows; };
  const ArmCounts batch = Counts(10, {1, 0});
  counts.Counted("score", 2, batch);
  std::thread lane([&] {
    for (int i = 1; i < 2000; ++i) counts.Counted("score", 2, batch);
    done = true;
  });
  int64_t last = 0;
  while (!done) {
    counts.Heard([&] {
      ++other.number;
      return other;
    }());
    const int64_t now = rows();
    EXPECT_GE(now, last);
    last = now;
    for (const RolloutCounts::Change& change : counts.Changed()) counts.Sent(change);
  }
  lane.join();
  EXPECT_EQ(rows(), 2000 * 10 + (other.number > 0 ? 7 : 0));
  for (const RolloutCounts::Change& change : counts.Changed()) counts.Sent(change);
  EXPECT_TRUE(counts.Changed().empty());
}

TEST(RolloutJudge, CountsAreWrittenTheMoreRarelyTheOlderTheStep) {
  EXPECT_EQ(CountsInterval(0, 2000), 2000);
  EXPECT_EQ(CountsInterval(300'000, 2000), 10'000);
  EXPECT_EQ(CountsInterval(86'400'000, 2000), 60'000);
  EXPECT_EQ(CountsInterval(-5000, 2000), 2000);
}

TEST(RolloutJudge, OfCountsTheNewestIsKept) {
  NewestEntries read;
  uint32_t number = 0;
  const auto add = [&](Kind kind, const std::string& instance, uint32_t generation) {
    ControlEntry entry;
    entry.number = ++number;
    entry.kind = kind;
    entry.instance = instance;
    entry.generation_number = generation;
    read.Add(entry);
  };
  EXPECT_TRUE(read.empty());
  add(Kind::kCounts, "a", 2);
  add(Kind::kReady, "a", 2);
  add(Kind::kCounts, "b", 2);
  add(Kind::kReady, "a", 2);
  add(Kind::kCounts, "a", 2);
  add(Kind::kCounts, "a", 3);
  add(Kind::kCounts, "a", 2);
  std::vector<uint32_t> kept;
  for (const ControlEntry& entry : std::move(read).Take()) kept.push_back(entry.number);
  EXPECT_EQ(kept, (std::vector<uint32_t>{2, 3, 4, 6, 7}));
}

TEST(RolloutJudge, AnEntryThatWouldBeLongHasNoSegments) {
  CompareSpec spec = Compared();
  spec.segment = "country";
  ArmCounts counts(spec, 0, 2);
  for (int row = 0; row < 5000; ++row) {
    const ComparedValue a{.kind = ComparedValue::Kind::kNumber, .number = row * 0.001};
    const ComparedValue b{.kind = ComparedValue::Kind::kNumber, .number = row * 0.0013};
    counts.compare.Add({.id = "id", .segment = std::to_string(row % 90), .a = {&a, 1}, .b = {&b, 1}});
  }
  const CountsByNode by_node = {{"score", counts}};
  const ControlEntry whole = CountsEntry(2, by_node, "");
  const size_t size = PrintControlEntry(whole).size();
  const ControlEntry cut = CountsEntry(2, by_node, "", size - 1);
  EXPECT_LT(PrintControlEntry(cut).size(), size / 4);
  EXPECT_EQ(CountsIn(cut)->at("score").paired(), 5000);
  EXPECT_EQ(CountsIn(whole)->at("score").compare.segments().size(), 90U);
}

}  // namespace
}  // namespace anabranch
