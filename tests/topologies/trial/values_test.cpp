#include <gtest/gtest.h>

#include "topologies/trial/cell_value.h"
#include "topologies/trial/compare_value.h"
#include "topologies/trial/json_value.h"

namespace anabranch {
namespace {

ConfigValue Parsed(const std::string& text) {
  auto value = ParseJsonValue(text);
  EXPECT_NE(value, nullptr) << text;
  return value == nullptr ? ConfigValue() : std::move(*value);
}

// "PATH: EXPECTED / ACTUAL" of each difference.
std::vector<std::string> Differences(const std::string& expected, const std::string& actual, bool floats = true) {
  const auto wanted = ParseJsonValue(expected);
  const auto is = ParseJsonValue(actual);
  std::vector<ValueDifference> found;
  CompareValue(*wanted, is.get(), floats, Tolerance(), "", &found);
  std::vector<std::string> texts;
  for (const ValueDifference& each : found) {
    texts.push_back(each.path + ": " + each.expected + " / " +
                    (each.actual == nullptr ? "-" : ShowValue(*each.actual)));
  }
  return texts;
}

using Texts = std::vector<std::string>;

TEST(CellValue, FitsItsType) {
  const auto fits = [](const std::string& text, const Type& type) { return FitsCell(Parsed(text), type); };
  EXPECT_TRUE(fits("null", Type::Scalar(Kind::kInt64)));
  EXPECT_TRUE(fits("1", Type::Scalar(Kind::kInt64)));
  EXPECT_FALSE(fits("1.5", Type::Scalar(Kind::kInt64)));
  EXPECT_TRUE(fits("1", Type::Scalar(Kind::kFloat32)));
  EXPECT_FALSE(fits("\"1\"", Type::Scalar(Kind::kFloat64)));
  EXPECT_TRUE(fits("true", Type::Scalar(Kind::kBool)));
  EXPECT_FALSE(fits("1", Type::Scalar(Kind::kBool)));
  EXPECT_TRUE(fits("\"2026-01-01T00:00:00Z\"", Type::Scalar(Kind::kTimestamp)));
  EXPECT_FALSE(fits("\"yesterday\"", Type::Scalar(Kind::kTimestamp)));
  EXPECT_TRUE(fits("[1, 2.5]", Type::List(Kind::kFloat64)));
  EXPECT_FALSE(fits("[1, \"x\"]", Type::List(Kind::kFloat64)));
  EXPECT_TRUE(fits("[[1, 2], [3, 4]]", Type::Tensor(Kind::kFloat32, {2, 2})));
  EXPECT_FALSE(fits("[[1, 2], [3]]", Type::Tensor(Kind::kFloat32, {2, 2})));
  EXPECT_FALSE(fits("[1, 2, 3, 4]", Type::Tensor(Kind::kFloat32, {2, 2})));
}

TEST(CellValue, SaysHowToWriteIt) {
  const auto hint = [](const std::string& text, const Type& type) { return CellHint(Parsed(text), type); };
  EXPECT_EQ(hint("\"1.5\"", Type::Scalar(Kind::kFloat64)), "write it without quotes: 1.5");
  EXPECT_EQ(hint("5", Type::Scalar(Kind::kString)), "write it in quotes: \"5\"");
  EXPECT_EQ(hint("\"yes\"", Type::Scalar(Kind::kBool)), "write true or false");
  EXPECT_EQ(hint("1.5", Type::Scalar(Kind::kInt64)), "write a value such as 5");
  EXPECT_EQ(hint("1", Type::List(Kind::kString)), "write a list: [\"text\", …]");
  EXPECT_EQ(hint("[1]", Type::Tensor(Kind::kFloat32, {2, 3})), "write nested lists of 2 × 3 values");
}

TEST(CellValue, FillsAColumn) {
  const ConfigValue text = Parsed("\"a\""), none = Parsed("null");
  Column column;
  FillCells({&text, nullptr, &none, &text}, Type::Scalar(Kind::kString), &column);
  EXPECT_EQ(column.values<std::string_view>()[0], "a");
  EXPECT_FALSE(column.valid(1));
  EXPECT_FALSE(column.valid(2));
  EXPECT_EQ(column.values<std::string_view>()[3], "a");
}

TEST(CellValue, FillsListsAndTensors) {
  const ConfigValue two = Parsed("[1, 2]"), empty = Parsed("[]");
  Column lists;
  FillCells({&two, nullptr, &empty, &two}, Type::List(Kind::kInt64), &lists);
  EXPECT_EQ((std::vector<uint32_t>(lists.list_offsets().begin(), lists.list_offsets().end())),
            (std::vector<uint32_t>{0, 2, 2, 2, 4}));
  EXPECT_TRUE(lists.valid(2));
  EXPECT_FALSE(lists.valid(1));
  Column tensors;
  FillCells({nullptr, &two}, Type::Tensor(Kind::kFloat32, {2}), &tensors);
  EXPECT_EQ(tensors.values<float>()[2], 1);
  EXPECT_EQ(tensors.values<float>()[3], 2);
}

TEST(CompareValue, OnlyFloatsMayDiffer) {
  EXPECT_EQ(Differences("1.0", "1.000001"), Texts());
  EXPECT_EQ(Differences("1.0", "1.0001"), Texts{": 1 / 1.0001"});
  EXPECT_EQ(Differences("100000", "100001", false), Texts{": 100000 / 100001"});
  EXPECT_EQ(Differences("\"a\"", "\"b\""), Texts{": \"a\" / \"b\""});
  EXPECT_EQ(Differences("null", "0"), Texts{": null / 0"});
  EXPECT_EQ(Differences("0", "0.00000001"), Texts());
  EXPECT_EQ(Differences("true", "1"), Texts{": true / 1"});
}

TEST(CompareValue, NamesThePlace) {
  EXPECT_EQ(Differences(R"({"a": 1, "b": [1, 2]})", R"({"a": 1, "b": [1, 3]})"), Texts{".b[1]: 2 / 3"});
  EXPECT_EQ(Differences(R"({"a": 1})", R"({"a": 1, "c": 2})"), Texts{".c: no such field / 2"});
  EXPECT_EQ(Differences(R"({"a": 1, "d": 2})", R"({"a": 1})"), Texts{".d: 2 / -"});
  EXPECT_EQ(Differences("[1]", "[1, 2]"), Texts{": 1 values, [1] / [1, 2]"});
}

TEST(CompareValue, ManyValuesOfAListAreOneDifference) {
  EXPECT_EQ(Differences("[1, 2, 3]", "[2, 3, 4]"), (Texts{"[0]: 1 / 2", "[1]: 2 / 3", "[2]: 3 / 4"}));
  const auto expected = ParseJsonValue("[0, 1, 2, 3, 4]");
  const auto actual = ParseJsonValue("[0, 2, 3, 4, 5]");
  std::vector<ValueDifference> found;
  CompareValue(*expected, actual.get(), true, Tolerance(), ".v", &found);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].path, ".v[1]");
  EXPECT_EQ(found[0].expected, "1");
  EXPECT_EQ(found[0].actual_text, "2; 4 of the 5 values of this list differ");
  EXPECT_EQ(found[0].at, expected.get()) << "the whole list would be recorded";
}

TEST(CompareValue, Matchers) {
  EXPECT_EQ(Differences(R"({"$near": 0.83, "abs": 0.01})", "0.8399"), Texts());
  EXPECT_EQ(Differences(R"({"$near": 0.83, "abs": 0.01})", "0.85"), Texts{": 0.83 ± 0.01 / 0.85"});
  EXPECT_EQ(Differences(R"({"$near": 100, "rel": 0.1})", "91"), Texts());
  EXPECT_EQ(Differences(R"({"$near": 100, "rel": 0.1})", "89"), Texts{": 100 ± 0.1 of it / 89"});
  EXPECT_EQ(Differences(R"({"a": {"$any": true}})", R"({"a": null})"), Texts());
  EXPECT_EQ(Differences(R"({"a": {"$any": true}})", "{}"), Texts{".a: any value / -"});
  EXPECT_EQ(Differences(R"({"a": {"$absent": true}})", "{}"), Texts());
  EXPECT_EQ(Differences(R"({"a": {"$absent": true}})", R"({"a": 1})"), Texts{".a: no such field / 1"});
}

}  // namespace
}  // namespace anabranch
