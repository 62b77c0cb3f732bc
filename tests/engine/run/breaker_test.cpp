// A flood of record errors stops its stage.
#include "engine/run/breaker.h"

#include <thread>

#include "tests/engine/run/worker_fixture.h"

namespace anabranch {
namespace {

// `n` rows of which those in `failed` failed.
StageRows Worked(uint32_t n, const std::vector<uint32_t>& failed, const std::string& code = "model") {
  StageRows rows;
  rows.active.assign(n, 1);
  rows.active_count = n;
  for (uint32_t row : failed) rows.errors.push_back({row, code, code + " says no"});
  return rows;
}

TEST(RowBreakerWindow, TripsAtTheFailureThatReachesTheNumberWithoutAFullWindow) {
  RowBreaker breaker({1000, 3});
  EXPECT_TRUE(breaker.Note(Worked(10, {0, 9})).ok());
  const Status tripped = breaker.Note(Worked(10, {4, 5, 6}));
  EXPECT_EQ(tripped.code(), Code::kStage);
  EXPECT_EQ(tripped.message(),
            "3 of the last 15 records failed (dead_letter_max is 0.003 of 1000 rows); most: \"model\": model says no");
}

TEST(RowBreakerWindow, ForgetsFailuresThatAreARowFurtherBackThanTheWindow) {
  RowBreaker exact({10, 2});
  EXPECT_TRUE(exact.Note(Worked(1, {0})).ok());
  EXPECT_TRUE(exact.Note(Worked(9, {})).ok());
  EXPECT_TRUE(exact.Note(Worked(1, {0})).ok()) << "the first failure is the eleventh row back";
  RowBreaker inside({10, 2});
  EXPECT_TRUE(inside.Note(Worked(1, {0})).ok());
  EXPECT_TRUE(inside.Note(Worked(8, {})).ok());
  EXPECT_FALSE(inside.Note(Worked(1, {0})).ok()) << "the first failure is the tenth row back";
}

TEST(RowBreakerWindow, CountsOnlyRowsThatTheStageWorkedOn) {
  RowBreaker breaker({10, 2});
  StageRows rows = Worked(100, {});
  std::fill(rows.active.begin(), rows.active.end(), uint8_t{0});
  rows.active[99] = 1;
  rows.active_count = 1;
  rows.errors = {{0, "expression", "\"when\" failed"}};
  EXPECT_TRUE(breaker.Note(rows).ok());
  EXPECT_FALSE(breaker.Note(rows).ok());
}

TEST(RowBreakerWindow, NamesTheMostFrequentCodeOfTheWindowAndItsFirstMessage) {
  RowBreaker breaker({100, 4});
  EXPECT_TRUE(breaker.Note(Worked(1, {0}, "null_feature")).ok());
  EXPECT_TRUE(breaker.Note(Worked(2, {0, 1}, "schema")).ok());
  EXPECT_NE(breaker.Note(Worked(1, {0}, "schema")).message().find("most: \"schema\": schema says no"),
            std::string::npos);
}

TEST(RowBreakerWindow, GoesOnCountingInTheNextProcessSoThatAFloodLeavesOnlyOnce) {
  RowBreaker first({100, 5});
  EXPECT_TRUE(first.Note(Worked(10, {0, 1, 2})).ok());
  EXPECT_FALSE(first.Note(Worked(10, {0, 1, 2})).ok());
  EXPECT_EQ(first.Count(), 3U) << "the batch that tripped it did not leave";
  EXPECT_EQ(first.Most(), (std::pair<std::string, std::string>("model", "model says no")));
  uint32_t left = first.Count();
  for (int round = 0; round < 10; ++round) {
    RowBreaker next({100, 5});
    next.Resume(left, "model", "model says no");
    EXPECT_EQ(next.Count(), left);
    EXPECT_FALSE(next.Note(Worked(10, {0, 1, 2})).ok());
    left = next.Count();
    EXPECT_EQ(left, 3U);
  }
  RowBreaker fixed({100, 5});
  fixed.Resume(left, "model", "model says no");
  EXPECT_TRUE(fixed.Note(Worked(100, {})).ok());
  EXPECT_TRUE(fixed.Note(Worked(10, {0, 1, 2})).ok()) << "the window has moved on";
}

TEST(RowBreakerWindow, OnceTrippedStopsEveryBatchWithAFailureAndNoOther) {
  RowBreaker breaker({5, 1});
  EXPECT_FALSE(breaker.Note(Worked(1, {0})).ok());
  EXPECT_TRUE(breaker.Note(Worked(100, {})).ok());
  EXPECT_FALSE(breaker.Note(Worked(1, {0})).ok());
}

TEST(RowBreakerWindow, LetsAtMostOneLessThanTheNumberLeaveWhateverTheThreadsDo) {
  RowBreaker breaker({1'000'000, 50});
  std::atomic<int> left{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) {
        if (breaker.Note(Worked(20, {3, 7, 11})).ok()) left += 3;
        if (!breaker.Note(Worked(20, {})).ok()) left += 1000;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(left, 48);
}

class BreakerRun : public RunTest {
 protected:
  void ExpectAStopByTheBreaker();
};

PlanBuilder::Work FailEverySecond() {
  return [](const NodeRun& run) {
    for (uint32_t r = 0; r < run.batch.rows(); ++r) {
      if (run.active[r] && run.batch.offset[r] % 2 == 0) run.FailRow(r, "model", "no answer");
    }
    return Status::Ok();
  };
}

void BreakerRun::ExpectAStopByTheBreaker() {
  const StageId bad = plan.Node("score", {plan.Source(input)}, FailEverySecond());
  plan.node(bad).breaker = {100, 10};
  plan.Persist("out", {bad}, output);
  PushRows(1000);
  const RunSummary run = RunToEnd();
  EXPECT_EQ(run.status.code(), Code::kStage);
  EXPECT_EQ(run.failure->stage, "score");
  EXPECT_NE(run.status.message().find("node \"score\": 10 of the last "), std::string::npos) << run.status.message();
  EXPECT_LT(plan.dead_letters()->committed().size(), 10U);
}

TEST_F(BreakerRun, ADeployInWhichRecordsFailStopsTheStageWithAtMostTheConfiguredDeadLetters) {
  ExpectAStopByTheBreaker();
}

TEST_F(BreakerRun, TheThreadsOfTheCrewCountTogether) {
  options.workers = 3;
  ExpectAStopByTheBreaker();
}

TEST_F(BreakerRun, RowsThatAreSkippedByPolicyDoNotCount) {
  const StageId bad = plan.Node("score", {plan.Source(input)}, FailEverySecond());
  plan.node(bad).breaker = {100, 10};
  plan.node(bad).on_record_error = RecordPolicy::kSkip;
  plan.Persist("out", {bad}, output);
  PushRows(100);
  EXPECT_TRUE(RunToEnd().status.ok());
  EXPECT_EQ(output->committed().size(), 50U);
}

TEST_F(BreakerRun, ASourceTripsToo) {
  plan.plan().limits.record_bytes = 2;
  const StageId in = plan.Source(input);
  plan.plan().sources[in].breaker = {100, 5};
  plan.Persist("out", {in}, output);
  PushRows(50);  // v10 and later have three bytes
  const RunSummary run = RunToEnd();
  EXPECT_EQ(run.failure->stage, "in0");
  EXPECT_NE(run.status.message().find("source \"in0\": 5 of the last 15 records failed"), std::string::npos)
      << run.status.message();
  EXPECT_LT(plan.dead_letters()->committed().size(), 5U);
}

class BreakerClass : public WorkerTest {};

TEST_F(BreakerClass, IsToldToTheLaneAndIsSharedByTheWorkers) {
  const StageId bad = plan.Node("score", {plan.Source(input)}, FailEverySecond());
  plan.node(bad).breaker = {100, 3};
  plan.Persist("out", {bad}, output);
  auto one = Open(), two = Open();
  RecordBatch batch;
  Fill(&batch, 0, 4);
  ASSERT_TRUE(one->Run(batch, nullptr).ok());
  Fill(&batch, 4, 1);
  ASSERT_EQ(two->Run(batch, nullptr).code(), Code::kStage);
  EXPECT_EQ(two->failed_stage(), bad);
  EXPECT_EQ(two->failed_class(), ErrorClass::kBreaker);
  EXPECT_FALSE(batch.stages[bad].done);
}

}  // namespace
}  // namespace anabranch
