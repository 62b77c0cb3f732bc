// Streams of one key, with ties, nulls, NaN, disorder and a far future, against the model: every value, every cell,
// every digest; and the entry that lived against those that were restored. RC_PARAMS="seed=N max_success=2000" makes
// other streams and more of them.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "tests/engine/rolling/key_under_test.h"
#include "tests/engine/rolling/model.h"

namespace anabranch {
namespace {

using F = RollingFunction;

const bool kSeeded = setenv("RC_PARAMS", "seed=20261129 max_success=300", 0) == 0;

constexpr int64_t kUnit = 1'000'000;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

const std::vector<RollingType> kColumns = {RollingType::kInt64, RollingType::kFloat64, RollingType::kHash};

// What happens next. Small numbers, so that a failing stream shrinks well.
struct Step {
  int kind = 0;  // of 16: below 13 a row; else other keys bring a later time, Trim, Relocate
  int ahead = 0;
  int value = 0;
  int nulls = 0;
  bool restored = false;  // from here on a restored entry lives beside the others
};

std::ostream& operator<<(std::ostream& out, const Step& step) {
  return out << '{' << step.kind << ',' << step.ahead << ',' << step.value << ',' << step.nulls << ',' << step.restored
             << '}';
}

rc::Gen<Step> AnyStep() {
  return rc::gen::build<Step>(
      rc::gen::set(&Step::kind, rc::gen::inRange(0, 16)),
      rc::gen::set(&Step::ahead,
                   rc::gen::weightedOneOf<int>(
                       {{8, rc::gen::inRange(-4, 6)}, {2, rc::gen::inRange(-30, 5)}, {1, rc::gen::inRange(0, 80)}})),
      rc::gen::set(&Step::value, rc::gen::inRange(0, 40)),
      rc::gen::set(&Step::nulls, rc::gen::weightedElement<int>({{8, 0}, {1, 1}, {1, 2}, {1, 4}, {1, 7}})),
      rc::gen::set(&Step::restored, rc::gen::weightedElement<bool>({{30, false}, {1, true}})));
}

struct Values {
  bool wild = false;
  double Float(int pick) const {
    static const double kWild[] = {0.0,   -0.0,      0.1,        0.2,     -0.3,     1e16,    -1e16,    1,
                                   1e300, -1e300,    1e-300,     5e-324,  0x1p53,   -0x1p53, 1e250,    -1e250,
                                   kNan,  kInfinity, -kInfinity, 1.7e308, -1.7e308, 0x1p-60, -0x1p-60, 3};
    if (wild && pick < 24) return kWild[pick];
    return static_cast<double>(pick * 7919 % 2000 - 900) / 100;
  }
  int64_t Int(int pick) const {
    static const int64_t kWild[] = {INT64_MAX, INT64_MIN, INT64_MAX - 1, 0, -1, 1};
    if (wild && pick < 6) return kWild[pick];
    return pick * 31 % 17 - 5;
  }
  uint64_t Hash(int pick) const { return pick % 6 == 0 ? 0 : static_cast<uint64_t>(pick % 6) << 40; }
};

rc::Gen<RollingFeature> AnyFeature(int longest) {
  // Ranges are narrow where the size is small, and the list of features is short.
  return rc::gen::resize(rc::kNominalSize, rc::gen::exec([longest] {
                           RollingFeature feature;
                           feature.function = static_cast<F>(*rc::gen::inRange(0, 17));
                           const F function = feature.function;
                           const bool takes_texts = function == F::kCount || function == F::kDistinct;
                           feature.column = static_cast<size_t>(*rc::gen::inRange(0, takes_texts ? 3 : 2));
                           feature.current = *rc::gen::weightedElement<bool>({{3, true}, {1, false}});
                           const bool by_arrival = function == F::kLag || function == F::kValues ||
                                                   function == F::kSinceLast || function == F::kEwma;
                           const bool life = by_arrival || (function != F::kDistinct && *rc::gen::inRange(0, 4) == 0);
                           if (!life) {
                             feature.over_us = *rc::gen::element(2, longest / 2, longest) * kUnit;
                             if (*rc::gen::inRange(0, 4) == 0) feature.tile_us = feature.over_us / 2;
                           }
                           feature.rows = *rc::gen::inRange(1, 5);
                           feature.max = *rc::gen::element(4, 1000);
                           feature.half_life_us = static_cast<double>(*rc::gen::element(1, 10, 1000) * kUnit);
                           return feature;
                         }));
}

bool IsRight(const RollingValue& got, const RollingModel::Value& want) {
  if (got.valid != want.bits.has_value()) return false;
  if (!got.valid || got.bits == *want.bits) return true;
  if (!want.is_near) return false;
  const double a = got.number();
  const double b = std::bit_cast<double>(*want.bits);
  constexpr double kFewDigits = 1e-320;  // the least doubles have no digits to compare
  return std::isinf(want.tolerance) || std::abs(a - b) <= want.tolerance + std::abs(b) * 1e-12 + kFewDigits;
}

// What the streams met: a property over streams that meet nothing proves nothing.
struct Met {
  uint32_t most_rows = 0;
  int restored = 0;
  int faults[6] = {};
};
Met met;

// One stream: the entry that lives, those that were restored on the way, and the model.
class Stream {
 public:
  Stream(const RollingProgram& program, const std::vector<RollingFeature>& features, uint32_t max_rows, int lateness,
         bool wild)
      : program_(program),

        model_(kColumns, features, max_rows),
        values_{wild},
        lateness_(lateness * kUnit) {
    keys_.emplace_back(program);
  }

  void Take(const Step& step) {
    if (step.restored && keys_.size() < 4) {
      keys_.push_back(keys_[0].Restored(&random_));
      met.restored += keys_[0].log().empty() ? 0 : 1;
    }
    const int64_t time = now_ + step.ahead * kUnit;
    if (step.kind >= 13) {
      if (step.kind < 15) Meet(time);
      for (KeyUnderTest& key : keys_) {
        if (step.kind == 14) key.Trim(horizon_);
        if (step.kind == 15) key.Relocate(key.entry().FittingCapacity());
      }
      // What went may have borne the newest scalars.
      if (step.kind == 14 && keys_.size() > 1) keys_.back() = keys_[0].Restored(&random_);
      return;
    }
    Meet(time);
    Row(step, time);
  }

  void CheckEnd() {
    for (KeyUnderTest& key : keys_) {
      key.Drop();
      RC_ASSERT(key.log().empty());
      RC_ASSERT(key.digest() == 0U);
      RC_ASSERT(key.entry().empty());
    }
  }

 private:
  void Meet(int64_t time) {
    top_ = std::max(top_, time);
    now_ = top_;
    horizon_ = std::max(horizon_, top_ - program_.reach_us() - lateness_);
  }

  void Row(const Step& step, int64_t time) {
    const uint64_t bits[] = {static_cast<uint64_t>(values_.Int(step.value)),
                             std::bit_cast<uint64_t>(values_.Float(step.value)), values_.Hash(step.value)};
    const RollingRow row{time, bits, static_cast<uint16_t>(step.nulls)};
    RollingModel::Row known{time, {}};
    for (size_t c = 0; c < 3; ++c) {
      known.values.push_back((step.nulls >> c & 1) != 0 ? std::nullopt : std::optional(bits[c]));
    }
    const RollingModel::Answer want = model_.Update(known, horizon_);
    for (size_t i = 0; i < keys_.size(); ++i) {
      KeyUnderTest& key = keys_[i];
      const KeyUnderTest& first = keys_[0];
      std::vector<RollingValue> got(program_.width());
      const std::vector<std::byte> before = key.bytes();
      const RollingOutcome outcome = key.Update(row, horizon_, got);
      ++met.faults[static_cast<size_t>(outcome.fault)];
      met.most_rows = std::max(met.most_rows, key.entry().rows());
      if (i > 0) RC_ASSERT(key.written() == first.written());
      RC_ASSERT((outcome.fault != RollingFault::kNone) == (want.fault != RollingFault::kNone));
      RC_ASSERT((outcome.fault == RollingFault::kStateFull) == (want.fault == RollingFault::kStateFull));
      if (outcome.fault != RollingFault::kNone) {
        if (before.size() == key.bytes().size()) RC_ASSERT(key.bytes() == before);
        RC_ASSERT(key.written().empty());
        continue;
      }
      for (size_t v = 0; v < got.size(); ++v) {
        if (!IsRight(got[v], want.values[v]))
          RC_FAIL("value " + std::to_string(v) + " is wrong: " + Text(got[v], want.values[v]));
        if (i > 0) RC_ASSERT(got[v].valid == first_values_[v].valid && got[v].bits == first_values_[v].bits);
      }
      if (i == 0) first_values_ = got;
      CheckMemory(key);
    }
  }

  static std::string Text(const RollingValue& got, const RollingModel::Value& want) {
    return (got.valid ? std::to_string(got.number()) + " / " + std::to_string(got.integer()) : "null") +
           ", the model has " +
           (want.bits ? std::to_string(std::bit_cast<double>(*want.bits)) + " / " +
                            std::to_string(static_cast<int64_t>(*want.bits))
                      : "null");
  }

  // The log holds exactly what the model remembers.
  void CheckMemory(const KeyUnderTest& key) {
    std::vector<int64_t> times;
    for (const auto& [slot, cell] : key.log()) {
      if (slot == RollingEntry::kScalarSlot) continue;
      int64_t time;
      std::memcpy(&time, cell.data(), sizeof time);
      times.push_back(time);
    }
    std::sort(times.begin(), times.end());
    RC_ASSERT(times == model_.Remembered(horizon_));
    RC_ASSERT(key.entry().rows() == times.size());
    RC_ASSERT(key.digest() == key.entry().Digest(kSeed));
  }

  const RollingProgram& program_;
  RollingModel model_;
  Values values_;
  int64_t lateness_;
  std::vector<KeyUnderTest> keys_;
  std::vector<RollingValue> first_values_;
  std::mt19937_64 random_{5};
  int64_t now_ = 1'700'000'000 * kUnit + 3;
  int64_t top_ = INT64_MIN;
  int64_t horizon_ = INT64_MIN;
};

void RunStream(int longest, int most_steps) {
  const auto features = *rc::gen::resize(6, rc::gen::container<std::vector<RollingFeature>>(AnyFeature(longest)));
  const uint32_t max_rows = *rc::gen::weightedElement<uint32_t>({{3, 10'000}, {1, 12}});
  const auto program = RollingProgram::Make(kColumns, features, max_rows);
  RC_ASSERT(program.ok());
  const auto steps = *rc::gen::resize(most_steps, rc::gen::container<std::vector<Step>>(AnyStep()));
  Stream stream(*program, features, max_rows, *rc::gen::element(0, 3, 20), *rc::gen::arbitrary<bool>());
  for (const Step& step : steps) stream.Take(step);
  stream.CheckEnd();
}

RC_GTEST_PROP(RollingModelStreams, ShortWindowsEqualTheModel, ()) { RunStream(20, 120); }

// Many rows in a window: blocks, and moves of rows within the entry.
RC_GTEST_PROP(RollingModelStreams, LongWindowsEqualTheModel, ()) { RunStream(*rc::gen::element(200, 2000), 500); }

TEST(RollingModelStreams, MeetWhatTheyAreFor) {
  EXPECT_GT(met.most_rows, 200U);  // several blocks
  EXPECT_GT(met.restored, 100);
  EXPECT_GT(met.faults[static_cast<size_t>(RollingFault::kStateFull)], 50);
  EXPECT_GT(met.faults[static_cast<size_t>(RollingFault::kTooManyDistinct)], 50);
  EXPECT_GT(met.faults[static_cast<size_t>(RollingFault::kOverflow)], 50);
  EXPECT_GT(met.faults[static_cast<size_t>(RollingFault::kNone)], 5000);
}

}  // namespace
}  // namespace anabranch
