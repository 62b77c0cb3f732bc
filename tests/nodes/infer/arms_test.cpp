#include "nodes/infer/arms.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/nodes/infer/arm_case.h"
#include "tests/nodes/infer/tiny_models.h"

namespace anabranch {
namespace {

class InferArms : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(case_.Bind()) << runner_.FaultText(); }

  Status Run(uint32_t generation) { return managed_.RunFrom(ScoringFrom(generation)); }
  static size_t ArmOfKey(size_t key, double share, uint64_t salt = 7) {
    return DrawnNumber(salt, "k" + std::to_string(key)) < share ? 1 : 0;
  }

  ArmCase case_;
  ManagedCase& managed_ = case_.managed;
  NodeRunner& runner_ = case_.runner;
};

TEST_F(InferArms, EachKeyIsAnsweredByTheArmThatItDraws) {
  constexpr size_t kKeys = 2000;
  case_.Add(1, RecordOf(case_.one));
  case_.Add(2, RecordOf(case_.two));
  case_.Add(3, CanaryOf(case_.one, case_.two, 0.3));
  std::vector<std::vector<Cell>> alone;  // what each arm says of every row
  for (const uint32_t generation : {1, 2}) {
    case_.FillKeys(kKeys);
    ASSERT_TRUE(Run(generation).ok());
    alone.push_back(runner_.Values("y"));
  }
  case_.FillKeys(kKeys);
  const Status status = Run(3);
  ASSERT_TRUE(status.ok()) << status.message();
  ASSERT_EQ(case_.rows().arms.size(), 1U);
  const ArmScores& scores = case_.scores();
  EXPECT_EQ(scores.generation, GenerationId(3));
  ASSERT_EQ(scores.other.size(), 1U);
  EXPECT_EQ(scores.columns[0], runner_.made()[0].id);
  size_t drawn = 0;
  for (uint32_t row = 0; row < kKeys; ++row) {
    const size_t arm = ArmOfKey(row, 0.3);
    drawn += arm;
    ASSERT_EQ(runner_.Value("y", row), alone[arm][row]);
    ASSERT_EQ(runner_.Value("version", row), Cell(arm == 1 ? "2" : "1"));
    ASSERT_EQ(runner_.Value("arm", row), Cell(arm == 1 ? "2" : "1"));
    ASSERT_EQ(runner_.Value("propensity", row), Cell(arm == 1 ? 0.3 : 0.7));
    ASSERT_EQ(runner_.Value("generation", row), Cell(3));
    ASSERT_EQ(case_.rows().versions[case_.rows().version[row]], arm == 1 ? "m@2" : "m@1");
    ASSERT_TRUE(scores.drawn[row] == arm && scores.answered[row] == arm && scores.paired[row] == arm);
    ASSERT_EQ(ReadCell(scores.other[0], row), arm == 1 ? alone[0][row] : Cell(nullptr));
  }
  EXPECT_TRUE(drawn > 500 && drawn < 700) << drawn;
  EXPECT_TRUE(scores.first_ns > 0 && scores.second_ns > 0) << scores.first_ns << " " << scores.second_ns;
}

TEST_F(InferArms, AShareOfFivePercentIsFivePercentOfTheKeysAndARampUpMovesNone) {
  constexpr size_t kKeys = 100'000, kBatch = 1000;
  const std::vector<double> shares = {0.05, 0.25, 1.0};
  for (uint32_t i = 0; i < 3; ++i) case_.Add(i + 1, CanaryOf(case_.one, case_.two, shares[i]));
  std::vector<std::vector<uint8_t>> drawn(3);
  for (size_t first = 0; first < kKeys; first += kBatch) {
    for (uint32_t i = 0; i < 3; ++i) {
      case_.FillKeys(kBatch, 4, first);
      ASSERT_TRUE(Run(i + 1).ok());
      const std::vector<uint8_t>& batch = case_.scores().answered;
      drawn[i].insert(drawn[i].end(), batch.begin(), batch.end());
    }
  }
  size_t changed = 0, differs = 0;
  for (size_t key = 0; key < kKeys; ++key) {
    changed += drawn[0][key] > drawn[1][key] || drawn[1][key] > drawn[2][key] ? 1 : 0;
    differs += drawn[0][key] != ArmOfKey(key, 0.05) ? 1 : 0;
  }
  EXPECT_EQ(changed, 0U);
  EXPECT_EQ(differs, 0U);
  const double share = static_cast<double>(std::ranges::count(drawn[0], 1)) / kKeys;
  std::printf("[ measured ] share of arm 1: %.4f of 0.05, of 100,000 keys\n", share);
  EXPECT_NEAR(share, 0.05, 0.003);
  EXPECT_EQ(std::ranges::count(drawn[2], 0), 0);
}

TEST_F(InferArms, ARecordWithoutAKeyDrawsByItsId) {
  case_.Add(1, CanaryOf(case_.one, case_.two, 0.5));
  GenerationRecord by_record = CanaryOf(case_.one, case_.two, 0.5);
  by_record.by_record = true;
  case_.Add(2, by_record);
  std::vector<Cell> cells;
  for (int64_t i = 0; i < 200; ++i) {
    runner_.AddRow({.key = i % 2 == 0 ? "same" : "", .has_key = i % 2 == 0, .partition = 3, .offset = 1000 + i});
    cells.emplace_back(i % 4);
  }
  runner_.Fill("x", cells);
  const auto by_id = [](uint32_t row) { return DrawnNumber(7, "in/3/" + std::to_string(1000 + row)) < 0.5; };
  const bool same = DrawnNumber(7, "same") < 0.5;
  ASSERT_TRUE(Run(1).ok());
  for (uint32_t row = 0; row < 200; ++row) ASSERT_EQ(case_.scores().drawn[row], row % 2 == 0 ? same : by_id(row));
  ASSERT_TRUE(Run(2).ok());
  for (uint32_t row = 0; row < 200; ++row) ASSERT_EQ(case_.scores().drawn[row], by_id(row) ? 1 : 0);
}

TEST_F(InferArms, WhatTheCandidateFailsIsAnsweredByTheServingVersion) {
  constexpr size_t kKeys = 400;
  case_.Add(1, CanaryOf(case_.one, case_.two, 0.5));
  case_.FillKeys(kKeys, 8);  // the candidate fails x from 4 on
  ASSERT_TRUE(Run(1).ok());
  EXPECT_TRUE(runner_.errors().empty());
  const ArmScores& scores = case_.scores();
  size_t fell = 0;
  for (uint32_t row = 0; row < kKeys; ++row) {
    const bool drew = ArmOfKey(row, 0.5) == 1, fails = drew && case_.x(row) >= 4;
    fell += fails ? 1 : 0;
    ASSERT_EQ(runner_.outcome(row), Outcome::kOk);
    ASSERT_EQ(runner_.Value("y", row), Cell(static_cast<double>(case_.x(row)) + (drew && !fails ? 20 : 10)));
    ASSERT_EQ(runner_.Value("version", row), Cell(drew && !fails ? "2" : "1"));
    ASSERT_EQ(runner_.Value("arm", row), Cell(drew ? "2" : "1"));
    ASSERT_EQ(scores.drawn[row], drew ? 1 : 0);
    ASSERT_EQ(scores.answered[row], drew && !fails ? 1 : 0);
    ASSERT_EQ(scores.paired[row], drew ? 1 : 0);
    ASSERT_EQ(scores.other_outcome[row], fails ? Outcome::kFailed : Outcome::kOk);
    ASSERT_EQ(ReadCell(scores.other[0], row).is_null(), fails || !drew);
  }
  EXPECT_GT(fell, 50U);
}

TEST_F(InferArms, ACandidateThatFailsWholeCallsFailsNoStage) {
  const ModelVersion refuses = managed_.registry.Pack("4", RefusingModel());
  case_.Add(1, CanaryOf(case_.one, refuses, 0.5), {case_.one, refuses});
  for (int turn = 0; turn < 2; ++turn) {
    case_.FillKeys(100);
    const Status status = Run(1);
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_TRUE(runner_.errors().empty());
    const std::string& notice = case_.rows().notice;
    EXPECT_EQ(notice.find("model m@4") != std::string::npos && notice.find("m@1 answers") != std::string::npos,
              turn == 0)
        << notice;
    const ArmScores& scores = case_.scores();
    for (uint32_t row = 0; row < 100; ++row) {
      ASSERT_EQ(runner_.Value("y", row), Cell(10.0 + static_cast<double>(case_.x(row))));
      ASSERT_EQ(scores.answered[row], 0);
      ASSERT_EQ(scores.paired[row], scores.drawn[row]);
      ASSERT_EQ(scores.other_outcome[row], scores.drawn[row] == 1 ? Outcome::kFailed : Outcome::kOk);
    }
    EXPECT_GT(std::ranges::count(scores.drawn, 1), 30);
    EXPECT_EQ(scores.second_ns, -1);
    ASSERT_EQ(scores.other.size(), 1U);
    EXPECT_EQ(std::ranges::count(scores.other[0].states(), kValid), 0);
  }
}

TEST_F(InferArms, ARowThatBothArmsFailFailsAsTheServingVersionSays) {
  case_.Add(1, CanaryOf(case_.one, case_.two, 1));
  runner_.Fill("x", {0, 99, 5, nullptr});
  ASSERT_TRUE(Run(1).ok());
  EXPECT_EQ(runner_.Values("y"), (std::vector<Cell>{20.0, nullptr, 15.0, nullptr}));
  EXPECT_EQ(runner_.Values("arm"), (std::vector<Cell>{"2", nullptr, "2", nullptr}));
  ASSERT_EQ(runner_.errors().size(), 2U);
  EXPECT_NE(runner_.ErrorText(1).find("model m@1"), std::string::npos) << runner_.ErrorText(1);
  EXPECT_EQ(runner_.outcome(1), Outcome::kFailed);
  EXPECT_EQ(case_.scores().answered, (std::vector<uint8_t>{1, 0, 0, 0}));
  EXPECT_EQ(case_.scores().paired, (std::vector<uint8_t>{1, 1, 1, 1}));
  EXPECT_EQ(case_.scores().other_outcome,
            (std::vector<Outcome>{Outcome::kOk, Outcome::kFailed, Outcome::kFailed, Outcome::kFailed}));
}

TEST_F(InferArms, WhatOnlyTheServingVersionFailsIsAnsweredByTheCandidate) {
  case_.Add(1, CanaryOf(case_.two, case_.one, 1));
  runner_.Fill("x", {0, 5});
  ASSERT_TRUE(Run(1).ok());
  EXPECT_EQ(runner_.Values("y"), (std::vector<Cell>{10.0, 15.0}));
  EXPECT_TRUE(runner_.errors().empty());
  EXPECT_EQ(case_.scores().answered, (std::vector<uint8_t>{1, 1}));
  EXPECT_EQ(case_.scores().other_outcome, (std::vector<Outcome>{Outcome::kOk, Outcome::kFailed}));
  EXPECT_EQ(ReadCells(case_.scores().other[0]), (std::vector<Cell>{20.0, nullptr}));
}

TEST_F(InferArms, AServingVersionThatFailsWholeCallsStopsTheStageUnlessTheCandidateAnswersAll) {
  const ModelVersion refuses = managed_.registry.Pack("4", RefusingModel());
  case_.Add(1, CanaryOf(refuses, case_.one, 0.5), {case_.one, refuses});
  case_.Add(2, CanaryOf(refuses, case_.one, 1), {});
  case_.FillKeys(50);
  EXPECT_EQ(Run(1).code(), Code::kStage);
  ASSERT_TRUE(Run(2).ok());
  EXPECT_EQ(std::ranges::count(case_.scores().other_outcome, Outcome::kFailed), 50);
}

TEST_F(InferArms, ABanditDrawsByItsProbabilities) {
  constexpr size_t kKeys = 3000;
  const std::vector<double> shares = {0.2, 0.5, 0.3};
  case_.Add(1, BanditOf({case_.one, case_.two, case_.three}, shares));
  case_.FillKeys(kKeys, 8);
  ASSERT_TRUE(Run(1).ok());
  EXPECT_TRUE(runner_.errors().empty());
  const ArmScores& scores = case_.scores();
  std::vector<size_t> drawn(3);
  for (uint32_t row = 0; row < kKeys; ++row) {
    const double u = DrawnNumber(7, "k" + std::to_string(row));
    const size_t arm = u < 0.2 ? 0 : u < 0.7 ? 1 : 2;
    const size_t answers = arm == 1 && case_.x(row) >= 4 ? 0 : arm;  // version 2 fails it
    ++drawn[arm];
    ASSERT_TRUE(scores.drawn[row] == arm && scores.answered[row] == answers && scores.paired[row] == 0);
    ASSERT_EQ(runner_.Value("y", row),
              Cell(10.0 * (static_cast<double>(answers) + 1) + static_cast<double>(case_.x(row))));
    ASSERT_EQ(runner_.Value("arm", row), Cell(std::to_string(arm + 1)));
    ASSERT_EQ(runner_.Value("version", row), Cell(std::to_string(answers + 1)));
    ASSERT_EQ(runner_.Value("propensity", row), Cell(shares[arm]));
  }
  for (size_t arm = 0; arm < 3; ++arm) EXPECT_NEAR(static_cast<double>(drawn[arm]) / kKeys, shares[arm], 0.04);
  EXPECT_TRUE(scores.columns.empty() && scores.other.empty());
}

TEST_F(InferArms, RowsOfOneBatchMayBeOfGenerationsOfEveryRule) {
  case_.Add(1, RecordOf(case_.three));
  case_.Add(2, BanditOf({case_.one, case_.three}, {0.5, 0.5}));
  case_.Add(3, CanaryOf(case_.one, case_.two, 0.5));
  case_.Add(4, ShadowOf(case_.one, case_.two, 1));
  std::vector<Cell> cells;
  for (int i = 0; i < 80; ++i) {
    runner_.AddRow({.key = "k" + std::to_string(i), .partition = i % 2, .offset = i});
    cells.emplace_back(i == 45 ? 99 : i % 4);
  }
  runner_.Fill("x", cells);
  RecordBatch& batch = runner_.batch();
  batch.positions = {{batch.partition[0], 0, 80, ScoringFrom(4, 40, 1)},
                     {batch.partition[1], 0, 80, ScoringFrom(3, 40, 2)}};
  const Status status = runner_.Run();
  ASSERT_TRUE(status.ok()) << status.message();
  ASSERT_EQ(runner_.errors().size(), 1U);
  for (uint32_t row = 0; row < 80; ++row) {
    const size_t first = ArmOfKey(row, 0.5), second = DrawnNumber(7, "k" + std::to_string(row)) < 0.5 ? 0 : 1;
    const int generation = row % 2 == 0 ? (row < 40 ? 1 : 4) : (row < 40 ? 2 : 3);
    const int version = generation == 1   ? 3
                        : generation == 4 ? 1
                        : generation == 3 ? static_cast<int>(1 + first)
                                          : static_cast<int>(1 + 2 * second);
    if (row == 45) continue;
    ASSERT_EQ(runner_.Value("y", row), Cell(10.0 * version + static_cast<double>(case_.x(row)))) << row;
    ASSERT_EQ(runner_.Value("version", row), Cell(std::to_string(version)));
    ASSERT_EQ(runner_.Value("generation", row), Cell(generation));
    ASSERT_EQ(runner_.Value("propensity", row), Cell(row % 2 == 0 ? 1.0 : 0.5));
    ASSERT_EQ(case_.rows().versions[case_.rows().version[row]], "m@" + std::to_string(version));
  }
  ASSERT_EQ(case_.rows().arms.size(), 2U);  // the shadow has not scored yet
  for (const auto& scores : case_.rows().arms) {
    for (uint32_t row = 0; row < 80; ++row) {
      const bool own = row % 2 == 1 && (scores->generation == GenerationId(2)) == (row < 40);
      ASSERT_EQ(scores->drawn[row] == ArmScores::kNoArm, !own);
      ASSERT_EQ(scores->answered[row] == ArmScores::kNoArm, !own);
    }
  }
  auto node = runner_.program()->Open();
  ASSERT_TRUE(node.ok());
  ASSERT_TRUE((*node)->AfterHandOver({batch, 1, case_.rows().active, 80, INT64_MAX}).ok());
  ASSERT_EQ(case_.rows().arms.size(), 3U);
  const ArmScores& shadow = case_.scores(2);
  EXPECT_EQ(shadow.generation, GenerationId(4));
  EXPECT_EQ(std::ranges::count(shadow.paired, 1), 20);
  EXPECT_EQ(shadow.first_ns, -1);  // the calls were of other generations as well
}

TEST_F(InferArms, AReplayedRowDrawsTheSameArm) {
  case_.Add(1, CanaryOf(case_.one, case_.two, 0.5));
  for (int i = 0; i < 64; ++i) {
    runner_.ClearRows();
    runner_.AddRow({.has_key = false, .partition = 5, .offset = i});
    runner_.Fill("x", {1});
    RecordBatch& batch = runner_.batch();
    batch.positions = {{batch.partition[0], i, i + 1, ScoringFrom(1)}};
    ASSERT_TRUE(runner_.Run().ok());
    const Cell first = runner_.Value("version", 0);
    batch.positions = {{PartitionId(uint32_t{batch.partition[0]} + 1), 900, 901, ScoringFrom(1)}};
    batch.encoded.replayed = std::make_shared<ReplayedLetter>();
    ASSERT_TRUE(runner_.Run().ok());
    batch.encoded.replayed = nullptr;
    ASSERT_EQ(runner_.Value("version", 0), first);
    ASSERT_EQ(first, Cell(DrawnNumber(7, "in/5/" + std::to_string(i)) < 0.5 ? "2" : "1"));
  }
}

TEST_F(InferArms, TheArmsOfGenerationsThatAreInUseStayLoaded) {
  case_.Add(1, RecordOf(case_.three));
  case_.Add(2, CanaryOf(case_.one, case_.two, 0.5));
  case_.FillKeys(40);
  managed_.managed().Forget(GenerationId(2), {});
  ASSERT_TRUE(Run(2).ok());
  EXPECT_EQ(Run(1).code(), Code::kInternal);
  managed_.managed().Add(GenerationId(3), RecordOf(case_.three));  // given up: not prepared any more
  EXPECT_EQ(Run(3).code(), Code::kInternal);
}

TEST_F(InferArms, AGenerationWithoutOneOfItsArmsScoresNothing) {
  case_.Add(1, CanaryOf(case_.one, case_.two, 0.5), {case_.one});
  case_.FillKeys(10);
  EXPECT_EQ(Run(1).code(), Code::kInternal);
}

// Loops for ever where x is 1.
TEST(InferArmTimes, ACandidateThatIsLateLeavesTheServingVersionItsTime) {
  constexpr int64_t kLimitNs = 600'000'000;
  ManagedCase managed;
  const ModelVersion one = managed.registry.Pack("1", IntegerTableModel());
  const ModelVersion slow = managed.registry.Pack(
      "2", LoopModel(), R"({"set": {"turns": "x == 1 ? 4000000000000000000 : x"}, "order": ["turns"]})");
  ASSERT_TRUE(managed.Bind({{"y", "Y"}})) << managed.runner.FaultText();
  ASSERT_TRUE(managed.managed().Prepare(one).ok());
  const Status prepared = managed.managed().Prepare(slow);
  ASSERT_TRUE(prepared.ok()) << prepared.message();
  managed.managed().Add(GenerationId(1), CanaryOf(one, slow, 1));
  managed.runner.Fill("x", {0, 1, 2, 3});
  RecordBatch& batch = managed.runner.batch();
  batch.positions = {{batch.partition[0], 0, 4, ScoringFrom(1)}};
  const Status status = managed.runner.Run(Clock::Real().NowNs() + kLimitNs);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(managed.runner.Values("y"), (std::vector<Cell>{10, 20, 30, 40}));
  EXPECT_TRUE(managed.runner.errors().empty());
  const ArmScores& scores = *batch.stages[1].arms.at(0);
  EXPECT_EQ(scores.answered, (std::vector<uint8_t>{0, 0, 0, 0}));
  EXPECT_EQ(scores.other_outcome, std::vector<Outcome>(4, Outcome::kTimedOut));
}

}  // namespace
}  // namespace anabranch
