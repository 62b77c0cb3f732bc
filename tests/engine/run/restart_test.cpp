#include <atomic>
#include <random>

#include "engine/run/restart_outlook.h"
#include "tests/engine/run/run_fixture.h"

namespace anabranch {
namespace {

// above -> breaks -> below -> out; `breaks` fails from `fail_from` on until it is fixed.
class Restart : public RunTest {
 protected:
  Restart() {
    plan.plan().batch.max_rows = 10;
    const StageId in = plan.Source(input);
    const StageId above = plan.Node("above", {in}, [this](const NodeRun& run) {
      above_calls += run.active_count;
      return Status::Ok();
    });
    const StageId breaks = plan.Node("breaks", {above}, [this](const NodeRun& run) {
      if (run.batch.offset.back() >= fail_from) {
        EXPECT_TRUE(!waits_for_marker || Eventually([this] { return MarkersTold() > 0; }));
        return Status(Code::kStage, "the model is broken");
      }
      breaks_calls += run.active_count;
      return Status::Ok();
    });
    const StageId below = plan.Node("below", {breaks}, [this](const NodeRun& run) {
      if (run.batch.offset.back() >= below_fails_from) return Status(Code::kStage, "below is broken");
      return Status::Ok();
    });
    plan.Persist("out", {below}, output);
  }

  RunSummary Start(RunStart start) {
    CancelToken token;
    options.start = start;
    return Run(plan.Build(), token);
  }

  // 100 rows, the stage fails in the batch that begins at 40.
  RunSummary Fail() {
    PushRows(100);
    input->End();
    fail_from = 40;
    return Start(RunStart::kRun);
  }

  int MarkersTold() {
    const MutexLock lock(input->mutex);
    return input->markers_told;
  }
  // As an edit of the stage changes its fingerprint, and with it what all stages below it are made from.
  void Edit(const std::string& id) {
    bool below = false;
    for (PlanNode& node : plan.plan().nodes) {
      below = below || node.id == id;
      if (node.id == id) node.fingerprint += "-edited";
      if (below) node.closure += "-edited";
    }
  }

  bool waits_for_marker = false;  // before `breaks` fails
  std::atomic<int64_t> above_calls{0}, breaks_calls{0};
  std::atomic<int64_t> fail_from{INT64_MAX}, below_fails_from{INT64_MAX};
};

TEST_F(Restart, AFailedStageIsToldWithItsRecordsAndWhatWasKept) {
  const RunSummary run = Fail();
  ASSERT_TRUE(run.failure) << run.status.message();
  EXPECT_EQ(run.failure->stage, "breaks");
  EXPECT_EQ(run.failure->records.front(), "memory/0/40");
  EXPECT_GE(run.failure->kept_rows, 10);
  EXPECT_GT(run.failure->kept_bytes, 0);
  EXPECT_EQ(Offsets(output->committed()), Numbers(0, 40));
}

TEST_F(Restart, GoesOnFromTheFailedStageWithoutACallAboveIt) {
  const int64_t kept = Fail().failure->kept_rows;
  fail_from = INT64_MAX;
  above_calls = breaks_calls = 0;
  const RunSummary run = Start(RunStart::kRestart);
  ASSERT_TRUE(run.status.ok()) << run.status.message();
  EXPECT_EQ(above_calls, 60 - kept);
  EXPECT_EQ(breaks_calls, 60);
  EXPECT_EQ(Offsets(output->committed()), Numbers(0, 100));
  EXPECT_EQ(output->committed()[40].value, "v40");
}

TEST_F(Restart, ARunOnAFailedStageIsRefusedAndNamesTheCommand) {
  Fail();
  fail_from = INT64_MAX;
  const RunSummary run = Start(RunStart::kRun);
  EXPECT_EQ(run.status.code(), Code::kStage);
  EXPECT_NE(run.status.message().find("anabranch restart"), std::string::npos) << run.status.message();
  EXPECT_EQ(Offsets(output->committed()), Numbers(0, 40));
}

TEST_F(Restart, ASecondRestartDoesNothing) {
  Fail();
  fail_from = INT64_MAX;
  ASSERT_TRUE(Start(RunStart::kRestart).status.ok());
  above_calls = breaks_calls = 0;
  const RunSummary again = Start(RunStart::kRestart);
  EXPECT_TRUE(again.status.ok()) << again.status.message();
  EXPECT_TRUE(again.already_done);
  EXPECT_EQ(above_calls + breaks_calls, 0);
  EXPECT_EQ(output->committed().size(), 100U);
}

TEST_F(Restart, AStageThatFailsAgainIsRestartedAgain) {
  const int64_t kept = Fail().failure->kept_rows;
  above_calls = 0;
  for (int i = 0; i < 3; ++i) {
    const RunSummary run = Start(RunStart::kRestart);
    ASSERT_TRUE(run.failure) << run.status.message();
    EXPECT_EQ(run.failure->stage, "breaks");
  }
  fail_from = INT64_MAX;
  ASSERT_TRUE(Start(RunStart::kRestart).status.ok());
  EXPECT_EQ(above_calls, 60 - kept);
  EXPECT_EQ(Offsets(output->committed()), Numbers(0, 100));
}

TEST_F(Restart, AFailureFurtherDownKeepsWhatTheMendedStageMade) {
  Fail();
  fail_from = INT64_MAX;
  below_fails_from = 40;
  const RunSummary second = Start(RunStart::kRestart);
  ASSERT_TRUE(second.failure) << second.status.message();
  EXPECT_EQ(second.failure->stage, "below");
  below_fails_from = INT64_MAX;
  breaks_calls = 0;
  const int64_t above_before = above_calls;
  ASSERT_TRUE(Start(RunStart::kRestart).status.ok());
  EXPECT_EQ(Offsets(output->committed()), Numbers(0, 100));
  EXPECT_EQ(breaks_calls, 100 - above_before) << "only rows that were never read";
}

TEST_F(Restart, ATargetThatRefusesKeepsWhatWasEncoded) {
  PushRows(100);
  input->End();
  output->FailNextCommit({Code::kStage, "the target refuses"});
  const RunSummary run = Start(RunStart::kRun);
  ASSERT_TRUE(run.failure) << run.status.message();
  EXPECT_EQ(run.failure->stage, "out");
  EXPECT_EQ(run.failure->error_class, ErrorClass::kTarget);
  EXPECT_FALSE(output->bytes_gone);
  above_calls = 0;
  ASSERT_TRUE(Start(RunStart::kRestart).status.ok());
  EXPECT_EQ(above_calls, 100 - run.failure->kept_rows);
  EXPECT_EQ(Offsets(output->committed()), Numbers(0, 100));
}

// Two closed epochs wait for the commit, so that a third batch is handed over and its epoch cannot be closed.
TEST_F(Restart, ATargetThatFailsWhileAnEpochClosesKeepsEveryRowOnce) {
  plan.plan().epoch.max_rows = 10;
  PushRows(100);
  input->End();
  output->Cork();
  output->FailNextCommit({Code::kUnavailable, "the disk is full"});
  RunInBackground();
  ASSERT_TRUE(Eventually([&] { return above_calls >= 30; }));
  // Nothing shows that the lane waits for room; were it not there yet, all that is expected would hold as well.
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  output->Uncork();
  thread.join();
  ASSERT_TRUE(summary.failure) << summary.status.message();
  EXPECT_EQ(summary.status.code(), Code::kUnavailable);
  EXPECT_EQ(summary.failure->stage, "out");
  EXPECT_EQ(summary.failure->kept_rows, above_calls);
  ASSERT_TRUE(Start(RunStart::kRestart).status.ok());
  EXPECT_EQ(Offsets(output->committed()), Numbers(0, 100));
}

TEST_F(Restart, GivingUpTurnsTheWaitingRowsIntoDeadLetters) {
  const int64_t kept = Fail().failure->kept_rows;
  fail_from = INT64_MAX;
  const RunSummary run = Start(RunStart::kGiveUp);
  ASSERT_TRUE(run.status.ok()) << run.status.message();
  EXPECT_EQ(plan.dead_letters()->committed().size(), static_cast<size_t>(kept));
  EXPECT_EQ(breaks_calls, 40);
  ASSERT_TRUE(Start(RunStart::kRun).status.ok());
  EXPECT_EQ(output->committed().size() + static_cast<size_t>(kept), 100U);
}

TEST_F(Restart, TheOutlookIsWhatTheRestartDoes) {
  const int64_t kept = Fail().failure->kept_rows;
  auto outlook = LookAtRestart(plan.Build(), options);
  ASSERT_TRUE(outlook.ok()) << outlook.status().message();
  EXPECT_FALSE(outlook->nothing_failed);
  EXPECT_EQ(outlook->plan.from, "breaks");
  EXPECT_EQ(outlook->plan.records, kept);
  EXPECT_EQ(outlook->plan.stages_to_run, (std::vector<std::string>{"breaks", "below", "out"}));
  options.token = "another";
  EXPECT_EQ(Start(RunStart::kRestart).status.code(), Code::kInvalid);
  options.token = outlook->plan.token;
  fail_from = INT64_MAX;
  ASSERT_TRUE(Start(RunStart::kRestart).status.ok());
  EXPECT_TRUE(LookAtRestart(plan.Build(), options)->nothing_failed);
}

// A place without a row is complete at once. That it waits for its commit is no result of the stages above a target.
TEST_F(Restart, APlaceWithoutARowDoesNotHinderTheMendingOfAStage) {
  options.workers = 3;
  waits_for_marker = true;
  PushRows(10);
  input->PushMarker();
  fail_from = 0;
  const RunSummary run = Start(RunStart::kRun);
  ASSERT_TRUE(run.failure) << run.status.message();
  EXPECT_EQ(run.failure->kept_rows, 10);
  fail_from = INT64_MAX;
  above_calls = 0;
  Edit("breaks");
  input->End();
  const RunSummary again = Start(RunStart::kRestart);
  ASSERT_TRUE(again.status.ok()) << again.status.message();
  EXPECT_EQ(above_calls, 0) << "its results were kept";
  EXPECT_EQ(Offsets(output->committed()), Numbers(0, 10));
  EXPECT_EQ(output->next, 11);
}

TEST_F(Restart, ATargetThatFailsWithAPlaceWithoutARowIsMendedAsAnyOther) {
  input->PushMarker();
  input->End();
  output->FailNextCommit({Code::kStage, "the target refuses"});
  const RunSummary run = Start(RunStart::kRun);
  ASSERT_TRUE(run.failure) << run.status.message();
  EXPECT_EQ(run.failure->stage, "out");
  EXPECT_TRUE(run.failure->records.empty()) << "no record is there: " << run.failure->records.front();
  Edit("out");
  const RunSummary again = Start(RunStart::kRestart);
  ASSERT_TRUE(again.status.ok()) << again.status.message();
  EXPECT_EQ(output->next, 1);
}

TEST_F(Restart, ATargetInTroubleHoldsTheLaneBackAndLosesNothing) {
  PushRows(500);
  for (int i = 0; i < 5; ++i) output->FailNextCommit({Code::kAborted, "try again"});
  const RunSummary run = RunToEnd();
  ASSERT_TRUE(run.status.ok()) << run.status.message();
  EXPECT_EQ(Offsets(output->committed()), Numbers(0, 500));
}

// Any stage may fail anywhere, again and again, with batches in flight on several threads.
TEST_F(Restart, WhateverFailsWhereverEveryRowLeavesOnceAndNoStageWorksOnItTwice) {
  options.workers = 4;
  std::mt19937 random(20261121);
  for (int round = 0; round < 25; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    PushRows(200);
    input->End();
    const auto pick = [&] {
      return random() % 3 == 0 ? INT64_MAX : static_cast<int64_t>(random() % 200) + 200 * round;
    };
    fail_from = pick();
    below_fails_from = pick();
    RunSummary run = Start(RunStart::kRun);
    for (int again = 0; run.failure && again < 4; ++again) {
      fail_from = pick();
      below_fails_from = pick();
      run = Start(RunStart::kRestart);
    }
    fail_from = below_fails_from = INT64_MAX;
    if (run.failure) run = Start(RunStart::kRestart);
    ASSERT_TRUE(run.status.ok()) << run.status.message();
    ASSERT_EQ(Offsets(output->committed()), Numbers(0, pushed));
    ASSERT_EQ(above_calls, pushed);
  }
}

}  // namespace
}  // namespace anabranch
