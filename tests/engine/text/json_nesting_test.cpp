#include "engine/text/json_nesting.h"

#include <gtest/gtest.h>

#include <string>

namespace anabranch {
namespace {

TEST(JsonNestingTest, CountsLevelsOutsideStrings) {
  EXPECT_EQ(NestingOf(R"({"a": [1, {"b": "[[[\"{{"}]})").deepest, 3U);
  EXPECT_EQ(NestingOf("7").deepest, 0U);
  EXPECT_EQ(NestingOf(std::string(200'000, '[')).deepest, 200'000U);
  EXPECT_EQ(NestingOf("]]]]" + std::string(9, '{')).deepest, 9U) << "what closes nothing hides nothing";
}

TEST(JsonNestingTest, SaysWhereACutTextEnds) {
  EXPECT_EQ(NestingOf(R"({"a": [1)").balance, 2);
  EXPECT_EQ(NestingOf(R"({"a": [1]})").balance, 0);
  EXPECT_EQ(NestingOf("]").balance, -1);
  EXPECT_TRUE(NestingOf(R"({"a": "x\")").in_string);
  EXPECT_FALSE(NestingOf(R"({"a": "x\\")").in_string);
}

}  // namespace
}  // namespace anabranch
