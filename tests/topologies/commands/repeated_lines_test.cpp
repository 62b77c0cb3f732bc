#include "topologies/commands/repeated_lines.h"

#include <gtest/gtest.h>

namespace anabranch {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
using Lines = std::vector<std::string>;

TEST(RepeatedLines, AreSaidOnceAndCounted) {
  RepeatedLines lines;
  EXPECT_TRUE(lines.IsNew("broker 1 is away", 0));
  EXPECT_TRUE(lines.IsNew("the disk is full", 0));
  for (int i = 1; i <= 41; ++i) EXPECT_FALSE(lines.IsNew("broker " + std::to_string(i) + " is away", i * kSecond));
  EXPECT_EQ(lines.TakeOver(59 * kSecond), Lines());
  EXPECT_EQ(lines.TakeOver(60 * kSecond), Lines{"broker 41 is away (the same 41 times in 60 s)"});
}

TEST(RepeatedLines, ThatGoOnAreALineAWindow) {
  RepeatedLines lines;
  int said = 0;
  for (int second = 0; second < 600; ++second) {
    said += lines.IsNew("away", second * kSecond) ? 1 : 0;
    said += static_cast<int>(lines.TakeOver(second * kSecond).size());
  }
  EXPECT_EQ(said, 10);
}

TEST(RepeatedLines, ThatComeAfterAQuietWindowAreNew) {
  RepeatedLines lines;
  EXPECT_TRUE(lines.IsNew("away", 0));
  EXPECT_EQ(lines.TakeOver(61 * kSecond), Lines());
  EXPECT_TRUE(lines.IsNew("away", 61 * kSecond));
}

TEST(RepeatedLines, AreNotForgottenAtTheEnd) {
  RepeatedLines lines;
  EXPECT_TRUE(lines.IsNew("away", 0));
  EXPECT_FALSE(lines.IsNew("away", 5 * kSecond));
  EXPECT_EQ(lines.TakeAll(), Lines{"away (the same 1 time in 5 s)"});
  EXPECT_EQ(lines.TakeAll(), Lines());
}

TEST(RepeatedLines, HaveABound) {
  RepeatedLines lines;
  for (char c = ':'; c <= '~'; ++c) EXPECT_TRUE(lines.IsNew(std::string("x") + c, 0));
  EXPECT_FALSE(lines.IsNew("x~", 0));
  EXPECT_TRUE(lines.IsNew("x:", 0)) << "the oldest was forgotten";
}

}  // namespace
}  // namespace anabranch
