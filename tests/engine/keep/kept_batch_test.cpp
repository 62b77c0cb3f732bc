#include "engine/keep/kept_batch.h"

#include "tests/engine/keep/keep_fixture.h"

namespace anabranch {
namespace {

class KeptBatchTest : public ::testing::Test {
 protected:
  KeptBatchTest() { FillRandomBatch(plan, random, 9, names, 2, &batch); }

  std::shared_ptr<const std::string> Keep(std::initializer_list<StageId> done) {
    return std::make_shared<const std::string>(WriteKeptBatch(*plan.plan, batch, plan.Done(done)));
  }
  Status Restore(std::shared_ptr<const std::string> frame, const RestoreRules& rules) {
    got.Clear(plan.plan->columns.size(), plan.plan->stages());
    return RestoreKeptBatch(*plan.plan, std::move(frame), rules, got_names, &got);
  }

  KeepPlan plan;
  std::mt19937_64 random{7};
  SourceTable names, got_names;
  RecordBatch batch, got;
};

TEST_F(KeptBatchTest, WhatIsRestoredIsWhatWasKeptInRandomBatches) {
  std::mt19937_64 dice(TestSeed());
  for (int round = 0; round < 200; ++round) {
    FillRandomBatch(plan, dice, static_cast<uint32_t>(dice() % 40), names, 1 + dice() % 3, &batch);
    auto frame = Keep({plan.in, plan.a, plan.out});
    const Status status = Restore(std::move(frame), plan.ReuseAll());
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_EQ(got.rows(), batch.rows());
    EXPECT_TRUE(got.restored);
    EXPECT_EQ(got.payload_bytes, batch.payload_bytes);
    EXPECT_EQ(got.source_errors.size(), batch.source_errors.size());
    for (uint32_t row = 0; row < got.rows(); ++row) ExpectSameResults(plan, got, row, batch, row);
    for (const StageId stage : {plan.in, plan.a, plan.out}) {
      EXPECT_TRUE(got.stages[stage].done && got.stages[stage].reused);
      EXPECT_EQ(got.stages[stage].active_count, batch.stages[stage].active_count);
    }
    for (const StageId stage : {plan.b, plan.late}) {
      EXPECT_FALSE(got.stages[stage].done || got.stages[stage].reused);
      EXPECT_EQ(got.stages[stage].outcome.size(), got.rows());
    }
    const TargetId target = plan.plan->node(plan.out).target;
    ExpectSameEncoded(got.encoded.targets[target], got_names, batch.encoded.targets[target], names);
    ASSERT_EQ(got.positions.size(), batch.positions.size());
    for (size_t i = 0; i < got.positions.size(); ++i) {
      EXPECT_EQ(got.positions[i].first, batch.positions[i].first);
      EXPECT_EQ(got.positions[i].next, batch.positions[i].next);
      EXPECT_EQ(got.encoded.positions[i].next, batch.positions[i].next);
    }
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace anabranch
