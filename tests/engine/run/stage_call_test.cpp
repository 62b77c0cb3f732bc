// How a node is called: retries, time, the search for bad rows.
#include <atomic>
#include <set>

#include "engine/fault_point.h"
#include "engine/run/crew.h"
#include "tests/engine/run/worker_fixture.h"

namespace anabranch {
namespace {

class StageCalls : public WorkerTest {
 protected:
  // in → node → out
  void Build(PlanBuilder::Work work) {
    stage = plan.Node("node", {plan.Source(input)}, [this, work = std::move(work)](const NodeRun& run) {
      ++calls;
      return work(run);
    });
    out = plan.Persist("out", {stage}, output);
    plan.node(stage).breaker.failures = 1000;
    plan.node(stage).retry_max = 0;
  }

  // A node that refuses any batch that holds one of these rows.
  PlanBuilder::Work Refuses(std::set<int64_t> offsets, Code code = Code::kStage) {
    return [offsets = std::move(offsets), code](const NodeRun& run) -> Status {
      for (uint32_t r = 0; r < run.batch.rows(); ++r) {
        if (!run.active[r] || !offsets.contains(run.batch.offset[r])) continue;
        if (code == Code::kInternal) throw std::runtime_error("row " + std::to_string(run.batch.offset[r]));
        return {code, "row " + std::to_string(run.batch.offset[r])};
      }
      return Status::Ok();
    };
  }

  Status Run(uint32_t rows, int64_t first = 0) {
    if (worker == nullptr) worker = Open();
    Fill(&batch, first, rows);
    return worker->Run(batch, nullptr);
  }
  std::vector<int64_t> Emitted() { return Offsets(batch.encoded.targets[plan.node(out).target]); }

  StageId stage = 0, out = 0;
  int calls = 0;
  std::unique_ptr<PlanWorker> worker;
  RecordBatch batch;
};

TEST_F(StageCalls, ARowThatMakesTheNodeFailCostsOnlyItself) {
  for (const Code code : {Code::kStage, Code::kInternal}) {
    for (int64_t bad = 0; bad < 33; ++bad) {
      plan = PlanBuilder();
      guards = nullptr;
      worker = nullptr;
      Build(Refuses({bad}, code));
      ASSERT_TRUE(Run(33).ok());
      ASSERT_EQ(Offsets(DeadLetters(batch)), (std::vector<int64_t>{bad}));
      EXPECT_EQ(Header(DeadLetters(batch), 0, "anabranch.error.code"), "node");
      EXPECT_EQ(Header(DeadLetters(batch), 0, "anabranch.error.message"), "row " + std::to_string(bad));
      EXPECT_EQ(Emitted().size(), 32U);
    }
  }
}

TEST_F(StageCalls, SeveralBadRowsAreFoundWithFewCallsAndTheGoodOnesAreProcessedOnceForTheResult) {
  plan.plan().columns = {{"x", Type::Scalar(Kind::kInt64), "node"}};
  const auto refuses = Refuses({3, 77, 200});
  Build([&](const NodeRun& run) {
    run.batch.columns[0].Reset(Type::Scalar(Kind::kInt64), run.batch.rows());
    RETURN_IF_ERROR(refuses(run));
    for (uint32_t r = 0; r < run.batch.rows(); ++r) {
      if (!run.active[r]) continue;
      run.batch.columns[0].values<int64_t>()[r] = run.batch.offset[r];
      run.batch.columns[0].states()[r] = kValid;
    }
    return Status::Ok();
  });
  plan.node(stage).makes = {0};
  ASSERT_TRUE(Run(256).ok());
  ASSERT_EQ(Offsets(DeadLetters(batch)), (std::vector<int64_t>{3, 77, 200}));
  EXPECT_LT(calls, 60);
  for (uint32_t r = 0; r < 256; ++r) {
    const bool bad = r == 3 || r == 77 || r == 200;
    ASSERT_EQ(batch.columns[0].valid(r), !bad) << r;
    if (!bad) {
      ASSERT_EQ(batch.columns[0].values<int64_t>()[r], r);
    }
  }
}

TEST_F(StageCalls, ErrorsThatTheNodeFoundItselfStandBesideThoseThatWereSearchedFor) {
  const auto refuses = Refuses({3});
  Build([&](const NodeRun& run) {
    for (uint32_t r = 0; r < run.batch.rows(); ++r) {
      if (run.active[r] && run.batch.offset[r] == 1) run.FailRow(r, "own", "found by itself");
    }
    return refuses(run);
  });
  ASSERT_TRUE(Run(16).ok());
  ASSERT_EQ(Offsets(DeadLetters(batch)), (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(Header(DeadLetters(batch), 0, "anabranch.error.code"), "own");
}

TEST_F(StageCalls, ThePolicyOfTheNodeHoldsForTheRowsThatWereFound) {
  Build(Refuses({2}));
  plan.node(stage).on_record_error = RecordPolicy::kStop;
  const Status status = Run(8);
  EXPECT_EQ(status.code(), Code::kStage);
  EXPECT_EQ(worker->failed_class(), ErrorClass::kContract);
  EXPECT_NE(status.message().find("memory/0/2: row 2"), std::string::npos) << status.message();
}

TEST_F(StageCalls, WhenEveryRowFailsItIsTheStageAndItIsFoundOutSoon) {
  std::set<int64_t> all;
  for (int64_t i = 0; i < 256; ++i) all.insert(i);
  Build(Refuses(all));
  EXPECT_EQ(Run(256).code(), Code::kStage);
  EXPECT_EQ(worker->failed_stage(), stage);
  EXPECT_EQ(worker->failed_class(), ErrorClass::kStage);
  EXPECT_LT(calls, 64);
  EXPECT_TRUE(DeadLetters(batch).rows.empty());
}

TEST_F(StageCalls, MoreThanAQuarterOfTheRowsIsTheStage) {
  Build(Refuses({0, 1}));
  EXPECT_TRUE(Run(8).ok());
  EXPECT_EQ(Run(7).code(), Code::kStage) << "two of seven";
  EXPECT_EQ(Run(1).code(), Code::kStage) << "one of one";
}

TEST_F(StageCalls, AFailureOfAllRowsTogetherOnlyIsTheStage) {
  Build([](const NodeRun& run) { return run.active_count > 4 ? Status(Code::kStage, "too many") : Status::Ok(); });
  EXPECT_EQ(Run(8).code(), Code::kStage);
  EXPECT_TRUE(DeadLetters(batch).rows.empty());
}

TEST_F(StageCalls, ATransientErrorOfOneRowIsSearchedForAfterTheLastRetryOnly) {
  Build(Refuses({5}, Code::kRetry));
  plan.node(stage).retry_max = 2;
  ASSERT_TRUE(Run(16).ok());
  ASSERT_EQ(Offsets(DeadLetters(batch)), (std::vector<int64_t>{5}));
  EXPECT_EQ(batch.stages[stage].retried, 2U);
}

TEST_F(StageCalls, AnOutageIsNotSearchedForLong) {
  Build([](const NodeRun&) { return Status(Code::kRetry, "no answer"); });
  plan.node(stage).retry_max = 2;
  const Status status = Run(256);
  EXPECT_EQ(status.code(), Code::kStage);
  EXPECT_EQ(worker->failed_class(), ErrorClass::kTransient);
  EXPECT_EQ(worker->failed_attempts(), 3);
  EXPECT_NE(status.message().find("no answer (after 3 attempts)"), std::string::npos) << status.message();
  EXPECT_EQ(calls, 5);
}

TEST_F(StageCalls, AStopEndsThePauseBetweenRetriesAndLeavesTheBatchForTheNextStart) {
  Build([this](const NodeRun&) {
    cancel.Raise(CancelToken::kDrain);
    return Status(Code::kRetry, "no answer");
  });
  plan.node(stage).retry_max = 5;
  plan.node(stage).retry_backoff_ns = plan.node(stage).retry_max_backoff_ns = 60'000'000'000;
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(Run(4).code(), Code::kCancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  EXPECT_EQ(calls, 1);
}

TEST_F(StageCalls, ABatchThatCameLateIsTriedAgainAndCountsWhenItIsInTime) {
  Build([this](const NodeRun&) {
    if (calls == 1) clock.Advance(60'000'000);
    return Status::Ok();
  });
  plan.node(stage).timeout_ns = 50'000'000;
  plan.node(stage).retry_max = 3;
  ASSERT_TRUE(Run(4).ok());
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(Emitted().size(), 4U);
}

TEST_F(StageCalls, ANodeThatIsAlwaysLateStopsItsStageByTime) {
  Build([this](const NodeRun&) {
    clock.Advance(3'000'000);
    return Status::Ok();
  });
  plan.node(stage).timeout_ns = 1'000'000;
  plan.node(stage).retry_max = 1;
  const Status status = Run(4);
  EXPECT_EQ(worker->failed_class(), ErrorClass::kTimeout);
  EXPECT_NE(status.message().find("timeout_ms is 1 ms (after 2 attempts)"), std::string::npos) << status.message();
}

#ifndef ANABRANCH_NO_FAULT_POINTS
TEST_F(StageCalls, AFailureThatATestAskedForIsBlamedOnTheStage) {
  Build(Pass);
  worker = Open();
  ArmFaultPoints("stage.call:node@1=fail", "");
  const Status status = Run(8);
  ArmFaultPoints("", "");
  EXPECT_EQ(status.code(), Code::kStage);
  EXPECT_EQ(calls, 0);
  EXPECT_TRUE(DeadLetters(batch).rows.empty());
}
#endif

class StageCallsOnTheCrew : public RunTest {};

TEST_F(StageCallsOnTheCrew, TheClassOfAFailureInAnotherBranchComesBack) {
  // Direct use of a crew: the second of two branches fails on the crew's own worker.
  SourceTable partitions;
  const StageId in = plan.Source(input);
  const auto slow = [](const NodeRun&) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // a crew is handed what takes real time
    return Status::Ok();
  };
  std::atomic<bool> fail{false};
  const StageId a = plan.Node("a", {in}, slow);
  const StageId b = plan.Node("b", {in}, [&](const NodeRun& run) {
    RETURN_IF_ERROR(slow(run));
    if (fail) run.FailRow(0, "test", "no");
    return Status::Ok();
  });
  plan.node(a).expensive = plan.node(b).expensive = true;
  plan.node(b).on_record_error = RecordPolicy::kStop;
  plan.Persist("out", {a, b}, output);
  plan.Build();
  StageGuards guards(plan.plan());
  const auto open = [&] { return std::move(PlanWorker::Open(plan.plan(), Clock::Real(), guards, cancel)).value(); };
  std::vector<std::unique_ptr<PlanWorker>> helpers;
  helpers.push_back(open());
  Crew crew(std::move(helpers));
  auto worker = open();
  RecordBatch batch;
  for (int i = 0; i < 2; ++i) {
    batch.Clear(0, plan.plan().stages());
    batch.partitions = &partitions;
    batch.AddRow(*partitions.Find({"memory", 0}), i, 0, "k", true, "v");
    fail = i == 1;
    const Status status = worker->Run(batch, &crew);
    EXPECT_EQ(status.ok(), i == 0);
  }
  EXPECT_EQ(worker->failed_stage(), b);
  EXPECT_EQ(worker->failed_class(), ErrorClass::kContract);
  EXPECT_TRUE(batch.stages[a].done);
  EXPECT_FALSE(batch.stages[b].done);
}

}  // namespace
}  // namespace anabranch
