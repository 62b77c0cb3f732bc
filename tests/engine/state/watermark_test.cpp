#include "engine/state/watermark.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>

namespace anabranch {
namespace {

constexpr int64_t kSecondUs = 1'000'000;

uint64_t WatermarkSeed() {
  const char* given = std::getenv("ANABRANCH_TEST_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::cout << "ANABRANCH_TEST_SEED=" << seed << std::endl;
  return seed;
}

TEST(Watermark, IsTheGreatestTimeMinusTheLateness) {
  Watermarks marks(30 * kSecondUs);
  EXPECT_EQ(marks.Of(0), kNoTime);
  marks.Note(0, 100 * kSecondUs);
  EXPECT_EQ(marks.Of(0), 70 * kSecondUs);
  EXPECT_EQ(marks.Greatest(0), 100 * kSecondUs);
}

TEST(Watermark, NeverFallsAndIsOfOnePartition) {
  Watermarks marks(0);
  marks.Note(3, 50);
  marks.Note(3, 20);
  marks.Note(1, 7);
  EXPECT_EQ(marks.Of(3), 50);
  EXPECT_EQ(marks.Of(1), 7);
  EXPECT_EQ(marks.Of(2), kNoTime);
}

TEST(Watermark, ARecordWithoutAGoodTimeMovesNothing) {
  Watermarks marks(5);
  marks.Note(0, kNoTime);
  EXPECT_EQ(marks.Of(0), kNoTime);
  marks.Note(0, 10);
  marks.Note(0, kNoTime);
  EXPECT_EQ(marks.Of(0), 5);
}

TEST(Watermark, IsWhatTheRecordsBeforeMadeWhenARecordIsJudged) {
  Watermarks marks(0);
  marks.Note(0, 10);
  EXPECT_EQ(marks.Of(0), 10) << "what the record of time 99 is judged by";
  marks.Note(0, 99);
  EXPECT_EQ(marks.Of(0), 99);
}

TEST(Watermark, AStoredOneGoesOnAndALongerLatenessDoesNotPullItBack) {
  Watermarks before(10);
  before.Note(0, 100);
  Watermarks longer(50), shorter(0);
  longer.Restore(0, before.Snapshot(0));
  shorter.Restore(0, before.Snapshot(0));
  EXPECT_EQ(longer.Of(0), 90) << "it never falls";
  EXPECT_EQ(shorter.Of(0), 100) << "it moves forward at once";
  longer.Note(0, 120);
  EXPECT_EQ(longer.Of(0), 90);
  longer.Note(0, 141);
  EXPECT_EQ(longer.Of(0), 91);
}

TEST(Watermark, OfAPartitionThatWentIsForgotten) {
  Watermarks marks(0);
  marks.Note(0, 10);
  marks.Note(1, 20);
  marks.Forget(0);
  EXPECT_EQ(marks.Snapshot(0), WatermarkState());
  EXPECT_EQ(marks.Of(1), 20);
}

TEST(Watermark, TheEarliestTimesDoNotWrapAround) {
  Watermarks marks(kSecondUs);
  marks.Note(0, kNoTime + 5);
  EXPECT_EQ(marks.Of(0), kNoTime + 1);
  marks.Note(0, 0);
  EXPECT_EQ(marks.Of(0), -kSecondUs);
}

// A model: all times so far, and for each partition the greatest that any prefix, under the lateness of its time, gave.
TEST(Watermark, EqualsTheRuleAppliedToAllTimesInRandomStreamsWithRestarts) {
  std::mt19937_64 dice(WatermarkSeed());
  for (int stream = 0; stream < 300; ++stream) {
    const auto partitions = static_cast<unsigned>(1 + dice() % 4);
    int64_t lateness = static_cast<int64_t>(dice() % 40);
    Watermarks marks(lateness);
    std::map<unsigned, std::vector<int64_t>> times;
    std::map<unsigned, int64_t> highest;
    const auto expect = [&](unsigned partition) {
      const auto& all = times[partition];
      const int64_t greatest = all.empty() ? kNoTime : *std::ranges::max_element(all);
      if (greatest != kNoTime) {
        highest[partition] = std::max(highest.emplace(partition, kNoTime).first->second, greatest - lateness);
      }
      ASSERT_EQ(marks.Greatest(PartitionId(partition)), greatest);
      ASSERT_EQ(marks.Of(PartitionId(partition)), greatest == kNoTime ? kNoTime : highest[partition]);
    };
    for (int step = 0; step < 60; ++step) {
      const auto partition = static_cast<unsigned>(dice() % partitions);
      if (dice() % 15 == 0) {  // a restart, perhaps with another lateness
        lateness = static_cast<int64_t>(dice() % 40);
        Watermarks next(lateness);
        for (unsigned each = 0; each < partitions; ++each) {
          next.Restore(PartitionId(each), marks.Snapshot(PartitionId(each)));
        }
        marks = next;
        for (unsigned each = 0; each < partitions; ++each) expect(each);
      } else if (dice() % 8 == 0) {
        marks.Note(PartitionId(partition), kNoTime);
      } else {
        const int64_t time = static_cast<int64_t>(dice() % 200) - 50;
        marks.Note(PartitionId(partition), time);
        times[partition].push_back(time);
      }
      expect(partition);
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace anabranch
