#include "engine/measure/lane_clock.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <numeric>
#include <thread>
#include <utility>

#include "engine/testing/manual_clock.h"

namespace anabranch {
namespace {

std::vector<int64_t> Read(const TimeSheet& sheet) {
  int64_t wall_ns = 0;
  std::vector<int64_t> ns = sheet.Read(&wall_ns);
  EXPECT_EQ(std::accumulate(ns.begin(), ns.end(), int64_t{0}), wall_ns);
  return ns;
}

TEST(TimeSheets, EveryMomentBelongsToTheCellThatWasEnteredLast) {
  ManualClock clock;
  clock.Advance(100);
  TimeSheet sheet(clock, 3);
  EXPECT_EQ(Read(sheet), (std::vector<int64_t>{0, 0, 0}));
  sheet.Begin(0);
  clock.Advance(5);
  EXPECT_EQ(sheet.Enter(1), 0U);
  clock.Advance(7);
  EXPECT_EQ(Read(sheet), (std::vector<int64_t>{5, 7, 0}));
  sheet.Enter(2);
  clock.Advance(1);
  sheet.End();
  clock.Advance(50);
  EXPECT_EQ(Read(sheet), (std::vector<int64_t>{5, 7, 1}));
}

TEST(TimeSheets, AnOpenStretchIsSeenWhenItIsDivided) {
  ManualClock clock;
  clock.Advance(100);
  TimeSheet sheet(clock, 3);
  sheet.Begin(0);
  clock.Advance(5);
  sheet.Open(clock.NowNs());
  clock.Advance(12);
  EXPECT_EQ(Read(sheet), (std::vector<int64_t>{5, 0, 0}));
  const TimeSheet::Part parts[] = {{1, 1}, {2, 3}};
  sheet.Divide(parts, 0, clock.NowNs());
  clock.Advance(1);
  EXPECT_EQ(Read(sheet), (std::vector<int64_t>{6, 3, 9}));
  sheet.Open(clock.NowNs());
  clock.Advance(2);
  sheet.Divide({}, 2, clock.NowNs());
  EXPECT_EQ(Read(sheet), (std::vector<int64_t>{6, 3, 11}));
}

// A clock whose reader is held up: meanwhile the lane goes on.
class HeldUpClock : public Clock {
 public:
  int64_t NowNs() const override {
    if (meanwhile) std::exchange(meanwhile, nullptr)();
    return now_ns;
  }
  int64_t WallMs() const override { return 0; }
  int64_t now_ns = 100;
  mutable std::function<void()> meanwhile;
};

TEST(TimeSheets, AReaderThatIsHeldUpChargesNobody) {
  HeldUpClock clock;
  TimeSheet sheet(clock, 2);
  sheet.Begin(0);
  clock.meanwhile = [&] {
    sheet.Enter(1, 110);
    clock.now_ns = 1'000;
  };
  EXPECT_EQ(Read(sheet), (std::vector<int64_t>{10, 890}));
}

TEST(TimeSheets, TheWallTimeDoesNotFall) {
  HeldUpClock clock;
  TimeSheet sheet(clock, 1);
  sheet.Begin(0);
  clock.now_ns = 200;
  int64_t first = 0, second = 0;
  sheet.Read(&first);
  sheet.Open(150);  // a look at the clock before the reader's
  sheet.Read(&second);
  EXPECT_EQ(first, 100);
  EXPECT_EQ(second, 100);
}

// A counter that falls looks like a restart to whoever computes rates.
TEST(TimeSheets, WhatIsReadOnlyGrowsAndSumsToTheWallTime) {
  TimeSheet sheet(Clock::Real(), 4);
  std::atomic<bool> end{false};
  std::thread writer([&] {
    sheet.Begin(0);
    for (size_t i = 0; !end; ++i) {
      sheet.Enter(i % 4);
      if (i % 16 == 0) std::this_thread::sleep_for(std::chrono::microseconds(20));  // a lane's stretches are longer
      if (i % 3 != 0) continue;
      sheet.Open(sheet.NowNs());
      const TimeSheet::Part parts[] = {{1, 2}, {3, 5}};
      sheet.Divide(parts, i % 2, sheet.NowNs());
    }
    sheet.End();
  });
  std::vector<int64_t> before(4);
  for (int i = 0; i < 20'000; ++i) {
    int64_t wall_ns = 0;
    const std::vector<int64_t> now = sheet.Read(&wall_ns);
    const int64_t sum = std::accumulate(now.begin(), now.end(), int64_t{0});
    ASSERT_GE(sum, wall_ns);
    for (size_t cell = 0; cell < 4; ++cell) ASSERT_GE(now[cell], before[cell]);
    before = now;
  }
  end = true;
  writer.join();
  int64_t wall_ns = 0;
  const std::vector<int64_t> now = sheet.Read(&wall_ns);
  const int64_t sum = std::accumulate(now.begin(), now.end(), int64_t{0});
  EXPECT_NEAR(static_cast<double>(sum), static_cast<double>(wall_ns), static_cast<double>(wall_ns) * 0.02);
}

TEST(LaneClocks, ASpellEndsWhereItBegan) {
  ManualClock clock;
  clock.Advance(100);
  LaneClock lane(clock, {"in", "gbt", "dead_letters"}, 0);
  lane.Begin();
  clock.Advance(1);
  lane.Busy(1, clock.NowNs());
  clock.Advance(2);
  {
    const LaneClock::Spell paused(&lane, LaneState::kPaused, 1);
    clock.Advance(4);
  }
  clock.Advance(8);
  {
    const LaneClock::Spell nobody(nullptr, LaneState::kPaused, 1);
  }
  LaneMeasures measures;
  lane.Fill(&measures);
  ASSERT_EQ(measures.shares.size(), 3U);
  EXPECT_EQ(measures.wall_ns, 15);
  EXPECT_EQ(measures.shares[0].by, "in");
  EXPECT_EQ(measures.shares[0].ns, 1);
  EXPECT_EQ(measures.shares[1].by, "gbt");
  EXPECT_EQ(measures.shares[1].ns, 10);
  EXPECT_STREQ(NameOf(measures.shares[2].state), "paused");
  EXPECT_EQ(measures.shares[2].ns, 4);
}

}  // namespace
}  // namespace anabranch
