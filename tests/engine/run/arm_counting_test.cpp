// What is counted of one batch whose rows two arms scored.
#include "engine/run/arm_counting.h"

#include <chrono>
#include <cmath>

#include "tests/engine/run/run_fixture.h"
#include "tests/engine/run/switch_fixture.h"

namespace anabranch {
namespace {

using What = RolloutSpec::Guard::What;

constexpr GenerationId kGeneration{7};

class ArmsOfABatch : public ::testing::Test {
 protected:
  ArmsOfABatch() {
    score = plan.Node("score", {plan.Source(input)}, Pass);
    plan.plan().columns = {{"country", Type::Scalar(Kind::kString), "in0"},
                           {"p", Type::Scalar(Kind::kFloat64), "score"},
                           {"q", Type::Tensor(Kind::kFloat32, {2}), "score"},
                           {"label", Type::Scalar(Kind::kInt64), "score"}};
    rules.compare = {.outputs = {{.name = "p", .edges = {0.5}},
                                 {.name = "q[0]", .edges = {0.5}},
                                 {.name = "q[1]", .edges = {0.5}},
                                 {.name = "label", .is_label = true, .classes = {"1", "2"}}},
                     .segment = "country"};
    generations.rules = [this](GenerationId generation) {
      ++asked;
      return generation == kGeneration ? std::make_shared<const ArmRules>(rules) : nullptr;
    };
    generations.counted = [this](GenerationId generation, const ArmCounts& counts) {
      EXPECT_EQ(generation, kGeneration);
      reported.push_back(counts);
    };
  }

  // `n` rows: both arms say 0.25, (0.25, 0.75), 1.
  void Fill(uint32_t n) {
    batch.Clear(plan.plan().columns.size(), plan.plan().stages());
    batch.partitions = &partitions;
    const PartitionId id = *partitions.Find({"t", 3});
    for (uint32_t row = 0; row < n; ++row) {
      batch.AddRow(id, row, 0, batch.text.Copy("k" + std::to_string(row)), true, "v");
    }
    batch.PrepareStages();
    batch.stages[score].outcome.assign(n, Outcome::kOk);
    batch.positions = {{id, 0, n}};
    arms = std::make_shared<ArmScores>();
    arms->generation = kGeneration;
    arms->drawn.assign(n, 1);
    arms->answered.assign(n, 0);
    arms->paired.assign(n, 1);
    arms->other_outcome.assign(n, Outcome::kOk);
    arms->columns = {ColumnId{1}, ColumnId{2}, ColumnId{3}};
    arms->other.resize(3);
    batch.stages[score].arms = {arms};
    batch.columns[0].Reset(plan.plan().columns[0].type, n);
    std::ranges::fill(batch.columns[0].states(), kValid);
    for (uint32_t row = 0; row < n; ++row)
      batch.columns[0].values<std::string_view>()[row] = row % 2 == 0 ? "DE" : "FR";
    for (size_t i = 0; i < 3; ++i) {
      for (Column* column : {&batch.columns[i + 1], &arms->other[i]}) {
        column->Reset(plan.plan().columns[i + 1].type, n);
        std::ranges::fill(column->states(), kValid);
      }
    }
    for (uint32_t row = 0; row < n; ++row) {
      for (Column* p : {&batch.columns[1], &arms->other[0]}) p->values<double>()[row] = 0.25;
      for (Column* q : {&batch.columns[2], &arms->other[1]}) {
        q->values<float>()[2 * row] = 0.25F;
        q->values<float>()[2 * row + 1] = 0.75F;
      }
      for (Column* label : {&batch.columns[3], &arms->other[2]}) label->values<int64_t>()[row] = 1;
    }
  }
  // Of the candidate, where the serving version answered.
  double& p(uint32_t row) { return arms->other[0].values<double>()[row]; }
  float& q(uint32_t row, uint32_t i) { return arms->other[1].values<float>()[2 * row + i]; }
  int64_t& label(uint32_t row) { return arms->other[2].values<int64_t>()[row]; }
  void Swap(uint32_t row) {  // the candidate answered
    arms->answered[row] = 1;
    std::swap(batch.columns[1].values<double>()[row], p(row));
    for (const uint32_t i : {0, 1}) std::swap(batch.columns[2].values<float>()[2 * row + i], q(row, i));
    std::swap(batch.columns[3].values<int64_t>()[row], label(row));
    for (size_t i = 0; i < 3; ++i) std::swap(batch.columns[i + 1].states()[row], arms->other[i].states()[row]);
    std::swap(batch.stages[score].outcome[row], arms->other_outcome[row]);
  }

  ArmCounts CountOnce() {
    ArmCounting counting(plan.plan(), &generations);
    counting.Count(batch, written);
    counting.Closed();
    reported.clear();
    counting.Committed();
    EXPECT_EQ(reported.size(), 1U);
    return reported.empty() ? ArmCounts(rules.compare, rules.guards.size(), 2) : reported.front();
  }

  PlanBuilder plan;
  std::shared_ptr<MemoryInput> input = std::make_shared<MemoryInput>();
  StageId score;
  SourceTable partitions;
  FakeGenerations generations;
  ArmRules rules;
  WrittenRows written;
  RecordBatch batch;
  std::shared_ptr<ArmScores> arms;
  std::vector<ArmCounts> reported;
  int asked = 0;
};

TEST_F(ArmsOfABatch, ARowIsComparedWhicheverArmAnsweredIt) {
  Fill(6);
  p(1) = 0.75;
  q(2, 1) = 0.5F;
  label(3) = 4;
  arms->other_outcome[4] = Outcome::kFailed;
  arms->paired[5] = 0;
  arms->drawn[5] = 0;
  arms->first_ns = 1000;
  arms->second_ns = 3000;
  const std::string by_serving = CountOnce().Print();
  for (uint32_t row = 0; row < 5; ++row) Swap(row);
  // Of the row that the candidate failed the answer is the serving version's.
  Swap(4);
  arms->answered[4] = 0;
  ArmCounts counts = CountOnce();
  EXPECT_EQ(counts.answered, (std::vector<int64_t>{2, 4}));
  counts.answered = {6, 0};
  EXPECT_EQ(counts.Print(), by_serving);

  EXPECT_EQ(counts.drawn, (std::vector<int64_t>{1, 5}));
  EXPECT_EQ(counts.paired(), 5);
  const SegmentCounts total = counts.compare.Total();
  EXPECT_EQ(total.only_b_failed, 1);
  EXPECT_EQ(total.both_ok, 4);
  EXPECT_EQ(total.b_ns.count(), 5);
  EXPECT_EQ(total.outputs[0].a_bins, (std::vector<int64_t>{5, 0}));
  EXPECT_EQ(total.outputs[0].b_bins, (std::vector<int64_t>{3, 1}));
  EXPECT_EQ(total.outputs[2].difference.max(), 0.25);
  EXPECT_EQ(total.outputs[3].a_bins, (std::vector<int64_t>{5, 0, 0}));
  EXPECT_EQ(total.outputs[3].b_bins, (std::vector<int64_t>{3, 0, 1}));
  EXPECT_EQ(counts.compare.segments().at("DE").rows, 3);
  EXPECT_EQ(counts.compare.segments().at("FR").rows, 2);
  EXPECT_EQ(counts.compare.worst()[0], (std::vector<WorstRow>{{"t/3/1", "0.25", "0.75", 0.5}}));
  EXPECT_EQ(counts.compare.worst()[3], (std::vector<WorstRow>{{"t/3/3", "1", "4", 1}}));
}

TEST_F(ArmsOfABatch, GuardsCountTheRowsThatTheyCanJudge) {
  rules.guards = {{What::kErrors, 0.1},    {What::kDisagrees, 0.1, 0.5}, {What::kNan, 0.1}, {What::kDiffers, 0.1, 0.1},
                  {What::kSlower, 0.1, 2}, {What::kDisagrees, 0.1, 0.9}, {What::kPsi, 0.2}};
  Fill(10);
  p(0) = 0.5;                                         // differs, on the same side of 0.5
  p(1) = 0.51;                                        // disagrees, differs
  q(2, 1) = 0.25F;                                    // the same by an element
  label(3) = 2;                                       // disagrees, whatever the size
  p(4) = std::nan("");                                // a NaN: all three
  arms->other[0].states()[5] = kNull;                 // disagrees, differs
  arms->other_outcome[6] = Outcome::kTimedOut;        // an error: nothing else can be judged
  batch.stages[score].outcome[7] = Outcome::kFailed;  // no fault of the candidate
  batch.stages[score].outcome[8] = Outcome::kDefaulted;
  arms->other_outcome[8] = Outcome::kFailed;  // both
  const auto guard = [](int64_t units, int64_t unit_events, int64_t rows, int64_t events) {
    return GuardCounts{units, unit_events, rows, events};
  };
  ArmCounts counts = CountOnce();
  EXPECT_EQ(counts.guards,
            (std::vector<GuardCounts>{
                guard(8, 1, 8, 1), guard(7, 5, 7, 5), guard(7, 1, 7, 1), guard(7, 5, 7, 5), {}, guard(7, 3, 7, 3), {}}))
      << "no time is known, and psi is no rate";
  EXPECT_EQ(counts.answered, (std::vector<int64_t>{8, 0})) << "what the stage failed was answered by none";
  for (uint32_t row = 0; row < 10; ++row) {
    if (row != 6 && row != 8) Swap(row);
  }
  EXPECT_EQ(CountOnce().guards, counts.guards) << "whichever arm answered";

  arms->first_ns = 100;
  arms->second_ns = 201;
  EXPECT_EQ(CountOnce().guards[4], guard(1, 1, 7, 7)) << "one call timed them all";
  arms->second_ns = 200;
  EXPECT_EQ(CountOnce().guards[4], guard(1, 0, 7, 0));
}

TEST_F(ArmsOfABatch, WhatOnlyOneArmSaysIsADifferenceAndWhatNeitherSaysIsNone) {
  rules.guards = {{What::kDisagrees, 0.1, 0.5}, {What::kDiffers, 0.1, 0.1}, {What::kNan, 0.1}};
  Fill(6);
  const double nan = std::nan("");
  arms->other[2].states()[0] = kNull;                                 // a label
  batch.columns[1].states()[1] = arms->other[0].states()[1] = kNull;  // both null
  batch.columns[1].values<double>()[2] = p(2) = nan;                  // both NaN
  batch.columns[1].values<double>()[3] = nan;                         // the serving version's
  batch.columns[1].states()[4] = kNull;                               // and null, NaN the candidate's
  p(4) = nan;
  for (const bool swapped : {false, true}) {
    for (uint32_t row = 0; row < 6 && swapped; ++row) Swap(row);
    const std::vector<GuardCounts> guards = CountOnce().guards;
    EXPECT_EQ(guards[0].events, 3);
    EXPECT_EQ(guards[1].events, 3);
    EXPECT_EQ(guards[2].events, 1);
  }
}

TEST_F(ArmsOfABatch, ABusyKeyIsOneUnit) {
  rules.guards = {{What::kErrors, 0.1, 0, true}, {What::kDisagrees, 0.1, 0.5, true}, {What::kErrors, 0.1, 0, false}};
  Fill(10);
  for (uint32_t row = 0; row < 8; ++row) batch.key[row] = "busy";
  batch.key_present[8] = batch.key_present[9] = 0;
  for (uint32_t row = 0; row < 10; ++row) label(row) = 2;
  arms->other_outcome[9] = Outcome::kFailed;
  const ArmCounts counts = CountOnce();
  EXPECT_EQ(counts.guards[0], (GuardCounts{.units = 3, .unit_events = 1, .rows = 10, .events = 1}));
  EXPECT_EQ(counts.guards[1], (GuardCounts{.units = 2, .unit_events = 2, .rows = 9, .events = 9}));
  EXPECT_EQ(counts.guards[2], (GuardCounts{.units = 10, .unit_events = 1, .rows = 10, .events = 1}));
}

TEST_F(ArmsOfABatch, ASegmentIsTheTextOfAnyScalar) {
  Fill(4);
  batch.columns[0].states()[0] = kNull;
  batch.columns[0].states()[1] = kMissing;
  EXPECT_EQ(CountOnce().compare.segments().at("(null)").rows, 2);
  rules.compare.segment = "label";
  EXPECT_EQ(CountOnce().compare.segments().at("1").rows, 4);
  rules.compare.segment = "p";
  EXPECT_EQ(CountOnce().compare.segments().at("0.25").rows, 4);
  rules.compare.segment = "q";
  EXPECT_EQ(CountOnce().compare.segments().at("(null)").rows, 4) << "a vector has no text";
  rules.compare.segment = "none";
  EXPECT_EQ(CountOnce().compare.segments().at("").rows, 4);
}

TEST_F(ArmsOfABatch, OnlyCommittedRowsAreReportedAndRulesAreAskedForOnce) {
  ArmCounting counting(plan.plan(), &generations);
  counting.Committed();
  Fill(3);
  counting.Count(batch, written);
  counting.Count(batch, written);
  counting.Committed();
  EXPECT_TRUE(reported.empty()) << "the epoch is open";
  counting.Closed();
  Fill(1);
  counting.Count(batch, written);
  counting.Closed();
  counting.Closed();  // nothing was counted
  counting.Committed();
  ASSERT_EQ(reported.size(), 1U);
  EXPECT_EQ(reported[0].rows(), 6);
  counting.Committed();
  ASSERT_EQ(reported.size(), 2U);
  EXPECT_EQ(reported[1].rows(), 1);
  counting.Committed();
  EXPECT_EQ(reported.size(), 2U);
  EXPECT_EQ(asked, 1);

  counting.Count(batch, written);
  counting.Closed();
  counting.Count(batch, written);
  counting.Forget();
  counting.Closed();
  counting.Committed();
  counting.Committed();
  EXPECT_EQ(reported.size(), 2U) << "all was forgotten";
}

TEST_F(ArmsOfABatch, ABatchMayBeCountedAfterItsEpochWasClosedOrCommitted) {
  ArmCounting counting(plan.plan(), &generations);
  Fill(3);
  counting.Count(batch, written);
  counting.Closed();
  Fill(2);
  counting.Count(batch, written, true);
  EXPECT_TRUE(reported.empty());
  counting.Committed();
  ASSERT_EQ(reported.size(), 2U);
  EXPECT_EQ(reported[0].rows() + reported[1].rows(), 5);
  Fill(1);
  counting.Count(batch, written, true);
  ASSERT_EQ(reported.size(), 3U) << "it is durable";
  EXPECT_EQ(reported[2].rows(), 1);
}

TEST_F(ArmsOfABatch, RowsThatAllTargetsHadBeforeAreNotCountedAgain) {
  Fill(10);
  const PartitionId ids[] = {batch.partition[0]};
  written.Learn(ids, {{TargetId{0}, {6}}});
  EXPECT_EQ(CountOnce().paired(), 4);
  written.Learn(ids, {{TargetId{2}, {3}}});
  EXPECT_EQ(CountOnce().paired(), 7) << "one target has less";
  EXPECT_EQ(CountOnce().rows(), 7);
  written.Learn(ids, {{TargetId{2}, {kNoPosition}}});
  EXPECT_EQ(CountOnce().paired(), 10) << "one target has nothing";
}

TEST_F(ArmsOfABatch, WhatIsNoCountedBatchIsNotCounted) {
  ArmCounting counting(plan.plan(), &generations);
  Fill(3);
  batch.restored = true;
  counting.Count(batch, written);
  batch.restored = false;
  batch.complete = true;
  counting.Count(batch, written);
  batch.complete = false;
  EXPECT_EQ(asked, 0);
  arms->generation = GenerationId{8};  // without rules
  counting.Count(batch, written);
  arms->generation = kGeneration;
  arms->drawn.assign(3, ArmScores::kNoArm);
  counting.Count(batch, written);
  counting.Closed();
  counting.Committed();
  ASSERT_EQ(reported.size(), 1U);
  EXPECT_EQ(reported[0].rows() + reported[0].paired(), 0);
  ArmCounting none(plan.plan(), nullptr);
  none.Count(batch, written);
  none.Closed();
  none.Committed();

  Fill(3);
  arms->columns.pop_back();  // not what the rules compare: only who answered is counted
  arms->other.pop_back();
  const ArmCounts counts = CountOnce();
  EXPECT_EQ(counts.rows(), 3);
  EXPECT_EQ(counts.paired(), 0);
}

TEST_F(ArmsOfABatch, ABatchForgetsItsArms) {
  Fill(3);
  std::weak_ptr<ArmScores> held = arms;
  arms.reset();
  batch.PrepareStage(score);
  EXPECT_TRUE(held.expired()) << "prepared again";
  Fill(3);
  held = arms;
  arms.reset();
  batch.Clear(plan.plan().columns.size(), plan.plan().stages());
  EXPECT_TRUE(held.expired()) << "recycled";
}

TEST_F(ArmsOfABatch, CostLessThanAModel) {
  rules.guards = {{What::kErrors, 0.1, 0, true}, {What::kDisagrees, 0.1, 0.5, true}, {What::kSlower, 0.1, 2}};
  rules.compare.outputs.erase(rules.compare.outputs.begin() + 1, rules.compare.outputs.begin() + 3);
  rules.compare.outputs.push_back({.name = "country", .is_label = true, .classes = {"DE", "FR"}});
  for (int i = 1; i < 20; ++i) {
    if (i == 1) rules.compare.outputs[0].edges.clear();
    rules.compare.outputs[0].edges.push_back(i * 0.05);
  }
  Fill(1000);
  arms->columns = {ColumnId{1}, ColumnId{3}, ColumnId{0}};
  std::swap(arms->other[1], arms->other[2]);
  arms->other[2].Reset(plan.plan().columns[0].type, 1000);
  arms->first_ns = arms->second_ns = 1000;
  for (uint32_t row = 0; row < 1000; ++row) {
    arms->other[2].states()[row] = kValid;
    arms->other[2].values<std::string_view>()[row] = "DE";
    batch.columns[1].values<double>()[row] = std::fmod(row * 0.618, 1);
    p(row) = std::fmod(row * 0.618 + 0.01 * (row % 7), 1);
  }
  ArmCounting counting(plan.plan(), &generations);
  double least = 1e9;
  for (int run = 0; run < 50; ++run) {
    const auto begin = std::chrono::steady_clock::now();
    counting.Count(batch, written);
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    least = std::min(least, took.count() / 1000);
    counting.Closed();
    counting.Committed();
  }
  ASSERT_EQ(reported.back().paired(), 1000);
  std::printf("1,000 rows, 3 outputs, 3 guards, 2 segments: %.0f ns per row\n", least);
  EXPECT_LT(least, 20'000) << "it is a model's work";
}

}  // namespace
}  // namespace anabranch
