#include <gtest/gtest.h>

#include <algorithm>

#include "nodes/infer/arms.h"
#include "tests/nodes/infer/arm_case.h"

// Generations in which the time of a record says which version scores it.

namespace anabranch {
namespace {

constexpr int64_t kCutMs = 1'700'000'000'000;

class InferEventTime : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(case_.Bind()) << runner_.FaultText(); }

  static GenerationRecord CutOf(const ModelVersion& before, const ModelVersion& from, int64_t time_us) {
    GenerationRecord record = RecordOf(before);
    record.arms.push_back({from.version, from.digest});
    record.rule = ArmRule::kEventTime;
    record.from_time = time_us;
    return record;
  }

  // A row of partition 0 for each time, with x = 0, 1, 2, 3 in turn.
  void FillTimes(const std::vector<int64_t>& times) {
    runner_.ClearRows();
    std::vector<Cell> cells;
    for (const int64_t time : times) {
      cells.emplace_back(static_cast<int64_t>(cells.size()) % 4);
      runner_.AddRow({.timestamp_ms = time});
    }
    runner_.Fill("x", cells);
  }

  void ExpectVersions(const std::vector<std::string>& versions) {
    ASSERT_EQ(runner_.batch().rows(), versions.size());
    for (uint32_t row = 0; row < versions.size(); ++row) {
      const std::string& version = versions[row];
      EXPECT_EQ(runner_.Value("y", row), Cell(10.0 * std::stoi(version) + static_cast<double>(case_.x(row)))) << row;
      EXPECT_EQ(runner_.Value("version", row), Cell(version)) << row;
      EXPECT_EQ(runner_.Value("arm", row), Cell(version)) << row;
      EXPECT_EQ(runner_.Value("propensity", row), Cell(1.0)) << row;
      if (case_.rows().versions.empty()) {
        EXPECT_EQ(version, "1") << row << ", the version of the file";
      } else {
        EXPECT_EQ(case_.rows().versions[case_.rows().version[row]], "m@" + version) << row;
      }
    }
    EXPECT_TRUE(case_.rows().arms.empty()) << "there is nothing to compare";
  }

  ArmCase case_;
  ManagedCase& managed_ = case_.managed;
  NodeRunner& runner_ = case_.runner;
};

TEST_F(InferEventTime, EachRecordIsScoredByTheVersionOfItsTime) {
  case_.Add(1, CutOf(case_.one, case_.two, kCutMs * 1000));
  FillTimes({kCutMs, kCutMs - 1, kCutMs + 5, 0, kCutMs - 1, kCutMs + 1, INT64_MAX});
  ASSERT_TRUE(managed_.RunFrom(ScoringFrom(1)).ok());
  ExpectVersions({"2", "1", "2", "1", "1", "2", "2"});
  EXPECT_EQ(runner_.Value("generation", 3), Cell(1));
  EXPECT_TRUE(case_.rows().tally.empty());
  for (const auto& [time, version] : {std::pair(kCutMs - 1, "1"), std::pair(kCutMs, "2")}) {
    FillTimes({time, time, time});
    ASSERT_TRUE(managed_.RunFrom(ScoringFrom(1)).ok());
    ExpectVersions({version, version, version});
  }
}

TEST_F(InferEventTime, TimesWithinAMillisecondCount) {
  case_.Add(1, CutOf(case_.one, case_.two, kCutMs * 1000 + 1));
  FillTimes({kCutMs, kCutMs + 1});
  ASSERT_TRUE(managed_.RunFrom(ScoringFrom(1)).ok());
  ExpectVersions({"1", "2"});
}

TEST_F(InferEventTime, RecordsWithoutATimeAreScoredByTheNewVersionAndCounted) {
  case_.Add(1, CutOf(case_.one, case_.two, kCutMs * 1000));
  for (const bool first : {true, false}) {
    FillTimes({-1, kCutMs - 1, -1});
    ASSERT_TRUE(managed_.RunFrom(ScoringFrom(1)).ok());
    ExpectVersions({"2", "1", "2"});
    EXPECT_EQ(case_.rows().tally, std::vector<uint32_t>{2});
    const std::string& notice = case_.rows().notice;
    EXPECT_EQ(notice.find("2 records of a batch have no time") != std::string::npos, first) << notice;
    EXPECT_EQ(notice.find("m@2") != std::string::npos, first) << notice;
    case_.rows().notice.clear();
    case_.rows().tally.clear();
  }
  EXPECT_EQ(runner_.program()->Tallies(), std::vector<std::string>{"no_time"});
}

TEST_F(InferEventTime, TheCutHoldsFromTheOffsetOnWhereItsGenerationBegan) {
  case_.Add(1, RecordOf(case_.three));
  case_.Add(2, CutOf(case_.three, case_.one, kCutMs * 1000));
  case_.Add(3, CutOf(case_.one, case_.two, (kCutMs + 10) * 1000));
  FillTimes({kCutMs + 20, kCutMs - 1, kCutMs + 20, kCutMs - 1, kCutMs, -1});
  ASSERT_TRUE(managed_.RunFrom(ScoringFrom(2, 2, 1)).ok());
  ExpectVersions({"3", "3", "1", "3", "1", "1"});
  ASSERT_TRUE(managed_.RunFrom(ScoringFrom(3, 4, 2)).ok());
  ExpectVersions({"1", "3", "1", "3", "1", "2"});
  EXPECT_EQ(runner_.Values("generation"), (std::vector<Cell>{2, 2, 2, 2, 3, 3}));
}

TEST_F(InferEventTime, AReplayedRecordHasTheVersionOfItsTime) {
  case_.Add(1, CutOf(case_.one, case_.two, kCutMs * 1000));
  FillTimes({kCutMs - 1, kCutMs});
  RecordBatch& batch = runner_.batch();
  batch.positions = {{PartitionId(uint32_t{batch.partition[0]} + 1), 900, 902, ScoringFrom(1)}};
  batch.encoded.replayed = std::make_shared<ReplayedLetter>();
  ASSERT_TRUE(runner_.Run().ok());
  ExpectVersions({"1", "2"});
}

TEST_F(InferEventTime, ARowThatItsVersionFailsIsAnsweredByNoOther) {
  case_.Add(1, CutOf(case_.two, case_.one, kCutMs * 1000));  // version 2 fails what is above 3
  FillTimes({kCutMs, kCutMs - 1, kCutMs - 1});
  runner_.Fill("x", {5, 6, 1});
  ASSERT_TRUE(managed_.RunFrom(ScoringFrom(1)).ok());
  EXPECT_EQ(runner_.Values("y"), (std::vector<Cell>{15.0, nullptr, 21.0}));
  ASSERT_EQ(runner_.errors().size(), 1U);
  EXPECT_EQ(runner_.outcome(1), Outcome::kFailed);
}

TEST_F(InferEventTime, BothVersionsStayLoadedUntilALaterGenerationNeedsNeither) {
  case_.Add(1, CutOf(case_.one, case_.two, kCutMs * 1000));
  managed_.managed().Forget(GenerationId(1), {});
  FillTimes({kCutMs - 1, kCutMs});
  ASSERT_TRUE(managed_.RunFrom(ScoringFrom(1)).ok());
  ExpectVersions({"1", "2"});
  case_.Add(2, RecordOf(case_.three));
  managed_.managed().Forget(GenerationId(2), {});
  EXPECT_EQ(managed_.RunFrom(ScoringFrom(1)).code(), Code::kInternal);
  ASSERT_TRUE(managed_.RunFrom(ScoringFrom(2)).ok());
  ExpectVersions({"3", "3"});
}

TEST_F(InferEventTime, WhatThePlanSaysOfTheModelIsTheNewVersion) {
  case_.Add(1, CutOf(case_.one, case_.two, kCutMs * 1000));
  ASSERT_TRUE(runner_.program()->model().has_value());
  EXPECT_EQ(runner_.program()->model()->version, "2");
}

}  // namespace
}  // namespace anabranch
