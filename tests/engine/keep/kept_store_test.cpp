#include "engine/keep/kept_store.h"

#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "engine/fault_point.h"
#include "tests/engine/keep/keep_fixture.h"

namespace anabranch {
namespace {

constexpr uint64_t kCap = uint64_t{1} << 20;
using Range = KeptHeader::Range;

// "p0 [5,9) p1 [0,3)"
std::string Print(const std::vector<Range>& ranges) {
  std::string text;
  for (const Range& range : ranges) {
    text += (text.empty() ? "p" : " p") + std::to_string(range.partition.partition) + " [" +
            std::to_string(range.first) + "," + std::to_string(range.next) + ")";
  }
  return text;
}

class KeptStoreTest : public ::testing::Test {
 protected:
  KeptStoreTest() { Open(); }

  void Open() {
    store.reset();
    auto opened = KeptStore::Open(folder.path(), kCap);
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    store = std::move(opened).value();
  }
  static Range Rows(int32_t partition, int64_t first, int64_t next) { return {{"topic", partition}, first, next}; }

  // A frame with one row per offset, its payload "MARK OFFSET".
  std::string Frame(const std::vector<Range>& ranges, const std::string& mark = "row") {
    RecordBatch batch;
    batch.Clear(plan.plan->columns.size(), plan.plan->stages());
    batch.partitions = &names;
    batch.sequence = ++sequence;
    for (const Range& range : ranges) {
      const PartitionId id = *names.Find(range.partition);
      batch.positions.push_back({id, range.first, range.next});
      for (int64_t offset = range.first; offset < range.next; ++offset) {
        batch.AddRow(id, offset, 0, "", false, batch.text.Copy(mark + " " + std::to_string(offset)));
      }
    }
    return WriteKeptBatch(*plan.plan, batch, plan.Done({}));
  }
  void Log(int lane, const std::vector<Range>& ranges, const std::string& mark = "row") {
    const Status status = store->Log(lane, Frame(ranges, mark), ranges, stop);
    ASSERT_TRUE(status.ok()) << status.message();
  }
  // Claims partitions 0, 1, … ; returns one text per entry.
  std::vector<std::string> Claim() {
    std::vector<SourcePartition> partitions;
    for (size_t i = 0; i < next.size(); ++i) partitions.push_back({"topic", static_cast<int32_t>(i)});
    auto entries = store->Claim("in0", partitions, &next);
    EXPECT_TRUE(entries.ok()) << entries.status().message();
    claimed = std::move(entries).value();
    std::vector<std::string> texts;
    for (const KeptStore::Entry& entry : claimed) texts.push_back(Print(entry.header.ranges));
    return texts;
  }
  // Payloads of what a claimed entry brings, in order.
  std::vector<std::string> Rows(const KeptStore::Entry& entry) {
    auto frame = store->Load(entry.id);
    EXPECT_TRUE(frame.ok()) << frame.status().message();
    RestoreRules rules;
    rules.next = NextOf(entry.header);
    RecordBatch batch;
    batch.Clear(plan.plan->columns.size(), plan.plan->stages());
    const Status status = RestoreKeptBatch(*plan.plan, *frame, rules, names, &batch);
    EXPECT_TRUE(status.ok()) << status.message();
    return {batch.payload.begin(), batch.payload.end()};
  }
  std::vector<std::string> Files() const {
    std::vector<std::string> names_found;
    for (const auto& at : std::filesystem::directory_iterator(folder / "results")) {
      names_found.push_back(at.path().filename().string());
    }
    std::sort(names_found.begin(), names_found.end());
    return names_found;
  }

  using Texts = std::vector<std::string>;
  TempFolder folder;
  KeepPlan plan;
  SourceTable names;
  CancelToken stop;
  std::unique_ptr<KeptStore> store;
  std::vector<int64_t> next;
  std::vector<KeptStore::Entry> claimed;
  uint64_t sequence = 0;
};

TEST_F(KeptStoreTest, WhatAFailureKeptIsClaimedOnceItsRowsGoOnExactlyThere) {
  ASSERT_TRUE(store->Keep(0, {Frame({Rows(0, 5, 8)}), Frame({Rows(0, 8, 10)})}).ok());
  EXPECT_TRUE(store->entries().empty()) << "entries are what was found at Open";
  Open();
  ASSERT_EQ(store->entries().size(), 2u);
  EXPECT_FALSE(store->entries()[0].log);
  EXPECT_EQ(store->entries()[0].header.source, "in0");
  next = {5};
  EXPECT_EQ(Claim(), (Texts{"p0 [5,8)", "p0 [8,10)"}));
  EXPECT_EQ(next, std::vector<int64_t>{10});
  EXPECT_EQ(Rows(claimed[1]), (Texts{"row 8", "row 9"}));
  ASSERT_TRUE(store->Done(claimed[0].id).ok());
  EXPECT_EQ(Files().size(), 1u);
  ASSERT_TRUE(store->Done(claimed[1].id).ok());
  EXPECT_TRUE(Files().empty());
  EXPECT_EQ(store->bytes(), 0u);
  EXPECT_TRUE(store->entries().empty());
}

TEST_F(KeptStoreTest, TheFolderIsTheOwnersAlone) {
  struct stat info;
  ASSERT_EQ(stat((folder / "results").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
}

TEST_F(KeptStoreTest, KeepingNothingMakesNoFile) {
  ASSERT_TRUE(store->Keep(0, {}).ok());
  EXPECT_TRUE(Files().empty());
}

TEST_F(KeptStoreTest, RowsThatAreDurableAlreadyAreLeftOut) {
  ASSERT_TRUE(store->Keep(0, {Frame({Rows(0, 0, 4)}), Frame({Rows(0, 4, 8)})}).ok());
  Open();
  next = {6};
  EXPECT_EQ(Claim(), (Texts{"p0 [6,8)"}));
  EXPECT_EQ(Rows(claimed[0]), (Texts{"row 6", "row 7"}));
  EXPECT_EQ(store->entries().size(), 1u) << "what lies behind is done";
}

TEST_F(KeptStoreTest, WithoutAStoredPositionKeptRowsBeginWhereTheyBegin) {
  ASSERT_TRUE(store->Keep(0, {Frame({Rows(0, 7, 9)})}).ok());
  Open();
  next = {kNoPosition, kNoPosition};
  EXPECT_EQ(Claim(), (Texts{"p0 [7,9)"}));
  EXPECT_EQ(next, (std::vector<int64_t>{9, kNoPosition}));
}

// A crash may leave the second batch of a lane in its log and not the first.
TEST_F(KeptStoreTest, WithoutAStoredPositionALogThatLacksTheFirstBatchIsNotUsed) {
  const std::string first = Frame({Rows(0, 0, 4)});
  Log(0, {Rows(0, 4, 8)});
  Open();
  next = {kNoPosition};
  EXPECT_EQ(Claim(), Texts());
  EXPECT_EQ(next, (std::vector<int64_t>{kNoPosition}));
  next = {4};
  EXPECT_EQ(Claim(), (Texts{"p0 [4,8)"})) << "it stays, for who knows where it begins";
}

TEST_F(KeptStoreTest, WithoutAStoredPositionALogIsUsedFromTheFirstBatchOn) {
  const std::string first = Frame({Rows(0, 7, 9)});
  Log(0, {Rows(0, 9, 12)});
  ASSERT_TRUE(store->Log(0, first, {Rows(0, 7, 9)}, stop).ok());
  Open();
  next = {kNoPosition};
  EXPECT_EQ(Claim(), (Texts{"p0 [7,9)", "p0 [9,12)"}));
  EXPECT_EQ(next, (std::vector<int64_t>{12}));
}

TEST_F(KeptStoreTest, AGapEndsTheChainAndWhatFollowsStays) {
  ASSERT_TRUE(store->Keep(0, {Frame({Rows(0, 0, 4)}), Frame({Rows(0, 5, 8)})}).ok());
  Open();
  next = {0};
  EXPECT_EQ(Claim(), (Texts{"p0 [0,4)"}));
  EXPECT_EQ(next, std::vector<int64_t>{4});
  ASSERT_TRUE(store->Done(claimed[0].id).ok());
  next = {5};
  EXPECT_EQ(Claim(), (Texts{"p0 [5,8)"}));
}

TEST_F(KeptStoreTest, TheNewestFrameOfTheSameRowsWins) {
  Log(0, {Rows(0, 0, 4)}, "old");
  Log(0, {Rows(0, 4, 8)}, "old");
  Log(0, {Rows(0, 0, 4)}, "newer in the same log");
  Open();
  Log(0, {Rows(0, 4, 8)}, "from the next process");
  Open();
  next = {0};
  ASSERT_EQ(Claim(), (Texts{"p0 [0,4)", "p0 [4,8)"}));
  EXPECT_EQ(Rows(claimed[0])[0], "newer in the same log 0");
  EXPECT_EQ(Rows(claimed[1])[0], "from the next process 4");
  EXPECT_EQ(store->entries().size(), 2u) << "what is replaced is done";
}

TEST_F(KeptStoreTest, OverlapsAreFedOnceEach) {
  Log(0, {Rows(0, 0, 4)}, "old");
  Log(0, {Rows(0, 4, 10)}, "old");
  Open();
  Log(0, {Rows(0, 2, 6)}, "new");
  Open();
  next = {0};
  ASSERT_EQ(Claim(), (Texts{"p0 [0,4)", "p0 [4,6)", "p0 [6,10)"}));
  EXPECT_EQ(Rows(claimed[1]), (Texts{"new 4", "new 5"}));
  EXPECT_EQ(Rows(claimed[2])[0], "old 6");
}

TEST_F(KeptStoreTest, AFrameOfSeveralPartitionsGoesOnInThoseWhereItIsNext) {
  Log(0, {Rows(0, 0, 2), Rows(1, 0, 2)});
  Log(0, {Rows(0, 2, 4), Rows(1, 3, 4)});
  Open();
  next = {0, 1};
  EXPECT_EQ(Claim(), (Texts{"p0 [0,2) p1 [1,2)", "p0 [2,4)"}));
  EXPECT_EQ(next, (std::vector<int64_t>{4, 2}));
  EXPECT_EQ(Rows(claimed[1]), (Texts{"row 2", "row 3"}));
  for (const auto& entry : claimed) ASSERT_TRUE(store->Done(entry.id).ok());
  EXPECT_EQ(Files().size(), 1u) << "partition 1 of the second frame was not done";
  next = {4, 3};
  EXPECT_EQ(Claim(), (Texts{"p1 [3,4)"}));
  ASSERT_TRUE(store->Done(claimed[0].id).ok());
  EXPECT_TRUE(Files().empty());
}

TEST_F(KeptStoreTest, FramesThatCrossAreFedInTheOrderOfEachPartition) {
  Log(0, {Rows(0, 0, 2), Rows(1, 2, 4)}, "a");
  Log(0, {Rows(0, 2, 4), Rows(1, 0, 2)}, "b");
  Open();
  next = {0, 0};
  EXPECT_EQ(Claim(), (Texts{"p0 [0,2)", "p0 [2,4) p1 [0,2)", "p1 [2,4)"}));
  EXPECT_EQ(next, (std::vector<int64_t>{4, 4}));
  for (const auto& entry : claimed) ASSERT_TRUE(store->Done(entry.id).ok());
  EXPECT_TRUE(Files().empty());
}

TEST_F(KeptStoreTest, PartitionsOfOthersAreLeftForThem) {
  Log(0, {Rows(0, 0, 2), Rows(1, 0, 2)});
  Open();
  next = {2};
  EXPECT_TRUE(Claim().empty());
  EXPECT_EQ(store->entries().size(), 1u);
  next = {2, 0};
  EXPECT_EQ(Claim(), (Texts{"p1 [0,2)"}));
  next = {2, 0};
  EXPECT_EQ(Claim(), (Texts{"p1 [0,2)"})) << "what is not done is given again";
}

TEST_F(KeptStoreTest, RandomChainsTileFromThePositionOn) {
  std::mt19937_64 dice(TestSeed());
  for (int round = 0; round < 30; ++round) {
    ASSERT_TRUE(store->Discard().ok());
    for (int process = 0; process < 3; ++process) {
      std::vector<int64_t> at = {static_cast<int64_t>(dice() % 6), static_cast<int64_t>(dice() % 6)};
      for (int frame = 0; frame < 8; ++frame) {
        std::vector<Range> ranges;
        for (int32_t p = 0; p < 2; ++p) {
          const auto rows = static_cast<int64_t>(dice() % 4);
          if (dice() % 5 == 0) ++at[static_cast<size_t>(p)];
          if (rows > 0) ranges.push_back(Rows(p, at[static_cast<size_t>(p)], at[static_cast<size_t>(p)] + rows));
          at[static_cast<size_t>(p)] += rows;
        }
        Log(0, ranges, "process " + std::to_string(process));
      }
      Open();
    }
    const std::vector<int64_t> from = {static_cast<int64_t>(dice() % 8), static_cast<int64_t>(dice() % 8)};
    next = from;
    Claim();
    std::vector<int64_t> fed = from;
    for (const auto& entry : claimed) {
      size_t rows = 0;
      for (const Range& range : entry.header.ranges) {
        int64_t& position = fed[static_cast<size_t>(range.partition.partition)];
        EXPECT_EQ(range.first, position);
        position = range.next;
        rows += static_cast<size_t>(range.next - range.first);
      }
      EXPECT_EQ(Rows(entry).size(), rows);
    }
    EXPECT_EQ(fed, next);
    for (const auto& entry : claimed) ASSERT_TRUE(store->Done(entry.id).ok());
    if (HasFailure()) return;
  }
}

TEST_F(KeptStoreTest, ACommitRemovesLogsThatHoldNothingElse) {
  for (int64_t i = 0; i < 40; ++i) Log(0, {Rows(0, i, i + 1)}, std::string(20'000, 'x'));
  const size_t before = Files().size();
  EXPECT_GT(before, 4u) << "logs are cut in pieces";
  const Range half = Rows(0, 0, 20);
  ASSERT_TRUE(store->Committed({&half, 1}).ok());
  EXPECT_LT(Files().size(), before);
  EXPECT_GT(Files().size(), 1u);
  const Range all = Rows(0, 0, 40);
  ASSERT_TRUE(store->Committed({&all, 1}).ok());
  EXPECT_LE(Files().size(), 1u);
}

TEST_F(KeptStoreTest, AFullStoreMakesLogWaitUntilACommit) {
  int64_t offset = 0;
  while (store->bytes() < kCap) {
    Log(0, {Rows(0, offset, offset + 1)}, std::string(50'000, 'x'));
    ++offset;
  }
  std::atomic<bool> logged{false};
  std::thread waiting([&] {
    Log(0, {Rows(0, offset, offset + 1)});
    logged = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // real time, in which nothing is logged
  EXPECT_FALSE(logged);
  const Range all = Rows(0, 0, offset);
  EXPECT_TRUE(store->Committed({&all, 1}).ok());
  waiting.join();
  EXPECT_TRUE(logged);
  EXPECT_LT(store->bytes(), kCap / 2);
}

TEST_F(KeptStoreTest, AStopEndsTheWaitForRoom) {
  int64_t offset = 0;
  while (store->bytes() < kCap) {
    Log(0, {Rows(0, offset, offset + 1)}, std::string(50'000, 'x'));
    ++offset;
  }
  std::thread stopper([this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // real time: it waits by then, as a rule
    stop.Raise(CancelToken::kDrain);
  });
  const std::vector<Range> ranges = {Rows(0, offset, offset + 1)};
  EXPECT_EQ(store->Log(0, Frame(ranges), ranges, stop).code(), Code::kCancelled);
  stopper.join();
}

TEST_F(KeptStoreTest, KeptRowsThatFillTheStoreDoNotStopTheirOwnLogging) {
  ASSERT_TRUE(store->Keep(0, {Frame({Rows(0, 0, 1)}, std::string(2 * kCap, 'x'))}).ok());
  Open();
  Log(0, {Rows(0, 0, 1)});
}

TEST_F(KeptStoreTest, LanesLogAtTheSameTimeWhileOthersCommit) {
  std::vector<std::thread> lanes;
  for (int lane = 0; lane < 4; ++lane) {
    std::vector<std::string> frames;
    for (int64_t i = 0; i < 60; ++i) frames.push_back(Frame({Rows(lane, i, i + 1)}, std::string(8'000, 'x')));
    lanes.emplace_back([this, lane, frames] {
      for (int64_t i = 0; i < 60; ++i) {
        const std::vector<Range> ranges = {Rows(lane, i, i + 1)};
        EXPECT_TRUE(store->Log(lane, frames[static_cast<size_t>(i)], ranges, stop).ok());
        if (i % 7 == 0) {
          EXPECT_TRUE(store->SyncLog(lane).ok());
        }
        const Range done = Rows(lane, 0, i - 2);
        if (i % 5 == 0) {
          EXPECT_TRUE(store->Committed({&done, 1}).ok());
        }
      }
    });
  }
  for (std::thread& lane : lanes) lane.join();
  Open();
  next = {57, 57, 57, 57};
  EXPECT_EQ(Claim().size(), 12u);
  EXPECT_EQ(next, (std::vector<int64_t>{60, 60, 60, 60}));
}

TEST_F(KeptStoreTest, ALogIsFoundAsFarAsItWasWritten) {
  Log(0, {Rows(0, 0, 4)});
  Log(0, {Rows(0, 4, 8)});
  store.reset();
  const std::string path = folder / "results/" + Files().at(0);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  Open();
  EXPECT_TRUE(store->damaged().empty());
  next = {0};
  EXPECT_EQ(Claim(), (Texts{"p0 [0,4)"}));
}

TEST_F(KeptStoreTest, ADamagedSegmentIsSetAsideAndToldAtEveryOpen) {
  ASSERT_TRUE(store->Keep(0, {Frame({Rows(0, 0, 4)})}).ok());
  ASSERT_TRUE(store->Keep(1, {Frame({Rows(1, 0, 4)})}).ok());
  const std::string path = folder / "results/" + Files().at(0);
  std::string bytes = ReadAll(path);
  bytes[bytes.size() / 2] ^= 4;
  WriteAll(path, bytes);
  for (int i = 0; i < 2; ++i) {
    Open();
    ASSERT_EQ(store->damaged().size(), 1u);
    EXPECT_TRUE(store->damaged()[0].ends_with(".seg.damaged"));
    EXPECT_EQ(store->entries().size(), 1u);
  }
  ASSERT_TRUE(store->Discard().ok());
  EXPECT_TRUE(Files().empty());
  EXPECT_TRUE(store->damaged().empty());
  EXPECT_TRUE(store->entries().empty());
  EXPECT_EQ(store->bytes(), 0u);
  Log(0, {Rows(0, 0, 1)});
  EXPECT_EQ(Files().size(), 1u);
}

TEST_F(KeptStoreTest, ASegmentCutToNothingIsDamaged) {
  ASSERT_TRUE(store->Keep(0, {Frame({Rows(0, 0, 4)})}).ok());
  std::filesystem::resize_file(folder / "results/" + Files().at(0), 0);
  Open();
  EXPECT_EQ(store->damaged().size(), 1u);
}

TEST_F(KeptStoreTest, CommittedRowsOfEarlierProcessesAreDone) {
  Log(0, {Rows(0, 0, 4)});
  ASSERT_TRUE(store->Keep(0, {Frame({Rows(0, 4, 8)})}).ok());
  Open();
  const Range behind = Rows(0, 0, 8);
  ASSERT_TRUE(store->Committed({&behind, 1}).ok());
  EXPECT_TRUE(store->entries().empty());
  EXPECT_TRUE(Files().empty());
}

#ifndef ANABRANCH_NO_FAULT_POINTS
TEST_F(KeptStoreTest, AStepThatFailsOnTheWayToASegmentLeavesNoneOrAWholeOne) {
  for (const char* place :
       {"segment.write@1", "segment.write@3", "segment.sync@1", "segment.rename@1", "segment.folder_sync@1"}) {
    ASSERT_TRUE(store->Discard().ok());
    ArmFaultPoints(std::string(place) + "=fail", "");
    const Status status = store->Keep(0, {Frame({Rows(0, 0, 4)}), Frame({Rows(0, 4, 8)})});
    ArmFaultPoints("", "");
    EXPECT_FALSE(status.ok()) << place;
    Open();
    EXPECT_TRUE(store->damaged().empty()) << place;
    const bool renamed = std::string_view(place).starts_with("segment.folder");
    EXPECT_EQ(store->entries().size(), renamed ? 2u : 0u) << place;
  }
}

TEST_F(KeptStoreTest, AStepThatFailsOnALogLeavesTheFramesBefore) {
  Log(0, {Rows(0, 0, 4)});
  const std::vector<Range> ranges = {Rows(0, 4, 8)};
  ArmFaultPoints("log.append@1=fail,log.sync@1=fail,results.delete@1=fail", "");
  EXPECT_FALSE(store->Log(0, Frame(ranges), ranges, stop).ok());
  EXPECT_FALSE(store->SyncLog(0).ok());
  EXPECT_TRUE(store->SyncLog(0).ok());
  ArmFaultPoints("", "");
  Log(0, ranges);
  Open();
  next = {0};
  EXPECT_EQ(Claim(), (Texts{"p0 [0,4)", "p0 [4,8)"}));
  ASSERT_TRUE(store->Done(claimed[0].id).ok());
  ArmFaultPoints("results.delete@1=fail", "");
  EXPECT_FALSE(store->Done(claimed[1].id).ok());
  ArmFaultPoints("", "");
  Open();
  next = {8};
  EXPECT_TRUE(Claim().empty());
  EXPECT_TRUE(Files().empty());
}
#endif

}  // namespace
}  // namespace anabranch
