#include "engine/strategy/rate_guard.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>

#include "tests/engine/strategy/oracles.h"

namespace anabranch {
namespace {

TEST(RateGuards, StakesAreRatiosOfBinomialLikelihoods) {
  for (const auto& each : Oracle("stakes")) {
    const RateGuard guard(each["limit"]);
    EXPECT_TRUE(IsNear(guard.LogAbove(each["units"], each["events"]), each["above"])) << each;
    EXPECT_TRUE(IsNear(guard.LogBelow(each["units"], each["events"]), each["below"])) << each;
  }
}

// Rows until the stake reaches 1/α, looking every 50 rows; `most` if it does not.
int RowsUntil(double limit, double rate, bool above, int most, std::mt19937_64* random) {
  const RateGuard guard(limit);
  std::bernoulli_distribution event(rate);
  int events = 0;
  for (int rows = 1; rows <= most; ++rows) {
    events += event(*random);
    if (rows % 50 != 0) continue;
    const double stake = above ? guard.LogAbove(rows, events) : guard.LogBelow(rows, events);
    if (stake >= std::log(100)) return rows;
  }
  return most;
}

int Median(double limit, double rate, bool above) {
  std::mt19937_64 random(15);
  std::vector<int> rows;
  for (int i = 0; i < 101; ++i) rows.push_back(RowsUntil(limit, rate, above, 50'000, &random));
  std::nth_element(rows.begin(), rows.begin() + 50, rows.end());
  std::printf("limit %.3f, rate %.3f: median of %d rows until e = 100\n", limit, rate, rows[50]);
  return rows[50];
}

TEST(RateGuards, ThreePercentAgainstOnePercentIsCaughtWithinFifteenHundredRows) {
  EXPECT_LE(Median(0.01, 0.03, true), 1500);
  EXPECT_LE(Median(0.01, 0.02, true), 2500);
  EXPECT_LE(Median(0.01, 0.05, true), 400);
  EXPECT_LE(Median(0.01, 0.20, true), 50);  // at the first look
}

TEST(RateGuards, ARateWellBelowTheLimitPasses) {
  EXPECT_LE(Median(0.01, 0.002, false), 1500);
  EXPECT_LE(Median(0.01, 0.0, false), 1000);
  EXPECT_LE(Median(0.05, 0.0, false), 250);
}

// At the limit the stake must not reach 1/α more often than α, however often it is looked at.
TEST(RateGuards, LooksDoNotAddUp) {
  std::mt19937_64 random(7);
  int above = 0, below = 0;
  for (int i = 0; i < 300; ++i) {
    above += RowsUntil(0.01, 0.01, true, 15'000, &random) < 15'000;
    below += RowsUntil(0.01, 0.01, false, 15'000, &random) < 15'000;
  }
  std::printf("300 looks at each 50 of 15,000 rows, rate = limit: %d said above, %d said below\n", above, below);
  EXPECT_LE(above, 6);
  EXPECT_LE(below, 6);
}

TEST(KeyWindows, ARowOfTheSameKeyCountsOncePerWindow) {
  KeyWindow window(4);
  EXPECT_TRUE(window.IsFirst("a"));
  EXPECT_TRUE(window.IsFirst("b"));
  EXPECT_FALSE(window.IsFirst("a"));
  EXPECT_TRUE(window.IsFirst());  // no key
  EXPECT_TRUE(window.IsFirst("a"));
  EXPECT_TRUE(window.IsFirst(""));  // an empty key is a key
  EXPECT_FALSE(window.IsFirst(""));
  EXPECT_TRUE(window.IsFirst());
  EXPECT_TRUE(window.IsFirst("b"));
}

TEST(KeyWindows, ManyKeysFit) {
  KeyWindow window;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 1024; ++i) EXPECT_TRUE(window.IsFirst("key " + std::to_string(i)));
  }
}

TEST(GuardCountsOf, LanesAddUp) {
  GuardCounts a, b;
  a.Add(true, true);
  a.Add(false, true);
  b.Add(true, false);
  a.Add(b);
  EXPECT_EQ(a, (GuardCounts{.units = 2, .unit_events = 1, .rows = 3, .events = 2}));
}

}  // namespace
}  // namespace anabranch
