#include "engine/strategy/arm_counts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace anabranch {
namespace {

CompareSpec ArmSpec() {
  return {.outputs = {{.name = "p[\"ja\"]", .edges = {0.1, 0.5}, .reference = {3, 2, 1}},
                      {.name = "label", .is_label = true, .classes = {"A", "Ä"}}},
          .segment = "country"};
}

ArmCounts NoArmCounts() { return {ArmSpec(), 3, 2}; }

// What a lane makes of some rows.
ArmCounts RandomArmCounts(std::mt19937_64* random, int segments = 9) {
  ArmCounts counts = NoArmCounts();
  const auto below = [random](uint64_t n) { return (*random)() % n; };
  for (uint64_t rows = below(40); rows > 0; --rows) {
    const std::string labels[] = {"A", "B", "Ä"};
    const std::string id = "t/0/" + std::to_string(below(1000));
    const std::string segment = "s" + std::to_string(below(static_cast<uint64_t>(segments)));
    ComparedValue a[2], b[2];
    for (ComparedValue* each : {a, b}) {
      each[0] = {.kind = ComparedValue::Kind::kNumber, .number = static_cast<double>(below(1000)) / 1000};
      each[1] = {.kind = ComparedValue::Kind::kLabel, .label = labels[below(3)]};
    }
    counts.compare.Add({.id = id,
                        .segment = segment,
                        .a_failed = below(5) == 0,
                        .b_failed = below(5) == 0,
                        .a_ns = static_cast<int64_t>(below(5000)),
                        .b_ns = static_cast<int64_t>(below(5000)),
                        .a = a,
                        .b = b});
    for (GuardCounts& guard : counts.guards) guard.Add(below(2) == 0, below(4) == 0);
    counts.drawn[below(2)] += 1;
    counts.answered[below(2)] += 1;
  }
  return counts;
}

TEST(ArmCounting, InAnyOrderIsTheSame) {
  std::mt19937_64 random(11);
  for (int run = 0; run < 20; ++run) {
    std::vector<ArmCounts> parts;
    for (int i = 0; i < 12; ++i) parts.push_back(RandomArmCounts(&random));
    std::string texts[2];
    int64_t rows = 0, paired = 0;
    for (const ArmCounts& part : parts) {
      rows += part.rows();
      paired += part.paired();
    }
    for (std::string& text : texts) {
      std::shuffle(parts.begin(), parts.end(), random);
      ArmCounts left = NoArmCounts(), right = NoArmCounts();
      const size_t cut = random() % parts.size();
      for (size_t i = 0; i < parts.size(); ++i) {
        // One goes through its text, as over the log.
        const Result<ArmCounts> read = ArmCounts::Parse(parts[i].Print());
        ASSERT_TRUE(read.ok()) << read.status().message();
        ASSERT_TRUE((i < cut ? left : right).Add(*read).ok());
      }
      ASSERT_TRUE(left.Add(right).ok());
      EXPECT_EQ(left.rows(), rows);
      EXPECT_EQ(left.paired(), paired);
      EXPECT_EQ(left.paired(), left.compare.Total().rows);
      text = left.Print();
    }
    // Sums differ by less than 1e-30 of their size, in the low half of their two doubles.
    const Result<ArmCounts> one = ArmCounts::Parse(texts[0]), other = ArmCounts::Parse(texts[1]);
    ASSERT_TRUE(one.ok() && other.ok());
    EXPECT_EQ(one->guards, other->guards);
    EXPECT_EQ(one->drawn, other->drawn);
    EXPECT_EQ(one->answered, other->answered);
    EXPECT_EQ(one->compare.worst(), other->compare.worst());
    const SegmentCounts a = one->compare.Total(), b = other->compare.Total();
    EXPECT_EQ(a.only_b_failed, b.only_b_failed);
    EXPECT_EQ(a.outputs[0].a_bins, b.outputs[0].a_bins);
    EXPECT_EQ(a.outputs[0].ab.value(), b.outputs[0].ab.value());
    EXPECT_EQ(a.outputs[1].equal, b.outputs[1].equal);
  }
}

TEST(ArmCounting, ComesBackFromItsText) {
  std::mt19937_64 random(2);
  for (int run = 0; run < 50; ++run) {
    const ArmCounts counts = RandomArmCounts(&random);
    const Result<ArmCounts> read = ArmCounts::Parse(counts.Print());
    ASSERT_TRUE(read.ok()) << read.status().message();
    EXPECT_EQ(read->Print(), counts.Print());
    EXPECT_EQ(read->compare.spec().Fingerprint(), ArmSpec().Fingerprint());
    EXPECT_EQ(read->compare.spec().outputs[0].reference, ArmSpec().outputs[0].reference);
    EXPECT_EQ(read->guards, counts.guards);
    EXPECT_EQ(counts.Print().find('\n'), std::string::npos);
  }
}

TEST(ArmCounting, DamagedTextsAreRefused) {
  std::mt19937_64 random(5);
  ArmCounts counts = RandomArmCounts(&random, 2);
  counts.guards[0] = {.units = 2, .unit_events = 1, .rows = 4, .events = 3};
  const std::string text = counts.Print();
  for (size_t i = 0; i < text.size(); ++i) {
    EXPECT_EQ(ArmCounts::Parse(text.substr(0, i)).status().code(), Code::kInvalid) << i;
    for (const char other : {'~', '-', '9', '{', ','}) {
      std::string damaged = text;
      damaged[i] = other;
      (void)ArmCounts::Parse(damaged);  // any answer, but no crash
    }
  }
  const std::pair<const char*, const char*> wrong[] = {
      {"\"arms\":1", "\"arms\":2"},     {"[2,1,4,3]", "[2,3,4,3]"},
      {"[2,1,4,3]", "[5,1,4,3]"},       {"[2,1,4,3]", "[2,1,4,5]"},
      {"[2,1,4,3]", "[2,1,4]"},         {"[2,1,4,3]", "[2,1,4,-3]"},
      {"[0.1,0.5]", "[0.5,0.1]"},       {"[3,2,1]", "[3,2]"},
      {"\"drawn\":[", "\"drawn\":[1,"}, {"\"answered\":[", "\"answered\":[1,"},
      {"\"compare\":1", "\"cmp\":1"}};
  for (const auto& [from, to] : wrong) {
    std::string damaged = text;
    const size_t at = damaged.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    damaged.replace(at, std::string_view(from).size(), to);
    EXPECT_EQ(ArmCounts::Parse(damaged).status().code(), Code::kInvalid) << to;
  }
}

TEST(ArmCounting, CountsOfOtherThingsAreNotAdded) {
  std::mt19937_64 random(5);
  ArmCounts counts = RandomArmCounts(&random);
  const std::string before = counts.Print();
  CompareSpec spec = ArmSpec();
  spec.outputs[0].edges = {0.5, 0.6};
  for (const ArmCounts& other : {ArmCounts(ArmSpec(), 2, 2), ArmCounts(ArmSpec(), 3, 3), ArmCounts(spec, 3, 2)}) {
    EXPECT_EQ(counts.Add(other).code(), Code::kInvalid);
  }
  EXPECT_EQ(counts.Print(), before) << "nothing was added";
}

TEST(ArmCounting, WithoutSegmentsHasTheSameTotal) {
  std::mt19937_64 random(7);
  ArmCounts counts = RandomArmCounts(&random, 300);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(counts.Add(RandomArmCounts(&random, 300)).ok());
  const ArmCounts small = counts.WithoutSegments();
  EXPECT_TRUE(small.compare.segments().empty());
  EXPECT_LT(small.Print().size(), counts.Print().size() / 4);
  EXPECT_EQ(small.rows(), counts.rows());
  EXPECT_EQ(small.paired(), counts.paired());
  EXPECT_EQ(small.compare.Total().outputs[0].a_bins, counts.compare.Total().outputs[0].a_bins);
  EXPECT_EQ(small.compare.worst(), counts.compare.worst());
  ArmCounts sum = small;
  ASSERT_TRUE(sum.Add(counts).ok()) << "they can still be added";
  EXPECT_EQ(sum.paired(), 2 * counts.paired());
}

}  // namespace
}  // namespace anabranch
