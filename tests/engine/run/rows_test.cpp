// What becomes of rows on their way through a plan.
#include "engine/expression/expression.h"
#include "tests/engine/run/run_fixture.h"

namespace anabranch {
namespace {

class Rows : public RunTest {};

PlanBuilder::Work FailRow(int64_t offset, const char* why = "bad row") {
  return [offset, why](const NodeRun& run) {
    for (uint32_t r = 0; r < run.batch.rows(); ++r) {
      if (run.active[r] && run.batch.offset[r] == offset) run.FailRow(r, "test", why);
    }
    return Status::Ok();
  };
}

PlanBuilder::Work FilterOdd() {
  return [](const NodeRun& run) {
    for (uint32_t r = 0; r < run.batch.rows(); ++r) {
      if (run.active[r] && run.batch.offset[r] % 2 == 1) run.FilterRow(r);
    }
    return Status::Ok();
  };
}

TEST_F(Rows, NodesRunInDependencyOrderWhateverTheirOrderOfWork) {
  std::vector<std::string> order;
  const auto note = [&order](const char* id) {
    return [&order, id](const NodeRun&) {
      order.push_back(id);
      return Status::Ok();
    };
  };
  const StageId in = plan.Source(input);
  const StageId top = plan.Node("top", {in}, note("top"));
  const StageId left = plan.Node("left", {top}, note("left"));
  const StageId right = plan.Node("right", {top}, note("right"));
  const StageId join = plan.Node("join", {left, right}, note("join"));
  plan.Persist("out", {join}, output);
  PushRows(3);
  ASSERT_TRUE(RunToEnd().status.ok());
  EXPECT_EQ(order, (std::vector<std::string>{"top", "left", "right", "join"}));
  EXPECT_EQ(Offsets(output->committed()), Numbers(0, 3));
}

TEST_F(Rows, KeysAndPayloadsArriveUnchanged) {
  const StageId in = plan.Source(input);
  plan.Persist("out", {in}, output);
  PushRows(2);
  ASSERT_TRUE(RunToEnd().status.ok());
  EXPECT_EQ(output->committed(), (std::vector<MemoryOutput::Row>{{0, "k0", "v0"}, {1, "k1", "v1"}}));
}

TEST_F(Rows, ARowFilteredInOneBranchIsGoneAfterAJoinOfAll) {
  const StageId in = plan.Source(input);
  const StageId left = plan.Node("left", {in}, FilterOdd());
  const StageId right = plan.Node("right", {in}, Pass);
  plan.Persist("out", {left, right}, output);
  PushRows(5);
  const RunSummary run = RunToEnd();
  EXPECT_EQ(Offsets(output->committed()), (std::vector<int64_t>{0, 2, 4}));
  EXPECT_EQ(run.totals.stages[1].filtered, 2);
  EXPECT_TRUE(plan.dead_letters()->committed().empty());
}

TEST_F(Rows, ARowFilteredInOneBranchGoesOnUnderJoinAny) {
  const StageId in = plan.Source(input);
  const StageId left = plan.Node("left", {in}, FilterOdd());
  const StageId right = plan.Node("right", {in}, Pass);
  plan.node(plan.Persist("out", {left, right}, output)).join_any = true;
  PushRows(5);
  ASSERT_TRUE(RunToEnd().status.ok());
  EXPECT_EQ(Offsets(output->committed()), Numbers(0, 5));
}

TEST_F(Rows, AFailedRowIsGoneBelowEvenUnderJoinAnyWhileOtherBranchesEmit) {
  auto other = std::make_shared<MemoryOutput>();
  const StageId in = plan.Source(input);
  const StageId bad = plan.Node("bad", {in}, FailRow(2));
  const StageId below = plan.Node("below", {bad}, Pass);
  const StageId right = plan.Node("right", {in}, Pass);
  plan.node(plan.Persist("out", {below, right}, output)).join_any = true;
  plan.Persist("side", {right}, other);
  PushRows(4);
  ASSERT_TRUE(RunToEnd().status.ok());
  EXPECT_EQ(Offsets(output->committed()), (std::vector<int64_t>{0, 1, 3}));
  EXPECT_EQ(Offsets(other->committed()), Numbers(0, 4));
}

TEST_F(Rows, AFailedRowIsDeadLetteredByteForByteAndCostsOnlyItself) {
  const StageId in = plan.Source(input);
  plan.Persist("out", {plan.Node("bad", {in}, FailRow(1))}, output);
  PushRows(4);
  const RunSummary run = RunToEnd();
  EXPECT_EQ(Offsets(output->committed()), (std::vector<int64_t>{0, 2, 3}));
  EXPECT_EQ(plan.dead_letters()->committed(), (std::vector<MemoryOutput::Row>{{1, "k1", "v1"}}));
  EXPECT_EQ(run.totals.stages[1].failed, 1);
  EXPECT_EQ(run.totals.stages[1].dead_lettered, 1);
}

TEST_F(Rows, PolicySkipDropsTheRowCounted) {
  const StageId in = plan.Source(input);
  const StageId bad = plan.Node("bad", {in}, FailRow(1));
  plan.node(bad).on_record_error = RecordPolicy::kSkip;
  plan.Persist("out", {bad}, output);
  PushRows(3);
  const RunSummary run = RunToEnd();
  EXPECT_EQ(Offsets(output->committed()), (std::vector<int64_t>{0, 2}));
  EXPECT_TRUE(plan.dead_letters()->committed().empty());
  EXPECT_EQ(run.totals.stages[1].failed, 1);
}

TEST_F(Rows, PolicyDefaultLetsTheRowGoOnWithTheValue) {
  const StageId in = plan.Source(input);
  plan.plan().columns = {{"score", Type::Scalar(Kind::kFloat64), "bad"}};
  const StageId bad = plan.Node("bad", {in}, [](const NodeRun& run) {
    run.batch.columns[0].Reset(Type::Scalar(Kind::kFloat64), run.batch.rows());
    run.FailRow(0, "test", "no");
    return Status::Ok();
  });
  plan.node(bad).makes = {0};
  plan.node(bad).on_record_error = RecordPolicy::kDefault;
  plan.node(bad).default_values = {{ColumnId(0), "0.25"}};
  double seen = 0;
  const StageId below = plan.Node("below", {bad}, [&seen](const NodeRun& run) {
    if (run.active[0] && run.batch.columns[0].valid(0)) seen = run.batch.columns[0].values<double>()[0];
    return Status::Ok();
  });
  plan.Persist("out", {below}, output);
  PushRows(1);
  ASSERT_TRUE(RunToEnd().status.ok());
  EXPECT_EQ(seen, 0.25);
  EXPECT_EQ(Offsets(output->committed()), Numbers(0, 1));
}

TEST_F(Rows, ADefaultTextIsTheTextNotItsJson) {
  const StageId in = plan.Source(input);
  plan.plan().columns = {{"label", Type::Scalar(Kind::kString), "bad"}};
  const StageId bad = plan.Node("bad", {in}, [](const NodeRun& run) {
    run.batch.columns[0].Reset(Type::Scalar(Kind::kString), run.batch.rows());
    run.FailRow(0, "test", "no");
    return Status::Ok();
  });
  plan.node(bad).makes = {0};
  plan.node(bad).on_record_error = RecordPolicy::kDefault;
  plan.node(bad).default_values = {{ColumnId(0), R"("say \"caf\u00e9\"\n")"}};
  std::string seen;
  const StageId below = plan.Node("below", {bad}, [&seen](const NodeRun& run) {
    seen = run.batch.columns[0].values<std::string_view>()[0];
    return Status::Ok();
  });
  plan.Persist("out", {below}, output);
  PushRows(1);
  ASSERT_TRUE(RunToEnd().status.ok());
  EXPECT_EQ(seen, "say \"caf\xc3\xa9\"\n");
}

TEST_F(Rows, PolicyStopStopsTheStageAndNamesTheRecord) {
  const StageId in = plan.Source(input);
  const StageId bad = plan.Node("bad", {in}, FailRow(1, "no country"));
  plan.node(bad).on_record_error = RecordPolicy::kStop;
  plan.Persist("out", {bad}, output);
  PushRows(3);
  const RunSummary run = RunToEnd();
  EXPECT_EQ(run.status.code(), Code::kStage);
  ASSERT_TRUE(run.failure);
  EXPECT_EQ(run.failure->stage, "bad");
  EXPECT_NE(run.status.message().find("memory/0/1"), std::string::npos) << run.status.message();
  EXPECT_TRUE(output->committed().empty());
}

TEST_F(Rows, ATransientErrorIsRetriedWithTheSameBatch) {
  int calls = 0;
  const StageId in = plan.Source(input);
  const StageId flaky = plan.Node("flaky", {in}, [&calls](const NodeRun& run) {
    run.FailRow(0, "test", "left over from a failed attempt");
    if (++calls <= 2) return Status(Code::kRetry, "not now");
    run.rows().outcome[0] = Outcome::kOk;
    run.rows().errors.clear();
    return Status::Ok();
  });
  plan.Persist("out", {flaky}, output);
  PushRows(1);
  const RunSummary run = RunToEnd();
  ASSERT_TRUE(run.status.ok()) << run.status.message();
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(run.totals.stages[1].retried, 2);
  EXPECT_EQ(Offsets(output->committed()), Numbers(0, 1));
  EXPECT_TRUE(plan.dead_letters()->committed().empty());
}

TEST_F(Rows, ATransientErrorThatStaysStopsTheStageAfterTheLastRetry) {
  int calls = 0;
  const StageId in = plan.Source(input);
  const StageId down = plan.Node("down", {in}, [&calls](const NodeRun&) {
    ++calls;
    return Status(Code::kRetry, "no answer");
  });
  plan.node(down).retry_max = 2;
  plan.Persist("out", {down}, output);
  PushRows(1);
  const RunSummary run = RunToEnd();
  EXPECT_EQ(run.status.code(), Code::kStage);
  EXPECT_EQ(calls, 3);
  EXPECT_NE(run.status.message().find("after 3 attempts"), std::string::npos) << run.status.message();
}

TEST_F(Rows, AnExceptionOfANodeStopsItsStageNotTheProcess) {
  const StageId in = plan.Source(input);
  const StageId bad = plan.Node("bad", {in}, [](const NodeRun&) -> Status { throw std::runtime_error("boom"); });
  plan.Persist("out", {bad}, output);
  PushRows(1);
  const RunSummary run = RunToEnd();
  ASSERT_TRUE(run.failure);
  EXPECT_EQ(run.failure->stage, "bad");
  EXPECT_NE(run.status.message().find("boom"), std::string::npos);
}

TEST_F(Rows, ARecordAboveTheLimitIsARecordErrorAtItsSource) {
  plan.plan().limits.record_bytes = 8;
  const StageId in = plan.Source(input);
  plan.Persist("out", {in}, output);
  PushRows(1);
  input->Push("big", "0123456789");
  const RunSummary run = RunToEnd();
  EXPECT_EQ(Offsets(output->committed()), Numbers(0, 1));
  EXPECT_EQ(plan.dead_letters()->committed(), (std::vector<MemoryOutput::Row>{{1, "big", "0123456789"}}));
  EXPECT_EQ(run.totals.stages[0].failed, 1);
}

TEST_F(Rows, AConditionThatFailsFollowsThePolicyEvenWhenNoRowOfTheBatchIsLeft) {
  plan.plan().columns = {{"n", Type::Scalar(Kind::kInt64), "zero"}};
  Scope scope;
  scope.Add({"n", 0, Type::Scalar(Kind::kInt64), true, false, "zero"});
  const StageId in = plan.Source(input);
  const StageId zero = plan.Node("zero", {in}, [](const NodeRun& run) {
    run.batch.columns[0].Reset(Type::Scalar(Kind::kInt64), run.batch.rows());
    for (uint32_t r = 0; r < run.batch.rows(); ++r) {
      run.batch.columns[0].values<int64_t>()[r] = 0;
      run.batch.columns[0].states()[r] = kValid;
    }
    return Status::Ok();
  });
  plan.node(zero).makes = {0};
  const StageId bad = plan.Node("bad", {zero}, Pass);
  plan.node(bad).when = CompileExpression("10 % n == 1", scope).expression;
  ASSERT_NE(plan.node(bad).when, nullptr);
  plan.node(bad).on_record_error = RecordPolicy::kStop;
  plan.Persist("out", {bad}, output);
  PushRows(1);
  const RunSummary run = RunToEnd();
  ASSERT_TRUE(run.failure);
  EXPECT_EQ(run.failure->stage, "bad");
  EXPECT_TRUE(output->committed().empty());
}

TEST_F(Rows, EverySourceRowEndsExactlyOnceAsEmittedDeadLetteredOrDropped) {
  const StageId in = plan.Source(input);
  const StageId filter = plan.Node("filter", {in}, FilterOdd());
  const StageId bad = plan.Node("bad", {filter}, FailRow(6));
  plan.Persist("out", {bad}, output);
  PushRows(103);
  const RunSummary run = RunToEnd();
  const int64_t emitted = static_cast<int64_t>(output->committed().size());
  const int64_t dead = static_cast<int64_t>(plan.dead_letters()->committed().size());
  EXPECT_EQ(run.totals.rows_read, emitted + dead + run.totals.stages[1].filtered);
  EXPECT_EQ(run.totals.rows_read, 103);
  EXPECT_EQ(run.totals.rows_committed, 103);
}

// 250 bytes a row, 50 KB in all; a batch may hold 32 KiB for one target.
class LargeResults : public RunTest {
 protected:
  LargeResults() {
    plan.plan().limits.memory_bytes = 64 << 10;
    plan.plan().batch.max_rows = 256;
    const StageId in = plan.Source(input);
    above = plan.Node("above", {in}, [this](const NodeRun& run) {
      calls += run.active_count;
      for (uint32_t row = 0; row < run.batch.rows(); ++row) {
        if (run.active[row] != 0 && run.batch.offset[row] % 10 == 7) run.FailRow(row, "seven", "it ends in seven");
      }
      return Status::Ok();
    });
    plan.node(plan.Persist("out", {above}, output)).breaker = {1000, 1000};
    for (int i = 0; i < 200; ++i) input->Push("k" + std::to_string(i), std::string(240, 'x') + std::to_string(i));
  }
  StageId above;
  std::atomic<int64_t> calls{0};
};

TEST_F(LargeResults, ABatchWithMoreResultsThanItMayHoldIsWrittenInPartsAndComputedOnce) {
  const RunSummary run = RunToEnd();
  ASSERT_TRUE(run.status.ok()) << run.status.message();
  std::vector<int64_t> good, bad;
  for (int64_t i = 0; i < 200; ++i) (i % 10 == 7 ? bad : good).push_back(i);
  EXPECT_EQ(Offsets(output->committed()), good);
  EXPECT_EQ(Offsets(plan.dead_letters()->committed()), bad);
  EXPECT_EQ(calls, 200);
  EXPECT_EQ(run.totals.rows_committed, 200);
  for (const StageCounts& stage : run.totals.stages) {
    EXPECT_EQ(stage.rows_in, stage.id == "out" ? 180 : 200) << stage.id;
    EXPECT_EQ(stage.dead_lettered, stage.id == "above" ? 20 : 0) << stage.id;
    EXPECT_EQ(stage.reasons.size(), stage.id == "above" ? 1U : 0U) << stage.id;
  }
}

TEST_F(LargeResults, APartThatFailsIsKeptOnceAndTakenUpAgain) {
  plan.plan().epoch.max_rows = 20;
  output->FailNextCommit({Code::kStage, "the target refuses"});
  input->End();
  const RunSummary failed = Run(plan.Build(), cancel);
  ASSERT_TRUE(failed.failure) << failed.status.message();
  EXPECT_EQ(failed.failure->kept_rows, 200);
  calls = 0;
  CancelToken again;
  options.start = RunStart::kRestart;
  const RunSummary restarted = Run(plan.Build(), again);
  ASSERT_TRUE(restarted.status.ok()) << restarted.status.message();
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(output->committed().size(), 180U);
  EXPECT_EQ(plan.dead_letters()->committed().size(), 20U);
}

TEST_F(LargeResults, AResultAboveItsLimitIsARecordErrorOfItsTarget) {
  plan.plan().limits.result_bytes = 244;  // key and value of the records from 10 on have 245 bytes and more
  const RunSummary run = RunToEnd();
  ASSERT_TRUE(run.status.ok()) << run.status.message();
  EXPECT_EQ(Offsets(output->committed()), (std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 8, 9}));
  EXPECT_EQ(plan.dead_letters()->committed().size(), 191U);
  const StageCounts& out = run.totals.stages.back();
  ASSERT_TRUE(out.reasons.contains("too_large")) << out.id;
  EXPECT_NE(out.reasons.at("too_large").example.find("limits.result_bytes is 244"), std::string::npos);
}

}  // namespace
}  // namespace anabranch
