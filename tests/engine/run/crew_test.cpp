// Batches and branches on more than one thread.
#include <atomic>
#include <random>

#include "tests/engine/run/run_fixture.h"

namespace anabranch {
namespace {

class CrewRun : public RunTest {};

// Keeps a thread for a real time that differs from call to call, so that batches end out of order.
PlanBuilder::Work Jitter() {
  return [](const NodeRun& run) {
    std::minstd_rand random(static_cast<unsigned>(run.batch.offset[0]) * 7919U);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 400));
    return Status::Ok();
  };
}

TEST_F(CrewRun, OnePartitionUsesEveryThreadAndKeepsItsOrder) {
  options.workers = 4;
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  const StageId in = plan.Source(input);
  const StageId jitter = plan.Node("jitter", {in}, [&](const NodeRun& run) {
    const int now = ++inside;
    int seen = most;
    while (now > seen && !most.compare_exchange_weak(seen, now)) {
    }
    Status status = Jitter()(run);
    --inside;
    return status;
  });
  plan.Persist("out", {jitter}, output);
  PushRows(4000);
  ASSERT_TRUE(RunToEnd().status.ok());
  EXPECT_EQ(Offsets(output->committed()), Numbers(0, 4000));
  EXPECT_GT(most, 1);
}

TEST_F(CrewRun, IndependentExpensiveBranchesOfOneBatchRunAtTheSameTime) {
  options.workers = 2;
  plan.plan().batch.max_rows = 1000;
  std::atomic<int> inside{0};
  std::atomic<bool> together{false};
  const auto slow = [&](const NodeRun&) {
    if (++inside == 2) together = true;
    Eventually([&] { return together.load(); }, std::chrono::milliseconds(20));  // the other branch may come
    --inside;
    return Status::Ok();
  };
  const StageId in = plan.Source(input);
  const StageId a = plan.Node("a", {in}, slow);
  const StageId b = plan.Node("b", {in}, slow);
  plan.node(a).expensive = plan.node(b).expensive = true;
  plan.Persist("out", {a, b}, output);
  RunInBackground();
  // One batch at a time: the other thread is idle and can only help with a branch.
  for (int i = 0; i < 20 && !together; ++i) {
    const size_t before = output->committed().size();
    PushRows(1);
    ASSERT_TRUE(Eventually([&] { return output->committed().size() > before; }));
  }
  input->End();
  thread.join();
  EXPECT_TRUE(together);
  EXPECT_EQ(Offsets(output->committed()), Numbers(0, pushed));
}

TEST_F(CrewRun, AFailureOnTheCrewStillCommitsTheCompletePrefixOnly) {
  options.workers = 4;
  const StageId in = plan.Source(input);
  plan.Persist("out",
               {plan.Node("breaks", {in},
                          [](const NodeRun& run) {
                            RETURN_IF_ERROR(Jitter()(run));
                            return run.batch.offset[0] == 400 ? Status(Code::kStage, "broken") : Status::Ok();
                          })},
               output);
  PushRows(2000);
  const RunSummary run = RunToEnd();
  ASSERT_TRUE(run.failure);
  EXPECT_EQ(run.failure->stage, "breaks");
  EXPECT_EQ(Offsets(output->committed()), Numbers(0, 400));
}

TEST_F(CrewRun, StopNowEndsWithoutWaitingForTheInput) {
  options.workers = 3;
  plan.Persist("out", {plan.Node("jitter", {plan.Source(input)}, Jitter())}, output);
  PushRows(5000);
  RunInBackground();
  ASSERT_TRUE(Eventually([&] { return !output->committed().empty(); }));
  cancel.Raise(CancelToken::kNow);
  thread.join();
  const auto offsets = Offsets(output->committed());
  EXPECT_EQ(offsets, Numbers(0, static_cast<int64_t>(offsets.size())));
}

}  // namespace
}  // namespace anabranch
