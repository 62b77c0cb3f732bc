#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstring>
#include <filesystem>
#include <limits>
#include <random>

#include "connectors/feedback/feedback_target.h"
#include "engine/lane_context.h"
#include "engine/models/bandit_learner.h"
#include "engine/models/control_view.h"
#include "engine/strategy/draw.h"
#include "engine/testing/needed_rows.h"

namespace anabranch {
namespace {

using EntryKind = ControlEntry::Kind;

struct Given {
  int64_t offset;
  std::string id;
  double reward;
  std::string key = "k";
};

class FeedbackTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "feedback_test.XXXXXX").string();
    root_ = mkdtemp(name.data());
    log_ = OpenLocalControlLog(root_.string()).value();
    lane_.partitions = &table_;
    lane_.cancel = &cancel_;
    partition_ = table_.Find({"clicks", 0}).value();
    spec_.arms = {"1", "2", "3"};
    Begin(0.2, 0.3, 0.5);
    Serves("asked/0", first_, 0);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  uint32_t Append(const ControlEntry& entry) { return log_->Append(entry).value(); }
  void Begin(double a, double b, double c) {
    ControlEntry entry;
    entry.kind = EntryKind::kActive;
    entry.action = "start";
    entry.generation = FirstDraws(spec_, "rank", {{"1", "d1"}, {"2", "d2"}, {"3", "d3"}}, "seed");
    entry.generation.probabilities = {a, b, c};
    first_ = newest_ = Append(entry);
    record_ = entry.generation;
  }
  void Step(GenerationRecord record, const char* action = "learn") {
    ControlEntry entry;
    entry.kind = EntryKind::kStep;
    entry.action = action;
    entry.after = newest_;
    entry.generation = std::move(record);
    newest_ = Append(entry);
  }
  void Serves(const std::string& partition, uint32_t number, int64_t since) {
    ControlEntry entry;
    entry.kind = EntryKind::kServes;
    entry.partition = partition;
    entry.generation_number = number;
    entry.position = since;
    Append(entry);
  }

  // As a process that was just started.
  std::unique_ptr<Committer> Open() {
    views_.push_back(std::make_unique<ControlView>(OpenLocalControlLog(root_.string()).value()));
    lanes_.push_back(std::make_unique<LaneContext>(lane_));
    lanes_.back()->control = views_.back().get();
    auto committer = MakeFeedbackCommitter(*lanes_.back(), TargetId(0), program_);
    EXPECT_TRUE(committer->Open().ok());
    EXPECT_TRUE(committer->Progress(std::vector{partition_}).ok());
    return committer;
  }
  EncodedBatch Rows(const std::vector<Given>& given, int64_t next) {
    EncodedBatch batch;
    batch.Clear(1);
    for (const Given& each : given) {
      EncodedRows& rows = batch.targets[0];
      EncodedRows::Row row;
      row.partition = partition_;
      row.offset = each.offset;
      row.key = rows.Here();
      row.key_size = static_cast<uint32_t>(each.key.size());
      rows.bytes.append(each.key);
      row.value = rows.Here();
      AppendReward({each.id, each.reward, !each.id.empty(), true}, &rows.bytes);
      row.value_size = rows.Here() - row.value;
      rows.AddRow(row, 0, row.key);
    }
    batch.positions = {{partition_, given.empty() ? next : given.front().offset, next}};
    return batch;
  }
  Status Commit(Committer& committer, const EncodedBatch& batch) {
    const EncodedBatch needed = NeededRows(committer, batch);
    RETURN_IF_ERROR(committer.Write(needed));
    return committer.Commit({1, batch.positions});
  }
  ControlState Read() {
    ControlState state;
    const std::vector<ControlEntry> entries = log_->Read(0, 0).value();
    for (const ControlEntry& entry : entries) state.Apply(entry);
    return state;
  }
  RewardTotals Totals() { return BanditOf(Read(), "rank").value().totals; }
  int64_t Counted() {
    int64_t rewards = 0;
    for (const ArmTotals& arm : Totals().ByArm()) rewards += arm.rewards;
    return rewards;
  }
  std::string Stored() { return Read().RewardsOf("rank")->at("clicks/0").rewards; }

  std::filesystem::path root_;
  std::unique_ptr<ControlLog> log_;
  std::vector<std::unique_ptr<ControlView>> views_;
  std::vector<std::unique_ptr<LaneContext>> lanes_;
  LaneContext lane_;
  SourceTable table_;
  CancelToken cancel_;
  PartitionId partition_;
  BanditSpec spec_;
  GenerationRecord record_;
  uint32_t first_ = 0, newest_ = 0;
  const FeedbackTargetProgram program_{"rank", BanditPolicy(), {}, {}};
};

std::string Asked(int64_t offset) { return "asked/0/" + std::to_string(offset); }

TEST_F(FeedbackTest, ARewardGoesToTheArmThatItsRecordDrewInTheGenerationThatScoredIt) {
  GenerationRecord second = record_;
  second.probabilities = {0.8, 0.1, 0.1};
  Step(second);
  Serves("asked/0", newest_, 100);
  std::vector<ArmTotals> expected(3);
  std::vector<Given> given;
  for (int64_t i = 0; i < 200; ++i) {
    const std::string key = "key" + std::to_string(i * 7919);
    const BanditGeneration generation{i < 100 ? record_ : second, first_};
    const std::string_view view = key;
    const size_t arm = generation.ArmFor(&view, Asked(i));
    EXPECT_EQ(arm, ArmOf(Draw(record_.salt, key), generation.record.probabilities));
    ++expected[arm].plays;
    expected[arm].Reward(i % 3 == 0 ? 1 : 0);
    given.push_back({i, i % 2 == 0 ? Asked(i) : Asked(i) + "/out", i % 3 == 0 ? 1.0 : 0.0, key});
  }
  const auto committer = Open();
  ASSERT_TRUE(Commit(*committer, Rows(given, 200)).ok());
  EXPECT_EQ(Totals().ByArm(), expected);
  EXPECT_EQ(Totals().unmatched, 0);
}

TEST_F(FeedbackTest, WhateverIsWrittenAgainCountsOnce) {
  std::vector<Given> given;
  for (int64_t i = 0; i < 300; ++i)
    given.push_back({i, Asked(i), 0.1 * static_cast<double>(i % 11), "k" + std::to_string(i)});
  const auto part = [&](int64_t from, int64_t to) { return Rows({given.begin() + from, given.begin() + to}, to); };
  auto one = Open();
  ASSERT_TRUE(Commit(*one, part(0, 300)).ok());
  // The commit was in doubt, and its rows are written once more.
  ASSERT_TRUE(one->Write(part(0, 300)).ok());
  ASSERT_TRUE(one->Commit({1, {{partition_, 0, 300}}}).ok());
  EXPECT_EQ(Counted(), 300);
  const std::string whole = Stored();
  std::filesystem::remove_all(root_ / "models.db");
  for (const uint32_t seed : {1U, 2U, 3U, 4U, 5U}) {
    std::filesystem::remove_all(root_);
    log_ = OpenLocalControlLog(root_.string()).value();
    Begin(0.2, 0.3, 0.5);
    Serves("asked/0", first_, 0);
    std::mt19937 random(seed);
    std::vector<std::unique_ptr<Committer>> owners;
    for (int i = 0; i < 3; ++i) owners.push_back(Open());
    int64_t most = 0;
    while (most < 300) {
      // Any owner, also one that was replaced, from where the log was when it looked last, or before.
      if (random() % 4 == 0) owners[random() % owners.size()] = Open();
      Committer& owner = *owners[random() % owners.size()];
      const int64_t stored = std::max<int64_t>(0, WantedBy(owner, {partition_})[0]);
      const int64_t from = std::max<int64_t>(0, stored - static_cast<int64_t>(random() % 20));
      const int64_t to = std::min<int64_t>(300, stored + 1 + static_cast<int64_t>(random() % 40));
      ASSERT_TRUE(Commit(owner, part(from, to)).ok());
      most = std::max(most, to);
      EXPECT_EQ(Counted(), most);
    }
    EXPECT_EQ(Stored(), whole);
  }
}

TEST_F(FeedbackTest, WhatAReplacedOwnerAppendsLateIsBehindAndHarmless) {
  auto old = Open();
  auto now = Open();
  ASSERT_TRUE(now->Write(Rows({{0, Asked(0), 1}, {1, Asked(1), 1}, {2, Asked(2), 1}}, 3)).ok());
  ASSERT_TRUE(now->Commit({1, {{partition_, 0, 3}}}).ok());
  ASSERT_TRUE(old->Write(Rows({{0, Asked(0), 1}}, 1)).ok());
  ASSERT_TRUE(old->Commit({1, {{partition_, 0, 1}}}).ok());
  // The local log keeps the newest entry only: it says less. Whoever goes on from there comes to the same.
  auto next = Open();
  const int64_t position = WantedBy(*next, {partition_})[0];
  std::vector<Given> rest;
  for (int64_t i = position; i < 5; ++i) rest.push_back({i, Asked(i), 1});
  ASSERT_TRUE(Commit(*next, Rows(rest, 5)).ok());
  EXPECT_EQ(Counted(), 5);
}

TEST_F(FeedbackTest, RewardsOfStrangersAreCountedAsSuch) {
  Serves("other/0", first_, 50);
  const auto committer = Open();
  cancel_.Raise(CancelToken::kNone);
  ASSERT_TRUE(Commit(*committer, Rows({{0, Asked(0), 1}, {1, "other/0/49", 1}, {2, "other/0/50", 1}}, 3)).ok());
  EXPECT_EQ(Counted(), 2);
  EXPECT_EQ(Totals().unmatched, 1);  // nobody knows what scored it
}

TEST_F(FeedbackTest, ABanditThatBeginsAnewForgetsAndTakesNothingOfTheOneBefore) {
  const auto committer = Open();
  ASSERT_TRUE(Commit(*committer, Rows({{0, Asked(0), 1}}, 1)).ok());
  EXPECT_EQ(Counted(), 1);
  Step(FirstDraws(spec_, "rank", record_.arms, "another seed"), "promote");
  Serves("asked/0", newest_, 10);
  EXPECT_EQ(Counted(), 0);
  ASSERT_TRUE(Commit(*committer, Rows({{1, Asked(10), 1}, {2, Asked(9), 1}, {3, Asked(11), 1}}, 4)).ok());
  EXPECT_EQ(Counted(), 2);
  EXPECT_EQ(Totals().unmatched, 1);  // the record before belongs to the old one
  EXPECT_EQ(Totals().began, newest_);
}

TEST_F(FeedbackTest, BadRewardsAreRefusedByName) {
  const auto committer = Open();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const EncodedBatch batch =
      Rows({{0, "nonsense", 1}, {1, "", 1}, {2, Asked(1), 2}, {3, Asked(1), nan}, {4, Asked(1), 1}}, 5);
  EXPECT_EQ(committer->Write(batch).code(), Code::kAborted);
  const std::vector<RefusedRow> refused = committer->TakeRefused();
  ASSERT_EQ(refused.size(), 4U);
  for (int64_t i = 0; i < 4; ++i) EXPECT_EQ(refused[static_cast<size_t>(i)].offset, i);
  EXPECT_NE(refused[0].reason.find("\"nonsense\""), std::string::npos);
  EXPECT_NE(refused[2].reason.find("0 to 1"), std::string::npos) << refused[2].reason;
  ASSERT_TRUE(Commit(*committer, Rows({{4, Asked(1), 1}}, 5)).ok());
  EXPECT_EQ(Counted(), 1);
}

TEST_F(FeedbackTest, ARewardWaitsUntilTheLogSaysWhichGenerationScoredItsRecord) {
  const auto committer = Open();
  GenerationRecord second = record_;
  second.probabilities = {0.01, 0.01, 0.98};
  Step(second);
  cancel_.Raise(CancelToken::kDrain);  // it stops soon
  const EncodedBatch batch = Rows({{0, Asked(500), 1}}, 1);
  EXPECT_EQ(Commit(*committer, batch).code(), Code::kCancelled);
  EXPECT_EQ(Counted(), 0);
  Serves("asked/0", newest_, 400);
  ASSERT_TRUE(Commit(*committer, batch).ok());
  const OffPolicy rounds = Totals().rounds;
  double weights = 0;
  for (const OffPolicy::Arm& arm : rounds.arms()) weights += arm.weight.value();
  const std::string_view key = "k";
  const size_t arm = BanditGeneration{second, first_}.ArmFor(&key, Asked(500));
  EXPECT_DOUBLE_EQ(weights, 1 / second.probabilities[arm]);
}

// The partition switches with the commit that would wait for it.
TEST_F(FeedbackTest, ARewardOfARecordOfItsOwnTopicWaitsForNothingAndIsAStrangers) {
  Serves("clicks/0", first_, 0);
  const auto committer = Open();
  ASSERT_TRUE(Commit(*committer, Rows({{7, "clicks/0/5", 1}}, 8)).ok());
  GenerationRecord second = record_;
  second.probabilities = {0.1, 0.1, 0.8};
  Step(second);
  ASSERT_TRUE(Commit(*committer, Rows({{9, "clicks/0/6", 1}}, 10)).ok());
  EXPECT_EQ(Counted(), 0);
  EXPECT_EQ(Totals().unmatched, 2);
}

TEST_F(FeedbackTest, TotalsAreReadBackToTheLastBit) {
  RewardTotals totals;
  totals.Restart(3, 2);
  std::mt19937 random(1);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(totals
                    .Reward(random() % 2, 0.01 + 0.9 * static_cast<double>(random()) / 4294967296.0,
                            static_cast<double>(random()) / 1e7)
                    .ok());
  }
  totals.unmatched = 4;
  totals.scoring = {GenerationId(7U), 12, GenerationId(0U), 99};
  const auto read = RewardTotals::Parse(totals.Print());
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->Print(), totals.Print());
  EXPECT_EQ(read->ByArm(), totals.ByArm());
  EXPECT_EQ(read->scoring.since, 12);
  for (const char* text : {"", "{}", "[]", R"({"began":1,"arms":[{"rewards":-1,"sums":[]}],"unmatched":0})"}) {
    EXPECT_EQ(RewardTotals::Parse(text).status().code(), Code::kInvalid) << text;
  }
}

// ------------------------------------------------------------------ learning

class LearningTest : public FeedbackTest {
 protected:
  void Earn(size_t arm, int64_t rewards, int64_t hits) {
    for (int64_t i = 0; i < rewards; ++i) ASSERT_TRUE(totals_.Reward(arm, 0.3, i < hits ? 1 : 0).ok());
  }
  BanditStatus Status() {
    ControlEntry entry;
    entry.kind = EntryKind::kRewards;
    entry.model = "rank";
    entry.partition = "clicks/0";
    entry.position = ++position_;
    entry.rewards = totals_.Print();
    Append(entry);
    return BanditOf(Read(), "rank").value();
  }
  void SetUp() override {
    FeedbackTest::SetUp();
    totals_.Restart(first_, 3);
  }
  RewardTotals totals_;
  int64_t position_ = 0;
};

TEST_F(LearningTest, FollowsTheRewardsOnceATimeWhenTheyMoved) {
  Earn(0, 100, 50);
  Earn(1, 100, 50);
  Earn(2, 100, 90);
  const BanditStatus status = Status();
  EXPECT_FALSE(NextLesson(status, spec_, status.since_ms + 999));
  const auto lesson = NextLesson(status, spec_, status.since_ms + 1000);
  ASSERT_TRUE(lesson);
  EXPECT_EQ(lesson->action, "learn");
  EXPECT_EQ(lesson->after, first_);
  EXPECT_EQ(lesson->generation.salt, record_.salt);
  EXPECT_EQ(lesson->generation.probabilities, Probabilities(spec_.policy, status.totals.ByArm()));
  EXPECT_GT(lesson->generation.probabilities[2], 0.9);
  Step(lesson->generation);
  EXPECT_FALSE(NextLesson(Status(), spec_, INT64_MAX)) << "nothing moved";
}

TEST_F(LearningTest, EndsWithTheBestOneWhereTheFileSaysSo) {
  spec_.stop_when = StopRule{0.99, 100};
  Earn(0, 100, 20);
  Earn(1, 99, 90);
  Earn(2, 100, 20);
  EXPECT_EQ(NextLesson(Status(), spec_, INT64_MAX)->action, "learn") << "one has too few rewards";
  Earn(1, 1, 1);
  const auto lesson = NextLesson(Status(), spec_, INT64_MAX);
  ASSERT_TRUE(lesson);
  EXPECT_EQ(lesson->action, "promote");
  EXPECT_EQ(lesson->generation.rule, ArmRule::kOne);
  EXPECT_EQ(lesson->generation.arms.front().version, "2");
  EXPECT_NE(lesson->reason.find("version 2 is the best one with probability 1.0000"), std::string::npos);
}

TEST_F(LearningTest, LeavesOtherVersionsAlone) {
  Earn(2, 100, 90);
  BanditSpec other = spec_;
  other.arms = {"1", "2", "4"};
  EXPECT_FALSE(NextLesson(Status(), other, INT64_MAX));
  EXPECT_TRUE(NextLesson(Status(), spec_, INT64_MAX));
}

TEST_F(LearningTest, ALessonDoesNotEndADeployment) {
  ControlEntry prepare;
  prepare.kind = EntryKind::kPrepare;
  prepare.deployment = "d";
  prepare.generation.model = "rank";
  prepare.generation.arms = {{"9", "d9"}};
  Append(prepare);
  Earn(2, 100, 90);
  const auto lesson = NextLesson(Status(), spec_, INT64_MAX);
  ASSERT_TRUE(lesson);
  Append(*lesson);
  EXPECT_EQ(Read().Newest("rank")->number, first_);
  EXPECT_NE(Read().Open("rank"), nullptr);
}

}  // namespace
}  // namespace anabranch
