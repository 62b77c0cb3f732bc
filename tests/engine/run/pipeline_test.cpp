// The handle of a running plan: several in one process, what each shows, and how it ends.
#include "engine/run/pipeline.h"

#include <condition_variable>
#include <mutex>

#include "tests/engine/run/run_fixture.h"

namespace anabranch {
namespace {

constexpr std::chrono::seconds kLong{10};

class PipelineTest : public RunTest {};

TEST_F(PipelineTest, ShowsWhatItDoesAndDrains) {
  plan.Persist("out", {plan.Source(input)}, output);
  Pipeline pipeline(plan.Build(), registry, options, observer);
  EXPECT_EQ(pipeline.state(), Pipeline::State::kNew);
  ASSERT_TRUE(pipeline.Start().ok());
  EXPECT_EQ(pipeline.state(), Pipeline::State::kRunning);
  PushRows(3);
  EXPECT_TRUE(Eventually([&] { return pipeline.Snapshot().rows_committed == 3; }));
  EXPECT_GE(pipeline.Snapshot().epochs, 1);
  EXPECT_FALSE(pipeline.Wait(std::chrono::milliseconds(1)));
  pipeline.Drain();
  EXPECT_TRUE(pipeline.Wait(kLong));
  EXPECT_EQ(pipeline.state(), Pipeline::State::kEnded);
  const RunSummary run = pipeline.Finish();
  EXPECT_TRUE(run.status.ok());
  EXPECT_EQ(run.totals.rows_committed, 3);
}

TEST_F(PipelineTest, TwoRunAtOnceAndEachStopsAlone) {
  plan.Persist("out", {plan.Source(input)}, output);
  PlanBuilder other_plan;
  const auto other_input = std::make_shared<MemoryInput>();
  const auto other_output = std::make_shared<MemoryOutput>();
  other_plan.Persist("out", {other_plan.Source(other_input)}, other_output);
  RunOptions other_options = options;
  other_options.state_dir += "_other";
  std::filesystem::remove_all(other_options.state_dir);

  Pipeline one(plan.Build(), registry, options, observer);
  Pipeline other(other_plan.Build(), registry, other_options, observer);
  ASSERT_TRUE(one.Start().ok());
  ASSERT_TRUE(other.Start().ok());
  one.Drain();
  EXPECT_TRUE(one.Wait(kLong));
  other_input->Push("k", "v");
  EXPECT_TRUE(Eventually([&] { return other_output->committed().size() == 1; }));
  EXPECT_EQ(other.state(), Pipeline::State::kRunning);
  other_input->End();
  EXPECT_TRUE(other.Finish().status.ok());
  EXPECT_TRUE(one.Finish().status.ok());
  std::filesystem::remove_all(other_options.state_dir);
}

TEST_F(PipelineTest, ASecondOneOnTheSameStateIsRefused) {
  plan.Persist("out", {plan.Source(input)}, output);
  Pipeline one(plan.Build(), registry, options, observer);
  ASSERT_TRUE(one.Start().ok());
  Pipeline second(plan.plan(), registry, options, observer);
  EXPECT_EQ(second.Start().code(), Code::kRetry);
  EXPECT_EQ(second.state(), Pipeline::State::kEnded);
  EXPECT_EQ(second.Finish().status.code(), Code::kRetry);
  EXPECT_EQ(one.state(), Pipeline::State::kRunning);
}

TEST_F(PipelineTest, ItsEndOfLifeStopsIt) {
  plan.Persist("out", {plan.Source(input)}, output);
  {
    Pipeline pipeline(plan.Build(), registry, options, observer);
    ASSERT_TRUE(pipeline.Start().ok());
  }
  Pipeline next(plan.plan(), registry, options, observer);
  ASSERT_TRUE(next.Start().ok());  // the state folder is free again
  next.Drain();
  EXPECT_TRUE(next.Finish().status.ok());
}

TEST_F(PipelineTest, AStageThatStopsIsItsFailure) {
  const StageId bad =
      plan.Node("bad", {plan.Source(input)}, [](const NodeRun&) { return Status(Code::kStage, "broken"); });
  plan.Persist("out", {bad}, output);
  Pipeline pipeline(plan.Build(), registry, options, observer);
  ASSERT_TRUE(pipeline.Start().ok());
  EXPECT_FALSE(pipeline.failure().has_value());
  PushRows(1);
  ASSERT_TRUE(pipeline.Wait(kLong));
  ASSERT_TRUE(pipeline.failure().has_value());
  EXPECT_EQ(pipeline.failure()->stage, "bad");
  EXPECT_EQ(pipeline.Finish().status.code(), Code::kStage);
}

// The plan, the registry and what the node waits for live on: the stuck thread still uses them.
TEST_F(PipelineTest, ANodeThatNeverReturnsLeavesItStuckAndTheProcessAlive) {
  static const FastClock fast;
  struct Gate {
    std::mutex mutex;
    std::condition_variable changed;
  };
  auto& gate = *new Gate;
  auto& lasting = *new PlanBuilder;
  auto& lasting_registry = *new Registry;
  lasting_registry.Add(MakeMemoryConnector());
  const StageId hangs = lasting.Node("hangs", {lasting.Source(input)}, [&gate](const NodeRun&) {
    std::unique_lock lock(gate.mutex);
    gate.changed.wait(lock, [] { return false; });
    return Status::Ok();
  });
  lasting.node(hangs).timeout_ns = 100'000'000;
  lasting.Persist("out", {hangs}, output);
  options.clock = &fast;
  Pipeline pipeline(lasting.Build(), lasting_registry, options, observer);
  ASSERT_TRUE(pipeline.Start().ok());
  PushRows(1);
  ASSERT_TRUE(pipeline.Wait(kLong));
  EXPECT_EQ(pipeline.state(), Pipeline::State::kStuck);
  ASSERT_TRUE(pipeline.failure().has_value());
  EXPECT_EQ(pipeline.failure()->stage, "hangs");
  EXPECT_EQ(pipeline.failure()->kept_rows, 1);
  const RunSummary run = pipeline.Finish();
  EXPECT_TRUE(run.stuck);
  EXPECT_EQ(run.status.code(), Code::kStage);
  const std::lock_guard lock(gate.mutex);  // what the stuck thread did comes before what later tests do
}

}  // namespace
}  // namespace anabranch
