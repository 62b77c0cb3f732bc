// What a run measures, and who it says holds it back.
#include <algorithm>
#include <thread>

#include "engine/measure/verdict.h"
#include "engine/run/lane_meter.h"
#include "engine/run/pipeline.h"
#include "engine/testing/manual_clock.h"
#include "engine/testing/silent_source.h"
#include "tests/engine/run/run_fixture.h"

namespace anabranch {
namespace {

using namespace std::chrono_literals;

class Measures : public RunTest {
 protected:
  const TargetMeasures& Target(const std::string& id) const {
    return *std::ranges::find(measures.targets, id, &TargetMeasures::id);
  }

  // What is said of the next half second and more.
  Verdict VerdictOf(Pipeline& pipeline) {
    const auto reaches = [&](int64_t elapsed_ns) {
      return Eventually([&] { return (measures = pipeline.Measures()).elapsed_ns >= elapsed_ns; });
    };
    EXPECT_TRUE(reaches(200'000'000));
    const MeasureSnapshot before = measures;
    EXPECT_TRUE(reaches(before.elapsed_ns + 800'000'000));
    for (const LaneMeasures& lane : measures.lanes) ExpectAllTimeIsKnown(lane);
    return Judge(before, measures, {}).verdict;
  }
  Verdict VerdictOfRun() {
    Pipeline pipeline(plan.Build(), registry, options, observer, &cancel);
    EXPECT_TRUE(pipeline.Start().ok());
    Verdict verdict = VerdictOf(pipeline);
    pipeline.Stop();
    ExpectAllTimeIsKnownAtItsEnd(pipeline);
    (void)pipeline.Finish();
    return verdict;
  }
};

TEST_F(Measures, NothingIsThereBeforeTheStart) {
  plan.Persist("out", {plan.Source(input)}, output);
  const Pipeline pipeline(plan.Build(), registry, options, observer, &cancel);
  const MeasureSnapshot measured = pipeline.Measures();
  EXPECT_TRUE(measured.lanes.empty() && measured.nodes.empty() && measured.targets.empty());
}

// Not when it was taken up: a lane holds what comes while a target takes its time.
TEST_F(Measures, ABatchCameInWhenItWasPolled) {
  ManualClock clock;
  clock.Advance(41);
  SourceTable partitions;
  LaneMeter::Parts parts;
  parts.source_id = "in";
  parts.partitions = &partitions;
  LaneMeter meter(clock, {"in", "dead_letters"}, {}, parts);
  SilentSource source;
  RecordBatch batch;
  ASSERT_TRUE(meter.Poll(source, batch, BatchLimits{}, 0).ok());
  EXPECT_EQ(batch.intake_ns, 42);
}

TEST_F(Measures, EachRowIsCountedOnceWhereItWent) {
  const auto fail_some = [](const NodeRun& run) {
    for (uint32_t row = 0; row < run.batch.rows(); ++row) {
      if (run.batch.offset[row] % 10 == 0) run.FailRow(row, "rule", "no");
    }
    return Status::Ok();
  };
  plan.plan().batch.max_rows = 16;
  plan.Persist("out", {plan.Node("check", {plan.Source(input)}, fail_some)}, output);
  PushRows(100);
  ASSERT_TRUE(RunToEnd().status.ok());

  EXPECT_EQ(Target("out").connector, "memory");
  EXPECT_EQ(Target("out").rows, 90);
  EXPECT_GT(Target("out").bytes, 90);
  EXPECT_EQ(Target("out").intake_seconds.count(), 90);
  EXPECT_EQ(Target("out").event_seconds.count(), 90);
  EXPECT_GE(Target("out").event_seconds.Quantile(0.5), 60) << "the records are from 2023";
  EXPECT_EQ(Target("out").commit_seconds.count(), measures.epochs_committed);
  EXPECT_GT(Target("out").last_commit_ms, 1'700'000'000'000);
  EXPECT_EQ(Target("dead_letters").rows, 10);
  ASSERT_EQ(measures.nodes.size(), 2U);
  EXPECT_EQ(measures.nodes[0].id, "check");
  EXPECT_DOUBLE_EQ(measures.nodes[0].batch_rows.sum, 100);
  EXPECT_DOUBLE_EQ(measures.nodes[1].batch_rows.sum, 90);
  EXPECT_EQ(measures.nodes[0].batch_seconds.count(), measures.nodes[0].batch_rows.count());
  EXPECT_TRUE(measures.nodes[0].call_rows.edges.empty()) << "it calls no model";
  EXPECT_EQ(measures.epoch_rows.count(), measures.epochs_committed);
  EXPECT_DOUBLE_EQ(measures.epoch_rows.sum, 100);
  EXPECT_EQ(measures.held_epoch, 0);
  EXPECT_EQ(measures.held_batches, 0);
}

TEST_F(Measures, ABreakerFillsUpWithFailedRows) {
  const auto fail = [](const NodeRun& run) {
    run.FailRow(0, "rule", "no");
    return Status::Ok();
  };
  plan.plan().batch.max_rows = 10;
  const StageId check = plan.Node("check", {plan.Source(input)}, fail);
  plan.node(check).breaker = {.rows = 1000, .failures = 20};
  plan.Persist("out", {check}, output);
  PushRows(50);
  ASSERT_TRUE(RunToEnd().status.ok());
  EXPECT_DOUBLE_EQ(measures.nodes[0].breaker_fill, 0.25);
}

TEST_F(Measures, ASourceTellsWhereItIsAndWhereItsInputEnds) {
  output->Cork();
  plan.plan().batch.max_rows = 10;
  plan.Persist("out", {plan.Source(input)}, output);
  PushRows(30);
  Pipeline pipeline(plan.Build(), registry, options, observer, &cancel);
  ASSERT_TRUE(pipeline.Start().ok());
  const auto partition = [&] {
    const MeasureSnapshot now = pipeline.Measures();
    return now.sources[0].partitions.empty() ? PartitionMeasures() : now.sources[0].partitions[0];
  };
  EXPECT_TRUE(Eventually([&] { return partition().end == 30 && partition().next <= 0; }));
  output->Uncork();
  EXPECT_TRUE(Eventually([&] { return partition().lag_records == 0; }));
  EXPECT_EQ(partition().next, 30);
  EXPECT_EQ(partition().lag_seconds, 0);
  EXPECT_EQ(partition().topic, "memory");
  EXPECT_EQ(pipeline.Measures().sources[0].records, 30);
  input->Revoke(false);
  EXPECT_TRUE(Eventually([&] { return pipeline.Measures().sources[0].rebalances == 1; }));
  pipeline.Drain();
  EXPECT_TRUE(pipeline.Finish().status.ok());
}

TEST_F(Measures, ACommitThatIsAbortedIsAnErrorOfItsTarget) {
  plan.Persist("out", {plan.Source(input)}, output);
  output->FailNextCommit({Code::kAborted, "the broker said no"});
  PushRows(10);
  ASSERT_TRUE(RunToEnd().status.ok());
  EXPECT_EQ(Target("out").errors, (std::map<std::string, int64_t>{{"aborted", 1}}));
  EXPECT_EQ(Target("out").rows, 10);
  EXPECT_EQ(measures.epochs_aborted, 1);
}

TEST_F(Measures, ASlowTargetIsNamed) {
  plan.plan().limits.memory_bytes = 64 << 10;
  plan.plan().epoch.max_rows = 1'000'000;
  output->write_takes = 20ms;
  plan.Persist("out", {plan.Node("pass", {plan.Source(input)}, Pass)}, output);
  PushRows(200'000);
  const Verdict verdict = VerdictOfRun();
  EXPECT_STREQ(NameOf(verdict.kind), "target") << verdict.text;
  EXPECT_EQ(verdict.by, "out");
}

TEST_F(Measures, ASlowCommitIsNamed) {
  plan.plan().epoch.max_rows = 500;
  output->commit_takes = 60ms;
  plan.Persist("out", {plan.Node("pass", {plan.Source(input)}, Pass)}, output);
  PushRows(200'000);
  const Verdict verdict = VerdictOfRun();
  EXPECT_STREQ(NameOf(verdict.kind), "target") << verdict.text;
  EXPECT_EQ(verdict.by, "out");
  EXPECT_NE(verdict.text.find("commit p50"), std::string::npos) << verdict.text;
  EXPECT_NE(verdict.advice.find("commit_ms"), std::string::npos) << verdict.advice;
}

TEST_F(Measures, ASlowNodeIsNamed) {
  const auto slow = [](const NodeRun&) {
    std::this_thread::sleep_for(10ms);
    return Status::Ok();
  };
  const StageId fast = plan.Node("fast", {plan.Source(input)}, Pass);
  plan.Persist("out", {plan.Node("slow", {fast}, slow)}, output);
  PushRows(200'000);
  const Verdict verdict = VerdictOfRun();
  EXPECT_STREQ(NameOf(verdict.kind), "node") << verdict.text;
  EXPECT_EQ(verdict.by, "slow");
}

// The crew computes; the lane waits.
TEST_F(Measures, ASlowNodeIsNamedWhoeverCallsIt) {
  const auto slow = [](const NodeRun&) {
    std::this_thread::sleep_for(30ms);
    return Status::Ok();
  };
  options.workers = 3;
  plan.Persist("out", {plan.Node("slow", {plan.Node("fast", {plan.Source(input)}, Pass)}, slow)}, output);
  PushRows(200'000);
  const Verdict verdict = VerdictOfRun();
  EXPECT_STREQ(NameOf(verdict.kind), "node") << verdict.text;
  EXPECT_EQ(verdict.by, "slow");
}

TEST_F(Measures, AnEmptyInputIsIdle) {
  plan.Persist("out", {plan.Node("pass", {plan.Source(input)}, Pass)}, output);
  const Verdict verdict = VerdictOfRun();
  EXPECT_STREQ(NameOf(verdict.kind), "idle") << verdict.text;
}

TEST_F(Measures, ANodeThatIsTriedAgainAndAgainIsNamed) {
  const StageId shy =
      plan.Node("shy", {plan.Source(input)}, [](const NodeRun&) { return Status(Code::kRetry, "not now"); });
  plan.node(shy).retry_max = 1'000;
  plan.node(shy).retry_backoff_ns = plan.node(shy).retry_max_backoff_ns = 50'000'000;
  plan.Persist("out", {shy}, output);
  PushRows(1'000);
  const Verdict verdict = VerdictOfRun();
  EXPECT_STREQ(NameOf(verdict.kind), "paused") << verdict.text;
  EXPECT_EQ(verdict.by, "shy");
}

TEST_F(Measures, ATargetThatIsTriedAgainAndAgainIsNamed) {
  plan.plan().epoch.max_rows = 1'000;
  plan.Persist("out", {plan.Source(input)}, output);
  for (int i = 0; i < 1'000; ++i) output->FailNextCommit({Code::kAborted, "not now"});
  PushRows(100'000);
  const Verdict verdict = VerdictOfRun();
  EXPECT_STREQ(NameOf(verdict.kind), "paused") << verdict.text;
  EXPECT_EQ(verdict.by, "out");
}

}  // namespace
}  // namespace anabranch
