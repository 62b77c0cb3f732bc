#include "engine/state/rolling/exact_sum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "engine/state/rolling/rolling_scan.h"
#include "tests/engine/rolling/sum_oracle.h"

namespace anabranch {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double Exactly(const std::vector<double>& values) {
  ExactSum sum;
  for (const double value : values) sum.Add(value);
  return sum.Rounded();
}

FloatSum Quickly(const std::vector<double>& values) {
  FloatSum sum;
  for (const double value : values) sum.Add(value);
  return sum;
}

TEST(ExactSum, IsTheSumRoundedOnce) {
  const std::pair<std::vector<double>, double> cases[] = {
      {{}, 0.0},
      {{0.1, 0.2, 0.3}, 0.6},
      {{1e308, 1e308, -1e308}, 1e308},
      {{1e16, 1, -1e16}, 1},
      {{1e100, 1e-100, -1e100}, 1e-100},
      {{0x1p53, 1}, 0x1p53},                       // a tie goes to the even neighbour
      {{0x1p53, 1, 0x1p-60}, 0x1p53 + 2},          // just above the tie
      {{0x1p53 + 2, 1}, 0x1p53 + 4},               // the other even one
      {{0x1p53, 1, -0x1p-60}, 0x1p53},             // just below
      {{-0x1p53, -1, -0x1p-60}, -(0x1p53 + 2)},    //
      {{5e-324, 5e-324}, 1e-323},                  //
      {{0x1p-1022, -5e-324}, 0x1p-1022 - 5e-324},  //
      {{1.7976931348623157e308, 1e292}, kInfinity},
      {{1.7976931348623157e308, 9e291}, 1.7976931348623157e308},
      {{kInfinity, 1}, kInfinity},
      {{-kInfinity, 1e308, 1e308}, -kInfinity},
  };
  for (const auto& [values, want] : cases) EXPECT_EQ(Exactly(values), want);
  EXPECT_TRUE(std::isnan(Exactly({kInfinity, -kInfinity})));
  EXPECT_TRUE(std::isnan(Exactly({1, std::nan("")})));
  EXPECT_FALSE(std::signbit(Exactly({-0.0, -0.0})));
}

// Numbers of all sizes, often with their opposites, so that most digits cancel.
std::vector<double> Mixed(std::mt19937_64* random) {
  std::vector<double> values;
  const int spread = (*random)() % 2 == 0 ? 2000 : 60;
  const size_t count = 1 + (*random)() % 40;
  for (size_t i = 0; i < count; ++i) {
    const int exponent = static_cast<int>((*random)() % static_cast<uint64_t>(spread)) - spread / 2;
    const double size = std::ldexp(static_cast<double>((*random)() >> 11), exponent - 52);
    values.push_back((*random)() % 2 == 0 ? size : -size);
    if ((*random)() % 3 == 0) values.push_back(-values[(*random)() % values.size()]);
  }
  std::shuffle(values.begin(), values.end(), *random);
  return values;
}

TEST(ExactSum, EqualsIntegersOfAnyWidth) {
  std::mt19937_64 random(3);
  int known = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::vector<double> values = Mixed(&random);
    const double want = SumOracle(values);
    ASSERT_EQ(Exactly(values), want) << i;
    if (const std::optional<double> quick = Quickly(values).Rounded()) {
      ++known;
      ASSERT_EQ(*quick, want) << i;
    }
    ColumnPart<double> side_by_side;
    ScanSum(values.data(), static_cast<uint32_t>(values.size()), &side_by_side);
    ASSERT_EQ(side_by_side.sum.Rounded().value_or(want), want) << i;
  }
  EXPECT_GT(known, 5000);  // both ways were taken
  EXPECT_LT(known, 19'500);
}

TEST(FloatSum, KnowsUsualSums) {
  std::mt19937_64 random(4);
  for (int i = 0; i < 2000; ++i) {
    std::vector<double> cents;
    for (int k = 0; k < 50; ++k) cents.push_back(static_cast<double>(random() % 1'000'000) / 100);
    ASSERT_EQ(Quickly(cents).Rounded(), SumOracle(cents));
    cents.push_back(-*Quickly(cents).Rounded());
    ASSERT_TRUE(Quickly(cents).Rounded().has_value());  // what cancels exactly is known, too
  }
}

// Near a tie the double-double alone would round to the wrong side.
TEST(FloatSum, SaysWhenItDoesNotKnow) {
  const std::vector<double> near_a_tie = {0x1p53, 1, 0x1p-60, 0x1p-200};
  EXPECT_EQ(Quickly(near_a_tie).Rounded(), std::nullopt);
  EXPECT_EQ(Exactly(near_a_tie), 0x1p53 + 2);
  const std::vector<double> cancelled = {1e300, 1e250, 1, -1e250, -1e300};
  EXPECT_EQ(Quickly(cancelled).Rounded(), std::nullopt);
  EXPECT_EQ(Exactly(cancelled), 1);
  EXPECT_EQ(Quickly({1e308, 1e308, -1e308}).Rounded(), std::nullopt);
}

TEST(IntSum, HoldsTheGreatestInt64ManyTimes) {
  IntSum sum;
  for (int i = 0; i < 32'000; ++i) sum.Add(INT64_MIN);
  EXPECT_TRUE(sum.total() == static_cast<WideInt>(INT64_MIN) * 32'000);
  for (int i = 0; i < 32'000; ++i) sum.Add(INT64_MAX);
  EXPECT_TRUE(sum.total() == -32'000);
}

}  // namespace
}  // namespace anabranch
