// What differs between a run, a restart, a give-up and a replay.
#include "engine/run/run_mode.h"

#include "tests/engine/run/run_fixture.h"

namespace anabranch {
namespace {

class RunModes : public RunTest {
 protected:
  std::unique_ptr<const RunMode> Mode(RunStart start) {
    options.start = start;
    return RunMode::Of(options);
  }
  // A batch of ten rows from `first` on, of one partition.
  void Fill(RecordBatch* batch, PartitionId partition, int64_t first) {
    batch->Clear(plan.plan().columns.size(), plan.plan().stages());
    batch->positions = {{partition, first, first + 10}};
  }
};

TEST_F(RunModes, OnlyAReplayHasAnIdentityOfItsOwnAndNoHistory) {
  for (const RunStart start : {RunStart::kRun, RunStart::kRestart, RunStart::kGiveUp}) {
    EXPECT_EQ(Mode(start)->Identity("payments"), "payments");
    EXPECT_TRUE(Mode(start)->has_history());
  }
  EXPECT_EQ(Mode(RunStart::kReplay)->Identity("payments"), "payments.replay");
  EXPECT_FALSE(Mode(RunStart::kReplay)->has_history());
}

TEST_F(RunModes, ARunReadsItsSourcesAndAReplayReadsRecordsOfAny) {
  plan.Persist("out", {plan.Source(input)}, output);
  plan.Build();
  const std::vector<LaneInput> live = Mode(RunStart::kRun)->Inputs(plan.plan(), 4);
  ASSERT_EQ(live.size(), 1U);
  EXPECT_EQ(live[0].program, plan.plan().sources[0].program.get());
  EXPECT_FALSE(live[0].any_source);
  options.input = plan.plan().sources[0].program;
  const std::vector<LaneInput> letters = Mode(RunStart::kReplay)->Inputs(plan.plan(), 4);
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_TRUE(letters[0].any_source);
}

TEST_F(RunModes, RowsThatHadLeftTheirStageAreReadAgainUpToWhereTheyEnd) {
  plan.Persist("out", {plan.Source(input)}, output);
  plan.Build();
  SourceTable table;
  const PartitionId partition = *table.Find({"memory", 0});
  TakeUp take_up;
  take_up.rules.give_up = "out";
  take_up.reread_below = {{{"memory", 0}, 15}};
  const auto live = Mode(RunStart::kGiveUp)->MakeLiveInput(plan.plan(), table, take_up);
  EXPECT_TRUE(live->rereads_kept());
  const PartitionId partitions[] = {partition};
  const int64_t behind[] = {15}, next[] = {0};
  EXPECT_FALSE(live->Begin(partitions, behind)) << "everything was given up before";
  EXPECT_TRUE(live->Begin(partitions, next));
  RecordBatch batch;
  Fill(&batch, partition, 0);
  EXPECT_TRUE(live->Take(batch));
  EXPECT_EQ(plan.plan().StageName(batch.give_up), "out");
  EXPECT_FALSE(live->AtEnd());
  Fill(&batch, partition, 10);
  EXPECT_TRUE(live->Take(batch));
  EXPECT_EQ(batch.positions[0].next, 15);
  EXPECT_TRUE(live->AtEnd());
  Fill(&batch, partition, 20);
  EXPECT_FALSE(live->Take(batch));
}

TEST_F(RunModes, WithoutSuchRowsAGiveUpReadsNothing) {
  plan.Persist("out", {plan.Source(input)}, output);
  plan.Build();
  const SourceTable table;
  const auto live = Mode(RunStart::kGiveUp)->MakeLiveInput(plan.plan(), table, {});
  EXPECT_FALSE(live->Begin({}, {}));
  EXPECT_TRUE(live->ends_with_kept());
}

}  // namespace
}  // namespace anabranch
