#include "topologies/trial/compare_fields.h"

#include <gtest/gtest.h>

namespace anabranch {
namespace {

using nlohmann::json;

const Type kFloat = Type::Scalar(Kind::kFloat64);
const Type kInteger = Type::Scalar(Kind::kInt64);
const Type kText = Type::Scalar(Kind::kString);

FieldComparison Of(const Type& type) { return {"f", type, type, Tolerance{}}; }

TEST(CompareFields, FloatsWithinTheToleranceAreEqualAndTheirDeltasCount) {
  FieldComparison field = Of(kFloat);
  EXPECT_TRUE(field.Add("t/0/0", 1.0, 1.0));
  EXPECT_TRUE(field.Add("t/0/1", 100.0, 100.0009));  // 9e-4 <= 1e-5 * 100.0009
  EXPECT_FALSE(field.Add("t/0/2", 100.0, 100.0011));
  EXPECT_TRUE(field.Add("t/0/3", 0.0, 9e-9));  // abs
  EXPECT_FALSE(field.Add("t/0/4", 0.0, 1.1e-8));
  const FieldReport report = field.Report();
  EXPECT_EQ(report.equal, 3);
  EXPECT_EQ(report.near, 2);
  EXPECT_EQ(report.changed, 2);
  EXPECT_EQ(report.numbers, 5);
  EXPECT_NEAR(report.max_delta, 0.0011, 1e-9);
}

TEST(CompareFields, TheToleranceIsSymmetricAndCanBeZero) {
  FieldComparison exact("f", kFloat, kFloat, Tolerance{0, 0});
  EXPECT_TRUE(exact.Add("r", 0.1, 0.1));
  EXPECT_FALSE(exact.Add("r", 0.1, 0.10000000000000002));
  EXPECT_TRUE(AreNear(1.0, 1.1, {0.1, 0}));
  EXPECT_TRUE(AreNear(1.1, 1.0, {0.1, 0}));
  EXPECT_FALSE(AreNear(1.0, 1.12, {0.1, 0}));
}

TEST(CompareFields, P99IsTheDeltaThat99OfAHundredRowsDoNotExceed) {
  FieldComparison field = Of(kFloat);
  for (int i = 0; i < 98; ++i) field.Add("r", 1.0, 1.0);
  field.Add("r", 1.0, 1.5);
  field.Add("r", 1.0, 4.0);
  EXPECT_EQ(field.Report().p99_delta, 0.5);  // the 99th of 100 in ascending order
  EXPECT_EQ(field.Report().max_delta, 3.0);
  for (int i = 0; i < 100; ++i) field.Add("r", 1.0, 1.0);
  EXPECT_EQ(field.Report().p99_delta, 0);  // the 198th of 200
  field.Add("r", 1.0, 2.0);
  EXPECT_EQ(field.Report().p99_delta, 0.5);  // the 199th of 201
}

TEST(CompareFields, IntegersAreExactAndFlip) {
  FieldComparison field = Of(kInteger);
  EXPECT_TRUE(field.Add("t/0/1", 7, 7));
  EXPECT_FALSE(field.Add("t/0/2", 1'000'000, 1'000'001));
  EXPECT_FALSE(field.Add("t/0/3", 0, 1));
  EXPECT_FALSE(field.Add("t/0/4", 0, 1));
  EXPECT_FALSE(field.Add("t/0/5", INT64_MIN, INT64_MAX));
  const FieldReport report = field.Report();
  EXPECT_EQ(report.changed, 4);
  EXPECT_EQ(report.max_delta, 18446744073709551615.0);
  ASSERT_EQ(report.flips.size(), 3U);
  EXPECT_EQ(report.flips[0].before, "0");
  EXPECT_EQ(report.flips[0].after, "1");
  EXPECT_EQ(report.flips[0].count, 2);
  EXPECT_EQ(report.examples[0].record, "t/0/5");  // the largest delta
  EXPECT_EQ(report.examples[1].record, "t/0/2");  // then the first of equal ones
  EXPECT_EQ(report.examples[2].record, "t/0/3");
}

TEST(CompareFields, LabelsFlipWithTheMostFrequentPairFirst) {
  FieldComparison field = Of(kText);
  field.Add("t/0/0", "benign", "malignant");
  for (int i = 1; i <= 3; ++i) EXPECT_FALSE(field.Add("t/0/" + std::to_string(i), "malignant", "benign"));
  field.Add("t/0/4", "benign", nullptr);
  const FieldReport report = field.Report();
  ASSERT_EQ(report.flips.size(), 3U);
  EXPECT_EQ(report.flips[0].before, "\"malignant\"");
  EXPECT_EQ(report.flips[0].after, "\"benign\"");
  EXPECT_EQ(report.flips[0].count, 3);
  EXPECT_EQ(report.flips[1].after, "\"malignant\"");
  EXPECT_EQ(report.flips[2].after, "null");
  EXPECT_EQ(report.numbers, 0);
  ASSERT_EQ(report.examples.size(), 3U);
  EXPECT_EQ(report.examples[0].record, "t/0/0");  // the first ones
  EXPECT_EQ(report.examples[2].record, "t/0/2");
  EXPECT_EQ(report.examples[0].before, "\"benign\"");
}

TEST(CompareFields, RareFlipsAreCountedTogether) {
  FieldComparison field = Of(kText);
  const int pairs = static_cast<int>(FieldComparison::kMostPairs) + 10;
  for (int i = 0; i < pairs; ++i) field.Add("r", "a", "b" + std::to_string(i));
  field.Add("r", "a", "b0");
  const FieldReport report = field.Report();
  EXPECT_EQ(report.flips.size(), FieldComparison::kMostFlips);
  EXPECT_EQ(report.flips[0].count, 2);
  EXPECT_EQ(report.other_flips, pairs - static_cast<int>(FieldComparison::kMostFlips));
}

TEST(CompareFields, ANumberThatBecomesNullChangesWithoutADelta) {
  FieldComparison field = Of(kFloat);
  EXPECT_TRUE(field.Add("t/0/0", nullptr, nullptr));
  EXPECT_FALSE(field.Add("t/0/1", 0.5, nullptr));
  EXPECT_FALSE(field.Add("t/0/2", 0.75, nullptr));
  EXPECT_FALSE(field.Add("t/0/3", 0.5, 0.6));
  const FieldReport report = field.Report();
  EXPECT_EQ(report.changed, 3);
  EXPECT_EQ(report.numbers, 1);
  ASSERT_EQ(report.flips.size(), 1U);
  EXPECT_EQ(report.flips[0].before, "a number");
  EXPECT_EQ(report.flips[0].count, 2);
  EXPECT_EQ(report.examples[0].record, "t/0/3");
  EXPECT_FALSE(report.examples[1].delta);
}

TEST(CompareFields, ListsOfFloatsDifferByTheirLargestElement) {
  FieldComparison field = Of(Type::Tensor(Kind::kFloat32, {2, 2}));
  EXPECT_TRUE(field.Add("r", json::parse("[[1,2],[3,4]]"), json::parse("[[1,2],[3,4.00001]]")));
  EXPECT_FALSE(field.Add("r", json::parse("[[1,2],[3,4]]"), json::parse("[[1.5,2],[3,6]]")));
  EXPECT_EQ(field.Report().max_delta, 2);
  EXPECT_EQ(field.Report().numbers, 2);
  FieldComparison list = Of(Type::List(Kind::kFloat64));
  EXPECT_FALSE(list.Add("r", json::parse("[1,2]"), json::parse("[1,2,3]")));  // another length: no delta
  EXPECT_TRUE(list.Add("r", json::parse("[1,null]"), json::parse("[1,null]")));
  EXPECT_FALSE(list.Add("r", json::parse("[1,null]"), json::parse("[1,2]")));
  EXPECT_EQ(list.Report().numbers, 1);
  EXPECT_TRUE(list.Report().flips.empty());
}

TEST(CompareFields, AFloatInPlaceOfAnIntegerIsComparedAsAFloat) {
  FieldComparison field("f", kInteger, kFloat, Tolerance{});
  EXPECT_TRUE(field.Add("r", 1, 1.0));
  EXPECT_TRUE(field.Add("r", 1, 1.000001));
  EXPECT_FALSE(field.Add("r", 1, 1.1));
  FieldComparison text("f", kInteger, kText, Tolerance{});
  EXPECT_FALSE(text.Add("r", 1, "1"));
  EXPECT_EQ(text.Report().flips[0].after, "\"1\"");
}

TEST(CompareFields, LongTextsAreCutAtACharacter) {
  FieldComparison field = Of(kText);
  std::string text(FieldComparison::kMostValueBytes - 2, 'a');
  field.Add("r", text + "ö" + text, "b");
  const std::string shown = field.Report().examples[0].before;
  EXPECT_EQ(shown, "\"" + text + "…");
}

}  // namespace
}  // namespace anabranch
