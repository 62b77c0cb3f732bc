// The writer alone, with committers that answer as no real one does on command.
#include "engine/run/epoch_writer.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "engine/testing/commit_epoch.h"

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

// Two targets at different places, in one unit: keeps what it is given.
class TwoTargets : public Committer {
 public:
  Status Open() override { return Status::Ok(); }
  Result<std::vector<TargetProgress>> Progress(std::span<const PartitionId> partitions) override {
    return std::vector<TargetProgress>{{0, std::vector<int64_t>(partitions.size(), next[0])},
                                       {1, std::vector<int64_t>(partitions.size(), next[1])}};
  }
  Status Write(const EncodedBatch& batch) override {
    for (size_t target = 0; target < 2; ++target) {
      for (const auto& row : batch.targets[target].rows) open[target] += std::to_string(row.offset) + " ";
    }
    return Status::Ok();
  }
  Status Commit(const EpochEnd&) override {
    if (abort_commits > 0) {
      --abort_commits;
      open = {};
      return {Code::kAborted, "the group moved on"};
    }
    for (size_t target = 0; target < 2; ++target) committed[target] += open[target];
    open = {};
    return Status::Ok();
  }
  Status Abort() override {
    open = {};
    return Status::Ok();
  }
  CommitOrder commit_order() const override { return CommitOrder::kLocalDatabase; }
  void Close() override {}

  std::array<int64_t, 2> next = {kNoPosition, kNoPosition};
  std::array<std::string, 2> open, committed;
  int abort_commits = 0;
};

// Rows `first` … `next` - 1 of partition 0 for both targets.
EncodedBatch Range(int64_t first, int64_t next) {
  EncodedBatch batch;
  batch.Clear(2);
  for (EncodedRows& rows : batch.targets) {
    for (int64_t offset = first; offset < next; ++offset) {
      EncodedRows::Row row;
      row.offset = offset;
      rows.rows.push_back(row);
    }
  }
  batch.positions.push_back({0, first, next});
  return batch;
}

// Keeps views into what it was given, as a producer does that copies nothing.
class ViewCommitter : public Committer {
 public:
  Status Open() override { return Status::Ok(); }
  Result<std::vector<TargetProgress>> Progress(std::span<const PartitionId> partitions) override {
    return std::vector<TargetProgress>{{0, std::vector<int64_t>(partitions.size(), kNoPosition)}};
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
  const Status committed = CommitEpoch(writer, Rows(text));
  ASSERT_TRUE(committed.ok()) << committed.message();
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

struct WriterOfTwo : public ::testing::Test {
  TwoTargets targets;
  CancelToken cancel;
  EpochWriter writer{{&targets}, size_t{1} << 20, cancel, {}};
  const std::vector<PartitionId> partition = {0};

  void Commit(EncodedBatch batch) {
    const Status committed = CommitEpoch(writer, std::move(batch));
    ASSERT_TRUE(committed.ok()) << committed.message();
  }
};

TEST_F(WriterOfTwo, EachTargetGetsTheRowsBehindItsOwnProgress) {
  targets.next = {3, 1};
  ASSERT_EQ(writer.Progress(0, partition).value(), std::vector<int64_t>{1});
  Commit(Range(0, 5));
  EXPECT_EQ(targets.committed[0], "3 4 ");
  EXPECT_EQ(targets.committed[1], "1 2 3 4 ");
}

TEST_F(WriterOfTwo, ATargetWithoutProgressGetsEveryRow) {
  targets.next = {3, kNoPosition};
  ASSERT_EQ(writer.Progress(0, partition).value(), std::vector<int64_t>{kNoPosition});
  Commit(Range(0, 4));
  EXPECT_EQ(targets.committed[0], "3 ");
  EXPECT_EQ(targets.committed[1], "0 1 2 3 ");
}

TEST_F(WriterOfTwo, ProgressThatIsAskedAnewCountsFromThenOn) {
  targets.next = {0, 0};
  ASSERT_TRUE(writer.Progress(0, partition).ok());
  Commit(Range(0, 2));
  ASSERT_TRUE(writer.Push(Range(2, 4), 1).ok());
  ASSERT_TRUE(writer.AbandonOpen().ok());
  targets.next = {4, 2};  // the commit of the first had happened after all
  ASSERT_TRUE(writer.Progress(0, partition).ok());
  Commit(Range(2, 6));
  EXPECT_EQ(targets.committed[0], "0 1 4 5 ");
  EXPECT_EQ(targets.committed[1], "0 1 2 3 4 5 ");
}

TEST_F(WriterOfTwo, AnAbortedEpochIsWrittenAgainWithoutTheRowsThatATargetHas) {
  targets.next = {2, 0};
  targets.abort_commits = 1;
  ASSERT_TRUE(writer.Progress(0, partition).ok());
  Commit(Range(0, 3));
  EXPECT_EQ(targets.committed[0], "2 ");
  EXPECT_EQ(targets.committed[1], "0 1 2 ");
}

TEST_F(WriterOfTwo, ProgressThatAnOperatorMovesBackLetsRowsThroughAgain) {
  targets.next = {5, kNoPosition};
  ASSERT_TRUE(writer.Progress(0, partition).ok());
  ASSERT_TRUE(writer.MoveProgress(0, partition, std::vector<int64_t>{1}).ok());
  Commit(Range(0, 3));
  EXPECT_EQ(targets.committed[0], "1 2 ");
  EXPECT_EQ(targets.committed[1], "0 1 2 ");
}

TEST_F(WriterOfTwo, RowsOfAnotherPartitionAreJudgedByItsOwnProgress) {
  targets.next = {3, 3};
  ASSERT_TRUE(writer.Progress(0, partition).ok());
  EncodedBatch batch = Range(0, 4);
  for (EncodedRows& rows : batch.targets) {
    for (EncodedRows::Row& row : rows.rows) row.partition = 1;
  }
  batch.positions = {{1, 0, 4}};
  Commit(std::move(batch));
  EXPECT_EQ(targets.committed[0], "0 1 2 3 ");
}

TEST_F(WriterOfTwo, AReplayedRowIsJudgedByTheLetterThatItCompletes) {
  targets.next = {10, 20};
  ASSERT_TRUE(writer.Progress(0, partition).ok());
  EncodedBatch batch = Range(7, 8);  // the offset of the record that failed
  batch.replayed = std::make_shared<ReplayedLetter>();
  batch.positions = {{0, 15, 16}};
  Commit(std::move(batch));
  EXPECT_EQ(targets.committed[0], "7 ");
  EXPECT_EQ(targets.committed[1], "");
}

TEST_F(WriterOfTwo, WhatIsKeptAfterAFailureIncludesTheRowsThatATargetHas) {
  targets.next = {2, 0};
  ASSERT_TRUE(writer.Progress(0, partition).ok());
  ASSERT_TRUE(writer.Push(Range(0, 3), 3).ok());
  ASSERT_TRUE(writer.WaitIdle().ok());
  writer.Stop();
  std::vector<size_t> rows;
  writer.ForEachUncommitted([&](const EncodedBatch& batch, int64_t) {
    for (const EncodedRows& target : batch.targets) rows.push_back(target.rows.size());
  });
  EXPECT_EQ(rows, (std::vector<size_t>{3, 3}));
  EXPECT_EQ(targets.open[0], "2 ");
}

}  // namespace
}  // namespace anabranch
