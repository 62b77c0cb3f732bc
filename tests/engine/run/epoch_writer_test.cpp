// The writer alone, with committers that answer as no real one does on command.
#include "engine/run/epoch_writer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace anabranch {
namespace {

// Holds a commit until the test opens it or the writer interrupts it.
class CommitGate {
 public:
  void Close() { Set(&closed_, true); }
  void Open() { Set(&closed_, false); }
  void Pass() {
    std::unique_lock lock(mutex_);
    inside_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !closed_; });
    inside_ = false;
  }
  void AwaitOneInside() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return inside_; });
  }
  bool inside() {
    const std::lock_guard lock(mutex_);
    return inside_;
  }

 private:
  void Set(bool* flag, bool value) {
    const std::lock_guard lock(mutex_);
    *flag = value;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool closed_ = false, inside_ = false;
};

// Keeps views into what it was given, as a producer does that copies nothing.
class ViewCommitter : public Committer {
 public:
  Status Open() override { return Status::Ok(); }
  Result<std::vector<int64_t>> Progress(std::span<const PartitionId> partitions) override {
    return std::vector<int64_t>(partitions.size(), kNoPosition);
  }
  Status Write(const EncodedBatch& batch) override {
    ++writes;
    if (abort_writes > 0) {
      --abort_writes;
      views.clear();
      return {Code::kAborted, "the leader is away"};
    }
    const EncodedRows& rows = batch.targets[0];
    for (const auto& row : rows.rows) views.push_back(rows.value(row));
    return Status::Ok();
  }
  Status Commit(const EpochEnd&) override {
    gate.Pass();
    if (interrupted) return {Code::kRetry, "given up"};
    if (abort_commits > 0) {
      --abort_commits;
      views.clear();
      return {Code::kAborted, "the group moved on"};
    }
    for (std::string_view view : views) committed.append(view);
    views.clear();
    return Status::Ok();
  }
  Status Abort() override {
    for (std::string_view view : views) seen_at_abort.append(view);
    views.clear();
    return Status::Ok();
  }
  void SendNow() override { sent = views.size(); }
  void Interrupt() override {
    interrupted = true;
    gate.Open();
  }
  void Resume() override { interrupted = false; }
  CommitOrder commit_order() const override { return CommitOrder::kLocalDatabase; }
  void Close() override { closed_inside = gate.inside(); }

  std::vector<std::string_view> views;
  std::string committed, seen_at_abort;
  size_t sent = 0;
  int writes = 0, abort_writes = 0, abort_commits = 0;
  CommitGate gate;
  std::atomic<bool> interrupted{false};
  bool closed_inside = false;
};

EncodedBatch Rows(const std::string& value) {
  EncodedBatch batch;
  batch.Clear(1);
  EncodedRows::Row row;
  row.value_size = static_cast<uint32_t>(value.size());
  batch.targets[0].bytes = value;
  batch.targets[0].rows.push_back(row);
  batch.positions.push_back({0, 0, 1});
  return batch;
}

struct Writer : public ::testing::Test {
  ViewCommitter committer;
  CancelToken cancel;
  EpochWriter writer{{&committer}, size_t{1} << 20, cancel, {}};
  // Longer than a small string, so that its bytes lie on the heap.
  const std::string text = "a value that does not fit into the string object itself";
};

TEST_F(Writer, WhatWasPushedIsWrittenBeforeItIsSent) {
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(writer.Push(Rows(text), 1).ok());
  writer.SendNow();
  ASSERT_TRUE(writer.WaitIdle().ok());
  EXPECT_EQ(committer.sent, 100u);
  EXPECT_EQ(committer.committed, "");
}

TEST_F(Writer, AnAbandonedEpochStaysReadableUntilItsCommitterLetGo) {
  ASSERT_TRUE(writer.Push(Rows(text), 1).ok());
  ASSERT_TRUE(writer.WaitIdle().ok());
  ASSERT_TRUE(writer.AbandonOpen().ok());
  EXPECT_EQ(committer.seen_at_abort, text);
  EXPECT_EQ(committer.committed, "");
}

TEST_F(Writer, AWriteThatIsAbortedIsTriedAgainUntilItStays) {
  committer.abort_writes = 4;
  ASSERT_TRUE(writer.Push(Rows(text), 1).ok());
  ASSERT_TRUE(writer.CloseEpoch().ok());
  Status idle;
  do idle = writer.WaitIdle();
  while (idle.code() == Code::kRetry);
  ASSERT_TRUE(idle.ok()) << idle.message();
  EXPECT_EQ(committer.committed, text);
  EXPECT_EQ(committer.writes, 5);
}

TEST_F(Writer, AnEpochThatStaysAbortedIsTriedUntilItIsAbandoned) {
  committer.abort_commits = 1000;
  ASSERT_TRUE(writer.Push(Rows(text), 1).ok());
  ASSERT_TRUE(writer.CloseEpoch().ok());
  EXPECT_EQ(writer.WaitIdle().code(), Code::kRetry);
  EXPECT_EQ(writer.WaitIdle().code(), Code::kRetry);
  ASSERT_TRUE(writer.AbandonOpen().ok()) << writer.status().message();
  committer.abort_commits = 0;
  ASSERT_TRUE(writer.Push(Rows("next"), 1).ok());
  ASSERT_TRUE(writer.CloseEpoch().ok());
  ASSERT_TRUE(writer.WaitIdle().ok());
  EXPECT_EQ(committer.committed, "next");
}

TEST_F(Writer, AnAbandonedEpochDoesNotWaitForATargetThatIsAway) {
  committer.gate.Close();
  ASSERT_TRUE(writer.Push(Rows(text), 1).ok());
  ASSERT_TRUE(writer.CloseEpoch().ok());
  committer.gate.AwaitOneInside();
  ASSERT_TRUE(writer.AbandonOpen().ok());
  EXPECT_FALSE(committer.interrupted);
  EXPECT_EQ(committer.seen_at_abort, text);
  committer.gate.Open();
  ASSERT_TRUE(writer.Push(Rows("next"), 1).ok());
  ASSERT_TRUE(writer.CloseEpoch().ok());
  ASSERT_TRUE(writer.WaitIdle().ok());
  EXPECT_EQ(committer.committed, "next");
}

TEST_F(Writer, StopWaitsForTheCommitInProgressAndDropsTheRest) {
  committer.gate.Close();
  ASSERT_TRUE(writer.Push(Rows(text), 1).ok());
  ASSERT_TRUE(writer.CloseEpoch().ok());
  ASSERT_TRUE(writer.Push(Rows("never written"), 1).ok());
  committer.gate.AwaitOneInside();
  std::thread later([this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // real time: Stop waits by then, as a rule
    committer.gate.Open();
  });
  writer.Stop();
  committer.Close();
  later.join();
  EXPECT_FALSE(committer.closed_inside);
  EXPECT_EQ(committer.committed, text);
}

TEST_F(Writer, ClosedEpochsThatWaitAreBounded) {
  committer.gate.Close();
  std::atomic<int> closed{0};
  std::thread lane([&] {
    for (int i = 0; i < 10; ++i) {
      if (!writer.Push(Rows(text), 1).ok() || !writer.CloseEpoch().ok()) return;
      ++closed;
    }
  });
  committer.gate.AwaitOneInside();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // real time, in which no third one is closed
  EXPECT_LE(closed, 2);
  committer.gate.Open();
  lane.join();
  ASSERT_TRUE(writer.WaitIdle().ok());
  EXPECT_EQ(committer.committed.size(), 10 * text.size());
}

}  // namespace
}  // namespace anabranch
