#include "engine/state/rolling/rolling_entry.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "tests/engine/rolling/key_under_test.h"
#include "tests/engine/rolling/sum_oracle.h"

namespace anabranch {
namespace {

using F = RollingFunction;

constexpr int64_t kHour = 3'600'000'000;
constexpr int64_t kEver = INT64_MIN;

RollingProgram Program(std::vector<RollingType> columns, std::vector<RollingFeature> features,
                       uint32_t max_rows = 10'000) {
  auto program = RollingProgram::Make(std::move(columns), std::move(features), max_rows);
  EXPECT_TRUE(program.ok()) << program.status().message();
  return std::move(program).value();
}

RollingFeature Over(F function, int64_t over_us) { return {.function = function, .over_us = over_us}; }

// Updates with one column, and returns the values.
class OneColumn {
 public:
  explicit OneColumn(const RollingProgram& program) : program_(program), key_(program) {}

  std::vector<RollingValue> operator()(int64_t time_us, std::optional<double> value, int64_t horizon_us = kEver) {
    const uint64_t bits[] = {value ? std::bit_cast<uint64_t>(*value) : 0};
    std::vector<RollingValue> values(program_.width());
    fault_ = key_.Update({time_us, bits, static_cast<uint16_t>(value ? 0 : 1)}, horizon_us, values).fault;
    return values;
  }
  RollingFault fault() const { return fault_; }
  KeyUnderTest& key() { return key_; }

 private:
  const RollingProgram& program_;
  KeyUnderTest key_;
  RollingFault fault_ = RollingFault::kNone;
};

TEST(RollingEntry, AWindowIsOpenBelowAndClosedAbove) {
  const RollingProgram program = Program({RollingType::kFloat64}, {Over(F::kSum, kHour)});
  OneColumn update(program);
  update(0, 1);
  update(1, 2);
  EXPECT_EQ(update(kHour, 4)[0].number(), 6);        // the row at 0 is just outside
  EXPECT_EQ(update(kHour, 8)[0].number(), 14);       // of equal times those that came before count
  EXPECT_EQ(update(kHour - 1, 16)[0].number(), 19);  // out of order: (−1, 1 h − 1], so the row at 0 is in
}

TEST(RollingEntry, NaNLeavesWithItsRow) {
  const RollingProgram program =
      Program({RollingType::kFloat64}, {Over(F::kSum, 10), Over(F::kMax, 10), Over(F::kMin, 10), Over(F::kVarPop, 10)});
  OneColumn update(program);
  update(0, std::numeric_limits<double>::quiet_NaN());
  update(1, 2);
  const auto with = update(9, 4);
  EXPECT_TRUE(std::isnan(with[0].number()));
  EXPECT_TRUE(std::isnan(with[1].number()));
  EXPECT_EQ(with[2].number(), 2);
  EXPECT_TRUE(std::isnan(with[3].number()));
  const auto without = update(10, 6);
  EXPECT_EQ(without[0].number(), 12);
  EXPECT_EQ(without[1].number(), 6);
  EXPECT_NEAR(without[3].number(), 8.0 / 3, 1e-12);
}

TEST(RollingEntry, ALateRowSeesItselfAndIsNotRemembered) {
  const RollingProgram program = Program({RollingType::kFloat64}, {Over(F::kSum, 10), Over(F::kCountRows, 10)});
  OneColumn update(program);
  update(100, 1, 80);
  const auto late = update(80, 5, 80);
  EXPECT_EQ(late[0].number(), 5);
  EXPECT_EQ(late[1].integer(), 1);
  EXPECT_EQ(update.key().entry().rows(), 1U);
  EXPECT_TRUE(update.key().written().empty());
}

TEST(RollingEntry, SlotsOfRowsThatLeftAreUsedAgain) {
  const RollingProgram program = Program({RollingType::kFloat64}, {Over(F::kSum, 10)});
  OneColumn update(program);
  for (int64_t t = 0; t < 1000; ++t) update(t, 1, t - 10);
  EXPECT_EQ(update.key().log().size(), 10U);
  EXPECT_EQ(update.key().log().rbegin()->first, 9);
  for (const auto& logged : update.key().history()) EXPECT_FALSE(logged.tombstone);
  update(5000, 1, 4990);  // ten leave, one comes
  EXPECT_EQ(update.key().log().size(), 1U);
}

TEST(RollingEntry, RefusesMoreRowsThanItMayHold) {
  const RollingProgram program = Program({RollingType::kFloat64}, {Over(F::kCountRows, 100)}, 3);
  OneColumn update(program);
  for (int64_t t = 1; t <= 3; ++t) update(t, 1, 0);
  update(4, 1, 0);
  EXPECT_EQ(update.fault(), RollingFault::kStateFull);
  EXPECT_EQ(update(5, 1, 1)[0].integer(), 3);  // one left first
  EXPECT_EQ(update.fault(), RollingFault::kNone);
}

TEST(RollingEntry, HoldsTheMostRowsThereMayBe) {
  const RollingProgram program =
      Program({RollingType::kFloat64}, {Over(F::kSum, kHour), Over(F::kMin, kHour)}, RollingProgram::kMostRows);
  OneColumn update(program);
  for (int64_t t = 0; t < RollingProgram::kMostRows; ++t) update(t, 0.1, -1);
  EXPECT_EQ(update.fault(), RollingFault::kNone);
  update(RollingProgram::kMostRows, 1, -1);
  EXPECT_EQ(update.fault(), RollingFault::kStateFull);
  const auto values = update(RollingProgram::kMostRows, 0.1, 0);
  EXPECT_EQ(values[0].number(), 3200.1 - 0.1);  // 32,000 times the double 0.1, exactly, is nearest to 3200
  EXPECT_EQ(update.key().entry().Digest(kSeed), update.key().digest());
}

TEST(RollingEntry, AnIntegerSumThatDoesNotFitFailsItsRecordOnly) {
  const RollingProgram program = Program({RollingType::kInt64}, {Over(F::kSum, 10), Over(F::kMean, 10)});
  KeyUnderTest key(program);
  std::vector<RollingValue> values(2);
  const auto update = [&](int64_t time_us, int64_t value) {
    const uint64_t bits[] = {static_cast<uint64_t>(value)};
    return key.Update({time_us, bits, 0}, kEver, values);
  };
  EXPECT_EQ(update(0, INT64_MAX).fault, RollingFault::kNone);
  EXPECT_EQ(update(1, 1).fault, RollingFault::kOverflow);
  EXPECT_EQ(key.entry().rows(), 1U);
  EXPECT_EQ(update(2, -1).fault, RollingFault::kNone);
  EXPECT_EQ(values[0].integer(), INT64_MAX - 1);
}

// The bits of a sum are those of the exact sum, whatever was in the entry before and however it is laid out.
TEST(RollingEntry, ASumHasNoHistory) {
  const RollingProgram program = Program({RollingType::kFloat64}, {Over(F::kSum, 100)});
  OneColumn with_past(program), without(program);
  for (int64_t t = 0; t < 300; ++t) with_past(t, t % 2 == 0 ? 1e300 : -1e250, t - 100);
  for (int64_t t = 400; t < 500; ++t) {
    const double value = 0.1 * static_cast<double>(t % 7);
    EXPECT_EQ(with_past(t, value, t - 100)[0].bits, without(t, value, t - 100)[0].bits);
  }
}

// A window of three blocks that moves through its entry many times, with nulls.
TEST(RollingEntry, BlocksMoveWithTheirRows) {
  const RollingProgram program = Program({RollingType::kFloat64}, {Over(F::kSum, 100), Over(F::kMin, 100)});
  OneColumn update(program);
  const auto value = [](int64_t t) {
    return t % 5 == 0 ? std::nullopt : std::optional(1 + 0.1 * static_cast<double>(t * 7919 % 1000));
  };
  for (int64_t t = 0; t < 2000; ++t) {
    const auto values = update(t, value(t), t - 100);
    std::vector<double> want;
    for (int64_t i = std::max<int64_t>(0, t - 99); i <= t; ++i) {
      if (value(i)) want.push_back(*value(i));
    }
    if (want.empty()) continue;
    ASSERT_EQ(values[0].number(), SumOracle(want)) << t;
    ASSERT_EQ(values[1].number(), *std::min_element(want.begin(), want.end())) << t;
  }
}

TEST(RollingEntry, LivesOnAfterAReplayThatBeginsBeforeItsLastEnd) {
  const RollingProgram program = Program(
      {RollingType::kFloat64}, {Over(F::kSum, 10), {.function = F::kCountRows}, {.function = F::kLag, .rows = 2}});
  OneColumn update(program);
  for (int64_t t = 0; t < 30; ++t) update(t, static_cast<double>(t), t - 10);
  update(0, 7, 19);  // late: a cell of scalars
  update.key().Drop();
  // More rows than before: the tombstones of its first life leave some.
  for (int64_t t = 100; t < 115; ++t) update(t, static_cast<double>(t), t - 30);
  std::mt19937_64 random(1);
  KeyUnderTest again = update.key().Restored(&random);
  for (const auto& logged : update.key().history()) {
    if (logged.tombstone) {
      again.ApplyTombstone(logged.slot);
    } else {
      again.Apply(logged.slot, logged.bytes, RollingEntry::Order::kLog);
    }
  }
  EXPECT_EQ(again.entry().Digest(kSeed), update.key().digest());
  const uint64_t bits[] = {std::bit_cast<uint64_t>(1.5)};
  std::vector<RollingValue> values(program.width());
  again.Update({115, bits, 0}, 85, values);
  EXPECT_EQ(values[1].integer(), 16);
  EXPECT_EQ(values[2].number(), 113);
}

TEST(RollingEntry, RefusesBytesOfAnotherProgram) {
  const RollingProgram one = Program({RollingType::kFloat64}, {Over(F::kSum, 10)});
  const RollingProgram other = Program({RollingType::kFloat64}, {Over(F::kSum, 10), {.function = F::kSinceLast}});
  OneColumn update(one);
  update(1, 1);
  KeyUnderTest key(other);
  EXPECT_EQ(key.entry().Restore(0, update.key().log().at(0), RollingEntry::Order::kAny).fault, RollingFault::kDamaged);
  KeyUnderTest same(one);
  EXPECT_EQ(same.entry().Restore(1, update.key().log().at(0), RollingEntry::Order::kAny).fault, RollingFault::kDamaged);
  EXPECT_TRUE(same.entry().empty());
}

TEST(RollingEntry, TheDigestKnowsTheKey) {
  const RollingProgram program = Program({RollingType::kFloat64}, {Over(F::kSum, 10), {.function = F::kSinceLast}});
  OneColumn update(program);
  update(1, 1);
  EXPECT_NE(update.key().entry().Digest(kSeed), update.key().entry().Digest(kSeed + 1));
}

TEST(RollingEntry, IsSmall) {
  const RollingProgram program =
      Program({RollingType::kFloat64}, {Over(F::kCountRows, kHour), Over(F::kSum, kHour), Over(F::kMean, kHour)});
  // 24 bytes per row: its time, its value, and a word with slot, nulls and rank.
  EXPECT_EQ(RollingEntry::Bytes(program, 12), 16U + 12 * 24);
  const RollingProgram life = Program({RollingType::kFloat64}, {{.function = F::kSinceLast}});
  EXPECT_EQ(RollingEntry::Bytes(life, RollingEntry::FirstCapacity(life)), 32U);
}

TEST(RollingProgram, NamesWhatDoesNotFit) {
  const auto fault = [](const RollingFeature& feature, RollingType type = RollingType::kFloat64) {
    const auto program = RollingProgram::Make({type}, {RollingFeature{}, feature});
    return program.ok() ? std::string("ok") : program.status().message();
  };
  EXPECT_EQ(fault({.function = F::kSum, .column = 1}), "feature 1 (sum): there is no column 1 of 1");
  EXPECT_EQ(fault({.function = F::kSum}, RollingType::kHash),
            "feature 1 (sum): needs numbers; texts fit count and distinct");
  EXPECT_EQ(fault({.function = F::kDistinct}), "feature 1 (distinct): needs `over`, and a max of at least 1");
  EXPECT_EQ(fault({.function = F::kLag, .over_us = 5}),
            "feature 1 (lag): goes by arrival and has no `over`: remove it");
  EXPECT_EQ(fault({.function = F::kSum, .over_us = 5, .tile_us = 2}),
            "feature 1 (sum): `over` must be a multiple of `tile`");
  EXPECT_EQ(fault({.function = F::kSum, .tile_us = 2}),
            "feature 1 (sum): `tile` rounds the bound of `over`: add `over`");
  EXPECT_EQ(fault({.function = F::kLag, .rows = 2000}), "feature 1 (lag): rows is 2000; it must be 1 to 1024");
  EXPECT_EQ(fault({.function = F::kEwma}), "feature 1 (ewma): needs a half life above 0");
  EXPECT_EQ(fault({.function = F::kSum, .over_us = -1}), "feature 1 (sum): lengths of time must not be negative");
  EXPECT_FALSE(RollingProgram::Make({}, {}, 0).ok());
  EXPECT_FALSE(RollingProgram::Make(std::vector<RollingType>(17), {}).ok());
}

}  // namespace
}  // namespace anabranch
