// Epochs, back-pressure, stopping, and going on.
#include <atomic>

#include "tests/engine/run/run_fixture.h"

namespace anabranch {
namespace {

class Epochs : public RunTest {
 protected:
  // Rows that reached the target and are not committed.
  size_t Written() {
    const MutexLock lock(output->mutex);
    return output->open.size();
  }
};

TEST_F(Epochs, AnIdleLaneCommitsAtOnce) {
  plan.plan().epoch.commit_ns = int64_t{3600} * 1'000'000'000;
  plan.Persist("out", {plan.Source(input)}, output);
  RunInBackground();
  PushRows(1);
  EXPECT_TRUE(Eventually([&] { return output->committed().size() == 1; }));
  Drain();
}

TEST_F(Epochs, AnIdleLaneWhoseReadersNeedNoCommitSendsAtOnceAndCommitsInItsTime) {
  plan.plan().epoch.commit_ns = int64_t{3600} * 1'000'000'000;
  output->shows_at_commit = false;
  plan.Persist("out", {plan.Source(input)}, output);
  RunInBackground();
  PushRows(3);
  EXPECT_TRUE(Eventually([&] { return output->sent() == 3; }));
  EXPECT_EQ(output->commits(), 0U);
  Drain();
  EXPECT_EQ(Offsets(output->committed()), Numbers(0, 3));
}

TEST_F(Epochs, AnIdleLaneThatOnlySendsStillCommitsWhenItIsDue) {
  plan.plan().epoch.commit_ns = 20'000'000;
  output->shows_at_commit = false;
  plan.Persist("out", {plan.Source(input)}, output);
  RunInBackground();
  PushRows(3);
  EXPECT_TRUE(Eventually([&] { return output->committed().size() == 3; }));
  Drain();
}

TEST_F(Epochs, AnEpochThatIsDueDoesNotWaitForABatchThatLingers) {
  plan.plan().epoch.commit_ns = 100'000'000;
  plan.plan().batch.max_rows = 3;
  plan.plan().batch.linger_ns = int64_t{3600} * 1'000'000'000;
  output->shows_at_commit = false;
  plan.Persist("out", {plan.Source(input)}, output);
  RunInBackground();
  PushRows(3);
  ASSERT_TRUE(Eventually([&] { return output->sent() == 3 || output->commits() > 0; }));
  PushRows(1);
  EXPECT_TRUE(Eventually([&] { return output->committed().size() >= 3; }));
  input->End();
  thread.join();
  EXPECT_TRUE(summary.status.ok());
  EXPECT_EQ(Offsets(output->committed()), Numbers(0, 4));
}

TEST_F(Epochs, NoEpochIsCommittedWithoutRows) {
  plan.Persist("out", {plan.Source(input)}, output);
  EXPECT_TRUE(RunToEnd().status.ok());
  EXPECT_EQ(output->commits(), 0U);
}

TEST_F(Epochs, AnAbortedEpochIsWrittenAgainWithTheSameBytesAndNothingIsComputedTwice) {
  int calls = 0;
  const StageId in = plan.Source(input);
  plan.Persist("out",
               {plan.Node("count", {in},
                          [&calls](const NodeRun&) {
                            ++calls;
                            return Status::Ok();
                          })},
               output);
  PushRows(4);
  output->FailNextCommit({Code::kAborted, "fenced by nobody"});
  const RunSummary run = RunToEnd();
  ASSERT_TRUE(run.status.ok()) << run.status.message();
  EXPECT_EQ(output->committed(), output->aborted());
  EXPECT_EQ(Offsets(output->committed()), Numbers(0, 4));
  EXPECT_EQ(calls, 1);
}

TEST_F(Epochs, AFencedCommitStopsTheRunAndCommitsNothingMore) {
  plan.Persist("out", {plan.Source(input)}, output);
  PushRows(4);
  output->FailNextCommit({Code::kFenced, "another instance took over"});
  const RunSummary run = RunToEnd();
  EXPECT_EQ(run.status.code(), Code::kFenced);
  EXPECT_TRUE(output->committed().empty());
}

TEST_F(Epochs, ACorkedTargetHoldsTheSourceBackAndLosesNothing) {
  plan.plan().limits.memory_bytes = 16 << 10;
  plan.Persist("out", {plan.Source(input)}, output);
  output->Cork();
  PushRows(20'000);
  RunInBackground();
  ASSERT_TRUE(Eventually([&] { return Written() > 0; }));
  output->Uncork();
  input->End();
  thread.join();
  EXPECT_TRUE(summary.status.ok());
  EXPECT_EQ(Offsets(output->committed()), Numbers(0, 20'000));
}

TEST_F(Epochs, TheBytesHeldForACorkedTargetAreBounded) {
  plan.plan().limits.memory_bytes = 16 << 10;
  std::atomic<int64_t> computed{0};
  const StageId in = plan.Source(input);
  plan.Persist("out",
               {plan.Node("count", {in},
                          [&computed](const NodeRun& run) {
                            computed += run.active_count;
                            return Status::Ok();
                          })},
               output);
  output->Cork();
  PushRows(20'000);
  RunInBackground();
  ASSERT_TRUE(Eventually([&] { return computed > 0; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // real time, in which nothing more is computed
  // 8 KiB of encoded rows of about 50 bytes each, and a batch that waits.
  EXPECT_LT(computed, 400);
  cancel.Raise(CancelToken::kNow);
  thread.join();
  EXPECT_TRUE(output->committed().empty());
}

TEST_F(Epochs, AStageThatStopsCommitsTheCompleteBatchesBeforeIt) {
  const StageId in = plan.Source(input);
  plan.Persist("out",
               {plan.Node("breaks", {in},
                          [](const NodeRun& run) {
                            if (run.batch.offset[0] >= 8) return Status(Code::kStage, "the model is gone");
                            return Status::Ok();
                          })},
               output);
  PushRows(20);
  const RunSummary run = RunToEnd();
  ASSERT_TRUE(run.failure);
  EXPECT_EQ(run.failure->stage, "breaks");
  EXPECT_EQ(Offsets(output->committed()), Numbers(0, 8));
}

TEST_F(Epochs, ADrainCommitsWhatWasTakenInAndTheNextRunGoesOnFromThere) {
  const StageId in = plan.Source(input);
  std::atomic<bool> once{false};
  plan.Persist("out",
               {plan.Node("stop", {in},
                          [&](const NodeRun& run) {
                            if (run.batch.offset[0] >= 40 && !once.exchange(true)) cancel.Raise(CancelToken::kDrain);
                            return Status::Ok();
                          })},
               output);
  PushRows(2000);
  RunSummary first = RunToEnd();
  ASSERT_TRUE(first.status.ok());
  const size_t done = output->committed().size();
  EXPECT_GE(done, 40U);
  EXPECT_EQ(static_cast<int64_t>(done), first.totals.rows_read);

  CancelToken again;
  const RunSummary second = Run(plan.plan(), again);
  ASSERT_TRUE(second.status.ok()) << second.status.message();
  EXPECT_EQ(Offsets(output->committed()), Numbers(0, 2000));
}

TEST_F(Epochs, ATargetThatIsAheadSuppressesWhatItHas) {
  auto slow = std::make_shared<MemoryOutput>();
  plan.Persist("ahead", {plan.Source(input)}, output, "a");
  plan.Persist("behind", {0}, slow, "b");
  output->next = 6;
  slow->next = 2;
  PushRows(10);
  ASSERT_TRUE(RunToEnd().status.ok());
  EXPECT_EQ(Offsets(output->committed()), Numbers(6, 10));
  EXPECT_EQ(Offsets(slow->committed()), Numbers(2, 10));
  EXPECT_EQ(input->assigned, 2);
}

TEST_F(Epochs, ARevokedPartitionIsCommittedBeforeItIsGivenUp) {
  plan.Persist("out", {plan.Source(input)}, output);
  PushRows(10);
  RunInBackground();
  ASSERT_TRUE(Eventually([&] { return output->committed().size() == 10; }));
  PushRows(10);
  input->Revoke(false);
  input->End();
  thread.join();
  ASSERT_TRUE(summary.status.ok()) << summary.status.message();
  EXPECT_EQ(Offsets(output->committed()), Numbers(0, 20));
}

TEST_F(Epochs, ALostPartitionDropsWhatWasNotCommittedAndReadsItAgain) {
  plan.Persist("out", {plan.Source(input)}, output);
  output->Cork();
  PushRows(3);
  RunInBackground();
  ASSERT_TRUE(Eventually([&] { return Written() == 3; }));
  input->Revoke(true);
  ASSERT_TRUE(Eventually([&] {
    const MutexLock lock(input->mutex);
    return input->events.empty();
  }));
  output->Uncork();
  PushRows(3);
  input->End();
  thread.join();
  ASSERT_TRUE(summary.status.ok()) << summary.status.message();
  EXPECT_EQ(Offsets(output->committed()), Numbers(0, 6));
}

TEST_F(Epochs, ALaneThatOnlySentCommitsARevokedPartitionAndDropsALostOne) {
  plan.plan().epoch.commit_ns = int64_t{3600} * 1'000'000'000;
  output->shows_at_commit = false;
  plan.Persist("out", {plan.Source(input)}, output);
  RunInBackground();
  PushRows(10);
  ASSERT_TRUE(Eventually([&] { return output->sent() == 10; }));
  input->Revoke(false);
  EXPECT_TRUE(Eventually([&] { return output->committed().size() == 10; }));
  PushRows(3);
  ASSERT_TRUE(Eventually([&] { return output->sent() == 3; }));
  input->Revoke(true);
  ASSERT_TRUE(Eventually([&] { return output->aborted().size() == 3; }));
  input->End();
  thread.join();
  ASSERT_TRUE(summary.status.ok()) << summary.status.message();
  EXPECT_EQ(Offsets(output->committed()), Numbers(0, 13));
}

TEST_F(Epochs, AStoredPositionThatVanishedStopsTheRunInsteadOfStartingOver) {
  input->keeps_position = true;
  plan.Persist("out", {plan.Source(input)}, output);
  PushRows(6);
  ASSERT_TRUE(RunToEnd().status.ok());
  ASSERT_EQ(input->stored, 6);
  input->stored = kNoPosition;
  CancelToken again;
  const RunSummary run = Run(plan.plan(), again);
  EXPECT_EQ(run.status.code(), Code::kStage);
  EXPECT_NE(run.status.message().find("committed up to 6"), std::string::npos) << run.status.message();
  EXPECT_EQ(Offsets(output->committed()), Numbers(0, 6));
}

TEST_F(Epochs, FreshIsRefusedWhereTheSourceWouldGoOnBehindTheEmptiedOutput) {
  input->keeps_position = true;
  plan.Persist("out", {plan.Source(input)}, output);
  PushRows(2);
  ASSERT_TRUE(RunToEnd().status.ok());
  options.fresh = true;
  CancelToken again;
  const RunSummary run = Run(plan.plan(), again);
  EXPECT_EQ(run.status.code(), Code::kInvalid);
  EXPECT_NE(run.status.message().find("--new-identity"), std::string::npos) << run.status.message();
}

}  // namespace
}  // namespace anabranch
