#include <gtest/gtest.h>

#include <string>

#include "engine/durations.h"

namespace anabranch {
namespace {

TEST(LengthOfTime, IsAWholeNumberAndAUnit) {
  EXPECT_EQ(ParseLengthUs("250ms"), 250'000);
  EXPECT_EQ(ParseLengthUs("30s"), 30'000'000);
  EXPECT_EQ(ParseLengthUs("5m"), 300'000'000);
  EXPECT_EQ(ParseLengthUs("1h"), 3'600'000'000);
  EXPECT_EQ(ParseLengthUs("7d"), 604'800'000'000);
  EXPECT_EQ(ParseLengthUs("0s"), 0);
  EXPECT_EQ(ParseLengthUs("36500d"), kLongestLengthUs);
}

TEST(LengthOfTime, IsNothingElse) {
  for (const char* text : {"", "s", "30", "-5s", "+5s", "1.5s", "5 s", " 5s", "5s ", "5S", "5min", "1mo", "1y", "1h30m",
                           "36501d", "9223372036854775808ms", "99999999999999999999d"}) {
    EXPECT_EQ(ParseLengthUs(text), std::nullopt) << text;
  }
}

TEST(LengthOfTime, IsSaidInTheLargestUnitThatDividesIt) {
  for (const char* text : {"250ms", "90s", "5m", "36h", "7d", "0s"}) EXPECT_EQ(LengthText(*ParseLengthUs(text)), text);
  EXPECT_EQ(LengthText(*ParseLengthUs("3600s")), "1h");
}

}  // namespace
}  // namespace anabranch
