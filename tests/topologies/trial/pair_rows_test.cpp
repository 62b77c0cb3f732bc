#include "topologies/trial/pair_rows.h"

#include <gtest/gtest.h>

#include <string>

namespace anabranch {
namespace {

// Letters are equal, or alike if only their case differs. "?" equals any letter. Shows "0>0 1>-": the partner of each.
bool Equal(char a, char b) { return a == '?' || a == b; }
bool Similar(char a, char b) { return std::tolower(a) == std::tolower(b); }

std::string Show(const Partners& partners) {
  std::string text;
  for (const auto& partner : partners) text += partner ? std::to_string(*partner) : "-";
  return text;
}

std::string InOrder(const std::string& expected, const std::string& actual) {
  return Show(PairInOrder(
      expected.size(), actual.size(), [&](size_t i, size_t j) { return Equal(expected[i], actual[j]); },
      [&](size_t i, size_t j) { return Similar(expected[i], actual[j]); }));
}

std::string InAnyOrder(const std::string& expected, const std::string& actual, bool rest = true) {
  return Show(PairInAnyOrder(
      expected.size(), actual.size(), [&](size_t i, size_t j) { return Equal(expected[i], actual[j]); },
      [&](size_t i, size_t j) { return Similar(expected[i], actual[j]); }, rest));
}

TEST(PairInOrder, OneThatIsMissingDoesNotShiftTheOthers) {
  EXPECT_EQ(InOrder("abcd", "abcd"), "0123");
  EXPECT_EQ(InOrder("abcd", "acd"), "0-12");
  EXPECT_EQ(InOrder("abcd", "bcd"), "-012");
  EXPECT_EQ(InOrder("acd", "abcd"), "023");
  EXPECT_EQ(InOrder("abcd", ""), "----");
  EXPECT_EQ(InOrder("", "abcd"), "");
}

TEST(PairInOrder, AlikeOnesArePairedBetweenEqualOnesUnlessMoreWouldDiffer) {
  EXPECT_EQ(InOrder("abcd", "axBd"), "0123");
  EXPECT_EQ(InOrder("abcd", "aCd"), "0-12");
  EXPECT_EQ(InOrder("abcde", "axye"), "012-3");
}

TEST(PairInOrder, AsManyInTheirPlacesAsThereAreMeansInTheirPlaces) {
  EXPECT_EQ(InOrder("ab", "ba"), "01");
  EXPECT_EQ(InOrder("a?", "ba"), "01");
  EXPECT_EQ(InOrder("abc", "bcd"), "-01");
}

TEST(PairInOrder, LongListsArePairedInTheirPlaces) {
  const std::string many(2000, 'a');
  std::string other(2000, 'a');
  other[1000] = 'b';
  const std::string shown = InOrder(many, other);
  EXPECT_EQ(shown.find('-'), std::string::npos);
}

TEST(PairInAnyOrder, FindsPartnersForAll) {
  EXPECT_EQ(InAnyOrder("abc", "cab"), "120");
  EXPECT_EQ(InAnyOrder("?a", "ab"), "10") << "the first gives way";
  EXPECT_EQ(InAnyOrder("??a", "abc"), "210");
  EXPECT_EQ(InAnyOrder("ab", "xA"), "10");
  EXPECT_EQ(InAnyOrder("abc", "c"), "--0");
}

TEST(PairInAnyOrder, TheRestIsPairedOnDemandOnly) {
  EXPECT_EQ(InAnyOrder("ab", "xy"), "01");
  EXPECT_EQ(InAnyOrder("ab", "xy", false), "--");
  EXPECT_EQ(InAnyOrder("ab", "xb", false), "-1");
}

}  // namespace
}  // namespace anabranch
