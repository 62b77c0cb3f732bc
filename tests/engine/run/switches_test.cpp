// A switch of generations is part of a commit: whatever ends a run between two commit units, every record has one
// generation, the same in all targets, and the one that the history of switches says.
#include <atomic>

#include "tests/engine/run/switch_runs.h"

namespace anabranch {
namespace {

TEST_F(SwitchesTest, WithoutGenerationsNothingIsStampedOrCommittedInAddition) {
  outside.records = {3};
  Build();
  options.generations = nullptr;
  int commits = 0;
  outside.fault = [&](const std::string& unit, bool behind) {
    commits += unit == "a" && behind ? 1 : 0;
    return Status::Ok();
  };
  EXPECT_TRUE(RunOnce().status.ok());
  EXPECT_EQ(commits, 1);
  EXPECT_EQ(outside.units["a"].progress[Outside::Named(0)].scoring, Scoring());
  EXPECT_EQ((outside.units["b"].rows[{Outside::Named(0), 2}]), "0");
}

TEST_F(SwitchesTest, AnIdlePartitionCommitsItsSwitchToo) {
  outside.records = {4, 0};
  Build();
  generations.Activate();
  bool more = true;
  outside.poll = [&]() -> std::optional<SourceEvent> {
    if (generations.switches(Outside::Named(1)) > 0 && more) {
      more = false;
      generations.Activate();
    }
    return generations.At(Outside::Named(1), 0) < 2 ? std::optional(SourceEvent::kIdle) : std::nullopt;
  };
  ASSERT_TRUE(RunOnce().status.ok());
  for (const char* unit : {"a", "b"}) {
    const Outside::Place& idle = outside.units[unit].progress[Outside::Named(1)];
    EXPECT_EQ(idle.next, 0);
    EXPECT_EQ(idle.scoring.generation, 2);
  }
  ExpectOneGenerationPerRecord();
}

TEST_F(SwitchesTest, LanesRestWithEverythingCommittedWhileAVersionIsExchanged) {
  outside.records = {3000, 900};
  Outside second;
  second.records = {0, 700};
  beside = &second;
  options.workers = 3;
  Build();
  plan.plan().epoch.commit_ns = 5'000'000'000;  // an epoch stays open unless somebody closes it
  const GenerationId old = generations.Activate();
  std::atomic<int> polls{0};
  outside.poll = [&]() -> std::optional<SourceEvent> {
    if (++polls == 40) generations.SetRests(true);
    return std::nullopt;
  };
  const auto written = [&](const char* unit) {
    const MutexLock lock(outside.mutex);
    return outside.units[unit].rows.size();
  };
  std::thread exchange([&] {
    EXPECT_TRUE(Eventually([&] { return polls >= 40 && generations.AllRest(); }));
    const size_t before = written("a");
    EXPECT_GT(before, 0U);
    EXPECT_EQ(written("b"), before);
    generations.Unload(old);
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    EXPECT_EQ(written("a"), before);
    generations.Activate();
    generations.SetRests(false);
  });
  const RunSummary ended = RunOnce();
  exchange.join();
  EXPECT_TRUE(ended.status.ok()) << ended.status.message();
  EXPECT_EQ(written("a"), written("b"));
  EXPECT_EQ(not_ready, 0) << "a row was scored by a version that was unloaded";
}

// Otherwise every version that comes after it stays in memory.
TEST_F(SwitchesTest, NeitherALaneAtItsEndNorOneWithoutPartitionsHoldsAnOldGeneration) {
  outside.records = {4};
  Outside idle;
  beside = &idle;
  Build();
  generations.Activate();
  bool let_go = false;
  int polls = 0;
  idle.poll = [&]() -> std::optional<SourceEvent> {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (polls++ == 0) {
      EXPECT_TRUE(Eventually([&] {
        const MutexLock lock(outside.mutex);
        return outside.units["b"].rows.size() == 4;
      }));
      std::this_thread::sleep_for(std::chrono::milliseconds(50));  // the end of the input is seen
      generations.Activate();
    }
    let_go = let_go || generations.oldest_used() == 2;
    return let_go || polls > 2000 ? std::nullopt : std::optional(SourceEvent::kIdle);
  };
  ASSERT_TRUE(RunOnce().status.ok());
  EXPECT_TRUE(let_go);
  EXPECT_EQ(outside.units["a"].progress[Outside::Named(0)].next, 4);
  EXPECT_EQ(outside.units["a"].progress[Outside::Named(0)].scoring.generation, 2);
}

TEST_F(SwitchesTest, APartitionThatWasNeverReadHoldsNoOldGeneration) {
  outside.records = {4, 0};
  outside.positions = Outside::Positions::kStored;
  Build();
  generations.Activate();
  int polls = 0;
  bool let_go = false;
  outside.poll = [&]() -> std::optional<SourceEvent> {
    if (++polls == 2) generations.Activate();
    let_go = let_go || generations.oldest_used() == 2;
    if (polls < 2 || let_go || polls > 2000) return std::nullopt;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return SourceEvent::kIdle;
  };
  ASSERT_TRUE(RunOnce().status.ok());
  EXPECT_TRUE(let_go);
}

TEST_F(SwitchesTest, APlannedSwitchBeginsAtItsOffsetWithinABatch) {
  outside.records = {40};
  outside.take = [](int) { return int64_t{8}; };
  Build();
  generations.Activate();
  bool planned = false;
  outside.poll = [&]() -> std::optional<SourceEvent> {
    if (generations.switches(Outside::Named(0)) == 0) return SourceEvent::kIdle;
    if (!planned) generations.Activate({{Outside::Named(0), 19}});
    planned = true;
    return std::nullopt;
  };
  ASSERT_TRUE(RunOnce().status.ok());
  EXPECT_EQ((outside.units["a"].rows[{Outside::Named(0), 18}]), "1");
  EXPECT_EQ((outside.units["a"].rows[{Outside::Named(0), 19}]), "2");
  EXPECT_EQ(outside.units["b"].progress[Outside::Named(0)].scoring.since, 19);
  ExpectOneGenerationPerRecord();
}

// The first unit has an epoch with a switch, the second has not, and another generation is active in the run after.
class Killed : public SwitchesTest {
 protected:
  void RunTwice() {
    outside.records = {8};
    Build();
    generations.Activate();
    bool killed = false;
    outside.fault = [&](const std::string& unit, bool behind) {
      const MutexLock lock(outside.mutex);
      if (killed || unit != "a" || !behind || outside.units["a"].rows.empty()) return Status::Ok();
      killed = true;
      return Status(Code::kFenced, "killed");
    };
    EXPECT_EQ(RunOnce().status.code(), Code::kFenced);
    ASSERT_GT(outside.units["a"].rows.size(), outside.units["b"].rows.size());
    generations.Activate();
    outside.records = {30};
    ASSERT_TRUE(RunOnce().status.ok());
    EXPECT_EQ((outside.units["b"].rows[{Outside::Named(0), 29}]), "2");
  }
};

TEST_F(Killed, RowsThatOneTargetHasAreScoredAgainByTheGenerationThatItHas) {
  RunTwice();
  EXPECT_TRUE(generations.required().contains(GenerationId{1}));
  EXPECT_EQ((outside.units["b"].rows[{Outside::Named(0), 0}]), "1");
  ExpectOneGenerationPerRecord();
}

TEST_F(Killed, TargetsThatForgetTheirSwitchesDoNotAgree) {
  outside.forgets = true;
  RunTwice();
  EXPECT_NE(Wrong(), "");
}

TEST_F(SwitchesTest, APartitionThatWasCommittedWithANewerGenerationKeepsIt) {
  outside.records = {8};
  Build();
  for (const char* unit : {"a", "b"}) outside.units[unit].progress[Outside::Named(0)] = {4, {GenerationId{9}, 3, {}}};
  generations.Activate();
  outside.take = [](int) { return int64_t{2}; };
  ASSERT_TRUE(RunOnce().status.ok());
  EXPECT_EQ(generations.required(), std::set<GenerationId>{GenerationId{9}});
  EXPECT_EQ((outside.units["a"].rows[{Outside::Named(0), 7}]), "9");
  EXPECT_EQ(outside.units["a"].progress[Outside::Named(0)].scoring.since, 3);
}

// Another instance, or the same one without its log.
TEST_F(SwitchesTest, APartitionThatWasCommittedByAnotherLogIsNotScored) {
  outside.records = {8};
  Build();
  generations.Activate();
  ASSERT_TRUE(RunOnce().status.ok());
  outside.records = {16};
  generations.BecomeAnotherLog();
  const RunSummary second = RunOnce();
  EXPECT_EQ(second.status.code(), Code::kUnavailable);
  EXPECT_NE(second.status.message().find("topic is of another log"), std::string::npos) << second.status.message();
  EXPECT_EQ(outside.units["a"].rows.size(), 8U);
}

TEST_F(SwitchesTest, WhatWasCommittedWithoutACheckHasOneFromTheNextCommitOn) {
  outside.records = {8};
  Build();
  for (const char* unit : {"a", "b"}) outside.units[unit].progress[Outside::Named(0)] = {4, {GenerationId{1}, 3, {}}};
  generations.Activate();
  ASSERT_TRUE(RunOnce().status.ok());
  const Scoring& stored = outside.units["b"].progress[Outside::Named(0)].scoring;
  EXPECT_EQ(stored.since, 3);
  EXPECT_EQ(stored.check, generations.Check(GenerationId{1}));
}

TEST_F(SwitchesTest, KeptRowsThatWaitForAStageAreScoredByTheNewestGeneration) {
  outside.records = {40};
  outside.take = [](int) { return int64_t{8}; };
  Build();
  generations.Activate();
  score_fails_at = 20;
  const RunSummary first = RunOnce();
  ASSERT_TRUE(first.failure) << first.status.message();
  ASSERT_EQ(outside.units["a"].rows.size(), 16U);
  ASSERT_GT(first.failure->kept_rows, 0);
  score_fails_at = -1;
  generations.Activate();
  options.start = RunStart::kRestart;
  const RunSummary second = RunOnce();
  ASSERT_TRUE(second.status.ok()) << second.status.message();
  EXPECT_EQ((outside.units["a"].rows[{Outside::Named(0), 15}]), "1");
  EXPECT_EQ((outside.units["a"].rows[{Outside::Named(0), 16}]), "2");
  ExpectOneGenerationPerRecord();
}

TEST_F(SwitchesTest, KeptRowsThatAreCompleteStayAsTheyWereScored) {
  outside.records = {2000};
  outside.take = [](int) { return int64_t{8}; };
  Build();
  plan.plan().epoch.max_rows = 40;
  generations.Activate();
  outside.fault = [this](const std::string& unit, bool behind) {
    const MutexLock lock(outside.mutex);
    const bool fails = unit == "a" && !behind && !outside.units["a"].rows.empty();
    return fails ? Status(Code::kStage, "the disk is full") : Status::Ok();
  };
  const RunSummary first = RunOnce();
  ASSERT_TRUE(first.failure) << first.status.message();
  ASSERT_GT(first.failure->kept_rows, 0);
  const auto kept = static_cast<int64_t>(outside.units["a"].rows.size());
  outside.fault = [](const std::string&, bool) { return Status::Ok(); };
  generations.Activate();
  options.start = RunStart::kRestart;
  const RunSummary second = RunOnce();
  ASSERT_TRUE(second.status.ok()) << second.status.message();
  EXPECT_EQ((outside.units["b"].rows[{Outside::Named(0), kept}]), "1");
  EXPECT_EQ((outside.units["b"].rows[{Outside::Named(0), 1999}]), "2");
  ExpectOneGenerationPerRecord();
}

TEST_F(SwitchesTest, KeptRowsThatWereScoredStayAsTheyWereScored) {
  outside.records = {200};
  outside.take = [](int) { return int64_t{8}; };
  Build();
  generations.Activate();
  below_fails_at = 84;
  const RunSummary first = RunOnce();
  ASSERT_TRUE(first.failure) << first.status.message();
  EXPECT_EQ(first.failure->stage, "below");
  below_fails_at = -1;
  generations.Activate();
  options.start = RunStart::kRestart;
  int without_check = 0;
  outside.fault = [&](const std::string& unit, bool behind) {
    const MutexLock lock(outside.mutex);
    const auto stored = outside.units[unit].progress.find(Outside::Named(0));
    const bool lacks = stored != outside.units[unit].progress.end() && stored->second.scoring.check == 0;
    without_check += behind && lacks ? 1 : 0;
    return Status::Ok();
  };
  const RunSummary second = RunOnce();
  ASSERT_TRUE(second.status.ok()) << second.status.message();
  EXPECT_EQ((outside.units["b"].rows[{Outside::Named(0), 84}]), "1");
  EXPECT_EQ((outside.units["b"].rows[{Outside::Named(0), 199}]), "2");
  ExpectOneGenerationPerRecord();
  EXPECT_EQ(without_check, 0);
}

// At least once, the rows before the one that is refused may be out already.
TEST_F(SwitchesTest, WhatIsComputedAgainBecauseOfARefusedRowKeepsItsGeneration) {
  outside.records = {40};
  std::atomic<int> refusals{0};
  int polls = 0;
  outside.refuses = {20};
  outside.refused = [&] {
    generations.Activate();
    ++refusals;
  };
  outside.take = [](int) { return int64_t{8}; };
  outside.poll = [&]() -> std::optional<SourceEvent> {
    if (polls == 3 && refusals == 0) return SourceEvent::kIdle;  // rows 0 to 23 are read
    if (polls++ == 3) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the lane is about to hear of it
      return SourceEvent::kIdle;
    }
    return std::nullopt;
  };
  Build();
  plan.plan().epoch.commit_ns = int64_t{3600} * 1'000'000'000;
  generations.Activate();
  const RunSummary run = RunOnce();
  ASSERT_TRUE(run.status.ok()) << run.status.message();
  ASSERT_EQ(refusals, 1);
  auto& rows = outside.units["a"].rows;
  EXPECT_EQ((rows[{Outside::Named(0), 0}]), "1");
  EXPECT_EQ((rows[{Outside::Named(0), 23}]), "1");
  EXPECT_EQ((rows[{Outside::Named(0), 24}]), "2");
  EXPECT_EQ(outside.units["b"].rows.size(), 39U);
  EXPECT_EQ(not_ready, 0);
}

// Nothing of it was read since, so no batch of its own says so.
TEST_F(SwitchesTest, AnIdlePartitionSwitchesThoughARefusedRowTookItsSwitchBack) {
  outside.records = {24, 0};
  outside.refuses = {20};
  std::atomic<int> refusals{0};
  outside.refused = [&] { ++refusals; };
  outside.take = [](int) { return int64_t{8}; };
  int polls = 0;
  outside.poll = [&]() -> std::optional<SourceEvent> {
    if (polls == 1) generations.Activate();
    if (polls == 3 && refusals == 0) return SourceEvent::kIdle;
    ++polls;
    return std::nullopt;
  };
  Build();
  plan.plan().epoch.commit_ns = int64_t{3600} * 1'000'000'000;
  generations.Activate();
  const RunSummary run = RunOnce();
  ASSERT_TRUE(run.status.ok()) << run.status.message();
  ASSERT_EQ(refusals, 1);
  for (const char* unit : {"a", "b"}) {
    EXPECT_EQ(outside.units[unit].progress[Outside::Named(1)].scoring.generation, 2) << unit;
  }
}

class RandomSwitches : public SwitchesTest {
 protected:
  void TryOnce(uint64_t seed) {
    RunAtRandom(seed);
    ExpectOneGenerationPerRecord();
    EXPECT_GT(generations.switches(Outside::Named(0)), 2U);
    EXPECT_GT(generations.switches(Outside::Named(2)), 0U) << "the partition without records";
  }
};

class RandomSwitchesBySeed : public RandomSwitches, public ::testing::WithParamInterface<uint64_t> {};

TEST_P(RandomSwitchesBySeed, EveryRecordHasOneGenerationInBothTargets) { TryOnce(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Seeds, RandomSwitchesBySeed, ::testing::Range<uint64_t>(1, 19));

}  // namespace
}  // namespace anabranch
