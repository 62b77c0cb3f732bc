// Batches that were kept by an earlier run: only what is not done runs.
#include <fstream>
#include <sstream>

#include "engine/fault_point.h"
#include "tests/engine/run/worker_fixture.h"

namespace anabranch {
namespace {

class Restored : public WorkerTest {
 protected:
  // in → upper → lower (fails once) → out; `side` is written from upper.
  void Build() {
    const StageId in = plan.Source(input);
    upper = plan.Node("upper", {in}, [this](const NodeRun& run) {
      ++upper_calls;
      if (run.batch.offset[0] == 0) run.FailRow(0, "test", "bad row");
      return Status::Ok();
    });
    side = plan.Persist("side", {upper}, other);
    lower = plan.Node("lower", {upper}, [this](const NodeRun&) {
      return ++lower_calls == 1 ? Status(Code::kStage, "broken") : Status::Ok();
    });
    plan.node(lower).retry_max = 0;
    out = plan.Persist("out", {lower}, output);
  }

  std::shared_ptr<MemoryOutput> other = std::make_shared<MemoryOutput>();
  StageId upper = 0, side = 0, lower = 0, out = 0;
  int upper_calls = 0, lower_calls = 0;
};

TEST_F(Restored, AStageThatFinishedSaysSoThoughALaterOneFails) {
  Build();
  auto worker = Open();
  RecordBatch batch;
  Fill(&batch, 5, 1);
  ASSERT_EQ(worker->Run(batch, nullptr).code(), Code::kStage);
  EXPECT_EQ(worker->failed_stage(), lower);
  EXPECT_TRUE(batch.stages[0].done);
  EXPECT_TRUE(batch.stages[upper].done);
  EXPECT_TRUE(batch.stages[side].done);
  EXPECT_FALSE(batch.stages[lower].done);
  EXPECT_FALSE(batch.stages[out].done);
}

TEST_F(Restored, OnlyWhatIsNotDoneRunsAndNothingIsEncodedTwice) {
  Build();
  auto worker = Open();
  RecordBatch batch;
  lower_calls = 1;
  Fill(&batch, 0, 3);
  ASSERT_TRUE(worker->Run(batch, nullptr).ok());
  ASSERT_EQ(Offsets(batch.encoded.targets[plan.node(out).target]), (std::vector<int64_t>{1, 2}));

  upper_calls = 0;
  lower_calls = 1;
  Fill(&batch, 0, 3);
  batch.restored = true;
  batch.PrepareStages();
  batch.encoded.Clear(plan.plan().targets.size());
  for (StageId done : {StageId{0}, upper, side}) {
    StageRows& stage = batch.stages[done];
    std::fill(stage.outcome.begin(), stage.outcome.end(), Outcome::kOk);
    stage.done = stage.reused = true;
  }
  batch.stages[upper].outcome[0] = Outcome::kFailed;
  batch.stages[upper].errors = {{0, "test", "bad row"}};
  batch.stages[0].outcome[2] = Outcome::kFailed;  // only the earlier run saw that
  batch.stages[upper].outcome[2] = Outcome::kAbsent;
  batch.stages[0].errors = {{2, "json", "not JSON"}};
  batch.record_key = batch.key;
  batch.record_key_present = batch.key_present;
  ASSERT_TRUE(worker->Run(batch, nullptr).ok());
  EXPECT_EQ(upper_calls, 0);
  EXPECT_EQ(lower_calls, 2);
  EXPECT_EQ(batch.stages[0].outcome[2], Outcome::kFailed) << "the source ran again";
  EXPECT_EQ(Offsets(batch.encoded.targets[plan.node(out).target]), (std::vector<int64_t>{1}));
  EXPECT_TRUE(batch.encoded.targets[plan.node(side).target].rows.empty());
  ASSERT_EQ(Offsets(DeadLetters(batch)), (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(Header(DeadLetters(batch), 0, "anabranch.error.node"), "upper");
  ASSERT_EQ(batch.encoded.positions.size(), 1U);
  EXPECT_EQ(batch.encoded.positions[0].next, 3);
}

TEST_F(Restored, ACompleteBatchLeavesAsItIs) {
  Build();
  auto worker = Open();
  RecordBatch batch;
  Fill(&batch, 0, 2);
  batch.restored = batch.complete = true;
  batch.encoded.Clear(plan.plan().targets.size());
  batch.encoded.targets[0].rows.resize(2);
  ASSERT_TRUE(worker->Run(batch, nullptr).ok());
  EXPECT_EQ(upper_calls + lower_calls, 0);
  EXPECT_EQ(batch.encoded.targets[0].rows.size(), 2U);
}

TEST_F(Restored, ABatchIsForgottenWhenItIsCleared) {
  Build();
  auto worker = Open();
  RecordBatch batch;
  Fill(&batch, 0, 2);
  batch.restored = batch.complete = true;
  batch.give_up = lower;
  lower_calls = 1;
  Fill(&batch, 0, 2);
  ASSERT_TRUE(worker->Run(batch, nullptr).ok());
  EXPECT_EQ(upper_calls, 1);
}

TEST_F(Restored, RowsGivenUpBecomeDeadLettersWhateverThePolicySaysAndTheNodeIsNotCalled) {
  for (const RecordPolicy policy : {RecordPolicy::kStop, RecordPolicy::kSkip, RecordPolicy::kDefault}) {
    plan = PlanBuilder();
    guards = nullptr;
    Build();
    plan.node(lower).on_record_error = policy;
    auto worker = Open();
    RecordBatch batch;
    lower_calls = 0;
    Fill(&batch, 1, 2);
    batch.give_up = lower;
    ASSERT_TRUE(worker->Run(batch, nullptr).ok());
    EXPECT_EQ(lower_calls, 0);
    ASSERT_EQ(Offsets(DeadLetters(batch)), (std::vector<int64_t>{1, 2}));
    EXPECT_EQ(Header(DeadLetters(batch), 0, "anabranch.error.code"), "given_up");
    EXPECT_TRUE(batch.encoded.targets[plan.node(out).target].rows.empty());
    EXPECT_EQ(batch.encoded.targets[plan.node(side).target].rows.size(), 2U);
  }
}

TEST_F(Restored, RowsGivenUpAtTheSourceKeepTheirOwnKeys) {
  Build();
  auto worker = Open();
  RecordBatch batch;
  Fill(&batch, 1, 2);
  batch.give_up = 0;
  ASSERT_TRUE(worker->Run(batch, nullptr).ok());
  ASSERT_EQ(DeadLetters(batch).rows.size(), 2U);
  EXPECT_EQ(DeadLetters(batch).key(DeadLetters(batch).rows[0]), "k1");
  EXPECT_EQ(upper_calls, 0);
}

#ifndef ANABRANCH_NO_FAULT_POINTS
TEST_F(Restored, EveryCallOfANodeIsLoggedWithItsRowsAndCanBeMadeToFail) {
  const std::string log = (std::filesystem::temp_directory_path() / ("calls_" + std::to_string(::getpid()))).string();
  Build();
  auto worker = Open();
  lower_calls = 1;
  RecordBatch batch;
  ArmFaultPoints("stage.call:out@1=fail", log);
  Fill(&batch, 1, 2);
  const Status status = worker->Run(batch, nullptr);
  ArmFaultPoints("", "");
  std::ostringstream text;
  text << std::ifstream(log).rdbuf();
  std::filesystem::remove(log);
  EXPECT_EQ(status.code(), Code::kStage);
  EXPECT_EQ(worker->failed_stage(), out);
  EXPECT_EQ(text.str(),
            "stage.call upper 2\nstage.done upper 1\nstage.call side 2\nstage.done side 1\nstage.call lower 2\n"
            "stage.done lower 1\nstage.call out 2\n");
}
#endif

}  // namespace
}  // namespace anabranch
