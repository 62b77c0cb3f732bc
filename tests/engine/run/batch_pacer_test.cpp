#include "engine/run/batch_pacer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>

#include "engine/testing/manual_clock.h"
#include "tests/engine/run/run_fixture.h"

namespace anabranch {
namespace {

constexpr int64_t kMs = 1'000'000;

// A node whose calls were measured: `call_ns`, and `row_ns` per record.
class MeasuredProgram : public NodeProgram {
 public:
  MeasuredProgram(int64_t call_ns, int64_t row_ns) : call_ns_(call_ns), row_ns_(row_ns) {}
  Result<std::unique_ptr<Node>> Open() const override { return Status(Code::kInternal, "never opened"); }
  int64_t EstimateNs(uint32_t rows) const override { return call_ns_ + row_ns_ * rows; }

 private:
  const int64_t call_ns_, row_ns_;
};

class BatchPacing : public RunTest {
 protected:
  // A plan with one node per pair of costs.
  const Plan& PlanOf(int64_t target_ns, const std::vector<std::pair<int64_t, int64_t>>& costs) {
    StageId above = plan.Source(input);
    for (const auto& [call_ns, row_ns] : costs) {
      above = plan.Node("n" + std::to_string(above), {above}, Pass);
      plan.node(above).program = std::make_shared<MeasuredProgram>(call_ns, row_ns);
    }
    plan.plan().batch = {.max_rows = 256, .max_bytes = 1 << 20, .linger_ns = 0, .latency_target_ns = target_ns};
    return plan.plan();
  }
};

TEST_F(BatchPacing, WithoutATargetBatchesAreAsWritten) {
  PlanOf(0, {{kMs, kMs}});
  plan.plan().batch.linger_ns = 7;
  const BatchChoice choice = ChooseBatch(plan.plan());
  EXPECT_EQ(choice.limits.max_rows, 256u);
  EXPECT_EQ(choice.limits.linger_ns, 7);
  EXPECT_EQ(WhyTooSlow(plan.plan(), choice), "");
  BatchPacer pacer(plan.plan(), choice);
  for (int i = 0; i < 100; ++i) pacer.Note(256, 1'000 * kMs);
  EXPECT_EQ(pacer.limits().max_rows, 256u);
}

TEST_F(BatchPacing, TheLargestBatchIsChosenWhoseTimeTwiceStaysWithinTheTarget) {
  const BatchChoice choice = ChooseBatch(PlanOf(20 * kMs, {{kMs / 2, kMs / 20}, {kMs / 2, kMs / 20}}));
  EXPECT_LE(2 * (kMs + choice.limits.max_rows * kMs / 10), 20 * kMs);
  EXPECT_GE(choice.limits.max_rows, 80u);  // 90 would just do
}

TEST_F(BatchPacing, CheapModelsKeepTheWholeBatchAndMayWaitHalfOfWhatIsLeft) {
  const BatchChoice choice = ChooseBatch(PlanOf(5 * kMs, {{2'000, 100}}));
  EXPECT_EQ(choice.limits.max_rows, 256u);
  EXPECT_EQ(choice.limits.linger_ns, (5 * kMs - 2 * 27'600) / 2);
}

TEST_F(BatchPacing, NobodyWaitsForBatchesThatCostNoLessPerRecord) {
  EXPECT_EQ(ChooseBatch(PlanOf(5 * kMs, {{0, 1'000}})).limits.linger_ns, 0);
}

TEST_F(BatchPacing, ATargetThatCannotBeMetIsToldWithFigures) {
  PlanOf(5 * kMs, {{1'000, 1'000}, {0, 3 * kMs}});
  const BatchChoice choice = ChooseBatch(plan.plan());
  EXPECT_LE(choice.limits.max_rows, 2u);
  const std::string why = WhyTooSlow(plan.plan(), choice);
  EXPECT_NE(why.find("batch.latency_target_ms: 5 ms cannot be met: one record takes 3.002 ms"), std::string::npos)
      << why;
  EXPECT_NE(why.find("node \"n1\" 3 ms"), std::string::npos) << why;
}

TEST_F(BatchPacing, WhereEvenOneRecordIsTooSlowOthersThatCostLittleMoreGoWithIt) {
  const BatchChoice choice = ChooseBatch(PlanOf(5 * kMs, {{3 * kMs, 1'000}}));
  EXPECT_EQ(choice.limits.max_rows, 256u);
}

TEST_F(BatchPacing, LateBatchesBecomeSmallerAndQuickOnesGrowAgain) {
  PlanOf(10 * kMs, {});
  BatchPacer pacer(plan.plan(), ChooseBatch(plan.plan()));
  pacer.Note(256, 100 * kMs);
  EXPECT_EQ(pacer.limits().max_rows, 256u);  // once is the machine
  pacer.Note(10, kMs);
  pacer.Note(256, 100 * kMs);
  EXPECT_EQ(pacer.limits().max_rows, 256u);
  for (int i = 0; i < 60; ++i) pacer.Note(pacer.limits().max_rows, pacer.limits().max_rows * kMs / 10);
  EXPECT_LE(pacer.limits().max_rows, 50u);
  EXPECT_GE(pacer.limits().max_rows, 30u);
  EXPECT_EQ(pacer.TakeMiss().rows, 0u);
  for (int i = 0; i < 60; ++i) pacer.Note(pacer.limits().max_rows, pacer.limits().max_rows * kMs / 1000);
  EXPECT_EQ(pacer.limits().max_rows, 256u);
}

TEST_F(BatchPacing, WhatIsWaitedLeavesRoomForTheBatch) {
  PlanOf(10 * kMs, {{2'000, 100}});
  BatchPacer pacer(plan.plan(), ChooseBatch(plan.plan()));
  EXPECT_GT(pacer.limits().linger_ns, 4 * kMs);
  pacer.Note(4, 3 * kMs);
  EXPECT_EQ(pacer.limits().linger_ns, 2 * kMs);
  pacer.Note(4, 9 * kMs);
  EXPECT_EQ(pacer.limits().linger_ns, 0);
}

// What a call costs whatever its rows is not saved by smaller batches, which would only hold the others up.
TEST_F(BatchPacing, BatchesDoNotShrinkWhereThatDoesNotHelpAndTheMissIsReportedOnce) {
  PlanOf(10 * kMs, {});
  BatchPacer pacer(plan.plan(), ChooseBatch(plan.plan()));
  BatchMiss reported;
  for (int i = 0; i < 200; ++i) {
    pacer.Note(pacer.limits().max_rows, 6 * kMs);
    const BatchMiss miss = pacer.TakeMiss();
    if (miss.rows == 0) continue;
    EXPECT_EQ(reported.rows, 0u) << "reported twice";
    reported = miss;
  }
  EXPECT_EQ(reported.rows, 256u);
  EXPECT_EQ(reported.ns, 6 * kMs);
  EXPECT_EQ(pacer.limits().max_rows, 256u);
}

TEST_F(BatchPacing, LateSmallBatchesSayNothingAboutTheSize) {
  PlanOf(5 * kMs, {});
  BatchPacer pacer(plan.plan(), ChooseBatch(plan.plan()));
  for (int i = 0; i < 20; ++i) pacer.Note(1, 4 * kMs);
  EXPECT_EQ(pacer.limits().max_rows, 256u);
}

TEST_F(BatchPacing, AfterTheMachineWasSlowForAWhileBatchesGrowAgain) {
  PlanOf(5 * kMs, {});
  BatchPacer pacer(plan.plan(), ChooseBatch(plan.plan()));
  const auto takes = [&](double slower) {
    const uint32_t rows = pacer.limits().max_rows;
    pacer.Note(rows, static_cast<int64_t>(slower * (1'200'000.0 + 1'000.0 * rows)));
  };
  for (int i = 0; i < 20; ++i) takes(3);
  for (int i = 0; i < 200; ++i) takes(1);
  EXPECT_EQ(pacer.limits().max_rows, 256u);
}

TEST_F(BatchPacing, BatchesPolledUnderAnOlderSizeDoNotShrinkTheNew) {
  PlanOf(5 * kMs, {});
  BatchPacer pacer(plan.plan(), ChooseBatch(plan.plan()));
  for (int i = 0; i < 18; ++i) pacer.Note(256, 3 * kMs);
  EXPECT_GE(pacer.limits().max_rows, 190u);
}

// Whole runs over a node for which each record takes a given time of the run's clock.
class SlowRun : public BatchPacing {
 protected:
  // Rows per call, in order.
  std::vector<uint32_t> Batches(int64_t target_ns, int rows, int64_t row_ns) {
    const StageId slow = plan.Node("slow", {plan.Source(input)}, [this, row_ns](const NodeRun& run) {
      clock_.Advance(row_ns * run.active_count);
      const std::lock_guard lock(mutex_);
      batches_.push_back(run.active_count);
      return Status::Ok();
    });
    plan.Persist("out", {slow}, output);
    plan.plan().batch.max_rows = 64;
    plan.plan().batch.latency_target_ns = target_ns;
    observer.warn = [this](const std::string& line) {
      const std::lock_guard lock(mutex_);
      warnings_.push_back(line);
    };
    options.clock = &clock_;
    PushRows(rows);
    summary = RunToEnd();
    EXPECT_TRUE(summary.status.ok()) << summary.status.message();
    EXPECT_EQ(Offsets(output->rows), Numbers(0, rows));
    return batches_;
  }

  ManualClock clock_;
  std::mutex mutex_;
  std::vector<uint32_t> batches_;
  std::vector<std::string> warnings_;
};

TEST_F(SlowRun, WithoutATargetBatchesAreFull) {
  const std::vector<uint32_t> batches = Batches(0, 256, 500'000);
  EXPECT_EQ(batches, std::vector<uint32_t>(4, 64));
}

TEST_F(SlowRun, WithATargetBatchesOfASlowNodeBecomeSmaller) {
  const std::vector<uint32_t> batches = Batches(20 * kMs, 1024, 500'000);
  ASSERT_GT(batches.size(), 20u);
  EXPECT_EQ(batches.front(), 64u);
  EXPECT_LE(*std::max_element(batches.end() - 10, batches.end() - 1), 24u);  // 20 take the half of 20 ms
  EXPECT_TRUE(warnings_.empty()) << warnings_.front();
}

TEST_F(SlowRun, ATargetThatIsMissedByEverySingleRecordIsToldOnce) {
  Batches(4 * kMs, 200, 3 * kMs);
  ASSERT_EQ(warnings_.size(), 1u);
  EXPECT_NE(warnings_.front().find("batch.latency_target_ms: 4 ms is not met"), std::string::npos) << warnings_.front();
}

}  // namespace
}  // namespace anabranch
