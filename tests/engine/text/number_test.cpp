#include "engine/text/number.h"

#include <gtest/gtest.h>

#include <charconv>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "engine/text/number_list.h"
#include "tests/engine/text/scaled.h"

namespace anabranch {
namespace {

template <typename T>
T Reference(const std::string& text) {
  if constexpr (std::is_same_v<T, float>) return std::strtof(text.c_str(), nullptr);
  return std::strtod(text.c_str(), nullptr);
}

template <typename T>
std::string Bits(T value) {
  char text[64];
  std::snprintf(text, sizeof text, "%a", static_cast<double>(value));
  return text;
}

// One number through the scanner, in the middle of other text and at the end of what may be read at once.
template <typename T>
std::string Scan(const std::string& number, const char* behind) {
  const std::string text = number + behind;
  const char* wide = text.size() < 8 ? nullptr : text.data() + text.size() - 8;
  ScannedNumber scanned;
  if (!ScanNumber(text.data(), &scanned, wide)) return "refused";
  if (scanned.end != text.data() + number.size()) return "cut";
  T value = 0;
  bool ok;
  if constexpr (std::is_same_v<T, float>) {
    ok = ToFloat(scanned, &value);
  } else {
    ok = ToDouble(scanned, &value);
  }
  return ok ? Bits(value) : "too large";
}

template <typename T>
::testing::AssertionResult IsExact(const std::string& number) {
  const T wanted = Reference<T>(number);
  const std::string expected = std::isfinite(wanted) ? Bits(wanted) : "too large";
  for (const char* behind : {"}", ",", ", 123456789012345678901234567890}"}) {
    const std::string found = Scan<T>(number, behind);
    if (found != expected) {
      return ::testing::AssertionFailure()
             << number << " followed by " << behind << ": " << found << ", not " << expected;
    }
  }
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult IsExact(const std::string& number) {
  const auto wide = IsExact<double>(number);
  return wide ? IsExact<float>(number) : wide;
}

using Random = std::mt19937_64;

std::string Digits(Random& random, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text.push_back(static_cast<char>('0' + random() % 10));
  return text;
}

std::string AnyText(Random& random) {
  std::string text = random() % 3 == 0 ? "-" : "";
  const size_t whole = random() % 4 == 0 ? random() % 22 : random() % 3;
  text += whole == 0 ? "0" : std::to_string(1 + random() % 9) + Digits(random, whole - 1);
  if (random() % 8 != 0) text += "." + Digits(random, 1 + (random() % 5 == 0 ? random() % 40 : random() % 18));
  if (random() % 4 == 0) {
    const int64_t limit = random() % 3 == 0 ? 330 : 25;
    text += (random() % 2 == 0 ? "e" : "E+") + std::to_string(random() % static_cast<uint64_t>(limit));
    if (random() % 2 == 0)
      text.replace(text.find_first_of("eE"), std::string::npos,
                   "e-" + std::to_string(random() % static_cast<uint64_t>(limit)));
  }
  return text;
}

template <typename T, typename Word>
std::string OfBits(Random& random, std::chars_format format) {
  T value;
  do value = std::bit_cast<T>(static_cast<Word>(random()));
  while (!std::isfinite(value));
  char text[512];
  return {text, std::to_chars(text, text + sizeof text, value, format).ptr};
}

TEST(Number, RandomTextsGiveTheNearestDoubleAndFloat) {
  Random random(20260101);
  for (int i = 0; i < Scaled(1'000'000); ++i) ASSERT_TRUE(IsExact(AnyText(random)));
}

TEST(Number, ShortestTextsReadBackAsTheSameBits) {
  Random random(7);
  for (int i = 0; i < Scaled(300'000); ++i) {
    ASSERT_TRUE(IsExact(OfBits<double, uint64_t>(random, std::chars_format::scientific)));
    ASSERT_TRUE(IsExact(OfBits<float, uint32_t>(random, std::chars_format::scientific)));
    ASSERT_TRUE(IsExact(OfBits<float, uint32_t>(random, std::chars_format::fixed)));
    const float unit = static_cast<float>(random() >> 40) / 0x1p24F;
    char text[64];
    ASSERT_TRUE(IsExact(std::string(text, std::to_chars(text, text + 64, unit, std::chars_format::fixed).ptr)));
  }
}

// The decimal text of the exact value between two neighbouring floats, and texts a hair to both sides of it: narrowing
// the nearest double would round all three alike.
TEST(Number, WhatLiesBetweenTwoFloatsIsRoundedOnce) {
  Random random(9);
  int narrowed_differs = 0;
  for (int i = 0; i < Scaled(100'000); ++i) {
    float low;
    do low = std::bit_cast<float>(static_cast<uint32_t>(random() & 0x7FFFFFFF));
    while (!std::isfinite(std::nextafterf(low, INFINITY)));
    const double middle = (double{low} + double{std::nextafterf(low, INFINITY)}) / 2;
    char exact[512];
    const size_t size = static_cast<size_t>(std::snprintf(exact, sizeof exact, "%.*f", low < 1 ? 200 : 60, middle));
    std::string text(exact, size);
    ASSERT_TRUE(IsExact<float>(text));
    ASSERT_TRUE(IsExact<float>(text + "1")) << "just above";
    narrowed_differs += Reference<float>(text + "1") != static_cast<float>(Reference<double>(text + "1"));
    std::snprintf(exact, sizeof exact, "%.17g", middle);
    ASSERT_TRUE(IsExact<float>(exact));
  }
  EXPECT_GT(narrowed_differs, 0) << "the test shows what it should";
}

TEST(Number, BordersAreExact) {
  for (const char* text : {"0",
                           "-0",
                           "0.0",
                           "-0.0",
                           "0e0",
                           "0.0e99999999999",
                           "5e-324",
                           "4.9406564584124654e-324",
                           "2.4703282292062328e-324",
                           "2.4703282292062327e-324",
                           "2.2250738585072011e-308",
                           "2.2250738585072014e-308",
                           "1.7976931348623157e308",
                           "1.7976931348623158e308",
                           "1.7976931348623159e308",
                           "1e309",
                           "-1e309",
                           "1e-400",
                           "1e-999999999999",
                           "1e999999999999",
                           "9007199254740991",
                           "9007199254740992",
                           "9007199254740993",
                           "9007199254740993.0",
                           "9007199254740993e-22",
                           "9007199254740993e22",
                           "1e22",
                           "1e23",
                           "1e-22",
                           "1e-23",
                           "123456789012345678",
                           "1234567890123456789",
                           "12345678901234567890",
                           "99999999999999999999",
                           "0.3333333333333333333",
                           "0.33333333333333333333333",
                           "16777216",
                           "16777217",
                           "16777219",
                           "16777217.0000000001",
                           "1.1754943508222875e-38",
                           "1.1754942807573643e-38",
                           "1.401298464324817e-45",
                           "7.006492321624085e-46",
                           "7.0064923216240861e-46",
                           "3.4028234663852886e38",
                           "3.4028235677973366e38",
                           "3.40282356779733642e38",
                           "3.4028235677973365e38",
                           "1e39",
                           "0.00000000000000000000001",
                           "0.1234567",
                           "0.12345678",
                           "0.123456789",
                           "0.1234567890123456",
                           "0.12345678901234567"}) {
    EXPECT_TRUE(IsExact(text));
  }
}

// The first digit that is no zero says whether a number is too small, not how long its text is.
TEST(Number, LongTextsAreTooSmallOrTooLargeByTheirFirstDigit) {
  const std::string zeros(330, '0');
  for (const std::string& text :
       {"0." + zeros + "5284847", "-0." + zeros + "5284847", "0." + zeros + "5284847e-5", "0." + zeros + "5284847e+5",
        "0." + zeros + "5284847e331", "0." + zeros + "5284847e999", "1" + zeros + "e-700", "1" + zeros + ".5",
        "1" + zeros + "e-330", "-1" + zeros + "e-20", "0." + zeros + std::string(60, '7'), "0." + zeros,
        "0." + zeros + zeros + "1E640", "123." + zeros + "e-700", "0." + std::string(45, '0') + "7006492321624086"}) {
    EXPECT_TRUE(IsExact(text));
  }
}

std::string ScanInteger(const std::string& text) {
  const std::string bounded = text + "}";
  ScannedNumber scanned;
  if (!ScanNumber(bounded.data(), &scanned)) return "refused";
  int64_t value = 0;
  switch (ToInt64(scanned, &value)) {
    case IntegerFit::kFits: return std::to_string(value);
    case IntegerFit::kNoInteger: return "no integer";
    case IntegerFit::kTooLarge: return "too large";
  }
  return "?";
}

TEST(Number, IntegersOfMoreThanNineteenDigitsAreExact) {
  const std::string zeros(40, '0');
  for (const auto& [text, wanted] : std::vector<std::pair<std::string, std::string>>{
           {"9007199254740993.0000", "9007199254740993"},
           {"-9007199254740993." + zeros, "-9007199254740993"},
           {"1.00000000000000000001", "no integer"},
           {"123456789012345678.00", "123456789012345678"},
           {"9223372036854775807." + zeros, "9223372036854775807"},
           {"-9223372036854775808.0", "-9223372036854775808"},
           {"9223372036854775808.0", "too large"},
           {"-9223372036854775809.0", "too large"},
           {"9223372036854775806.5", "no integer"},
           {"18446744073709551617", "too large"},
           {"18446744073709551617.0", "too large"},
           {"10000000000000000000.5", "too large"},
           {"99999999999999999999999", "too large"},
           {"1" + zeros + "e-40", "1"},
           {"-12" + zeros + "e-39", "-120"},
           {"1" + zeros + "e-41", "no integer"},
           {"1" + zeros + "e-20", "too large"},
           {"123456789012345678901e-2", "no integer"},
           {"0." + zeros, "0"},
           {"-0." + zeros + "e9", "0"},
           {"0." + zeros + "1", "no integer"},
           {"0." + zeros + "12e42", "12"},
           {"0." + zeros + "12e41", "no integer"},
           {"0." + zeros + "9223372036854775807e59", "9223372036854775807"},
           {"0." + zeros + "9223372036854775808e59", "too large"},
           {"0." + zeros + "e999999999999", "0"},
           {"0." + zeros + "1e999999999999", "too large"},
           {"0." + zeros + "1e-999999999999", "no integer"}}) {
    EXPECT_EQ(ScanInteger(text), wanted) << text;
  }
}

TEST(Number, WhatIsNoNumberIsRefused) {
  for (const char* text :
       {"", "-", "+1", ".5", "5.", "01", "-01", "1e", "1e+", "1.e5", "e5", "--1", "Infinity", "nan", "x"}) {
    EXPECT_EQ(Scan<double>(text, "}"), "refused") << text;
  }
  for (const char* text : {"1.5x", "1 2", "0x10", "1,2"}) EXPECT_EQ(Scan<double>(text, "}"), "cut") << text;
}

template <typename T>
void CompareLists(uint64_t seed, const std::function<std::string(Random&)>& next) {
  Random random(seed);
  for (int i = 0; i < Scaled(4'000); ++i) {
    const size_t count = 1 + random() % 60;
    std::vector<T> wanted;
    std::string text;
    for (size_t k = 0; k < count; ++k) {
      std::string number = next(random);
      while (!std::isfinite(Reference<T>(number))) number = next(random);
      wanted.push_back(Reference<T>(number));
      if (k != 0) text += ",";
      text += std::string(random() % 50 == 0 ? random() % 3 : 0, ' ') + number +
              std::string(random() % 50 == 0 ? 1 : 0, '\t');
    }
    if (random() % 2 == 0) text += ",";
    // On the heap and of exactly this size, so that a sanitizer sees any byte read outside.
    const auto owned = std::make_unique<char[]>(text.size());
    std::memcpy(owned.get(), text.data(), text.size());
    std::vector<T> read(count);
    const NumberListResult result =
        ReadNumberList({owned.get(), text.size()}, read.data(), static_cast<int64_t>(count));
    ASSERT_EQ(result.fault, ListFault::kNone) << text << " at " << result.read << ": " << result.found;
    for (size_t k = 0; k < count; ++k) ASSERT_EQ(Bits(read[k]), Bits(wanted[k])) << text << " at " << k;
    EXPECT_EQ(ReadNumberList<T>({owned.get(), text.size()}, read.data(), static_cast<int64_t>(count) - 1).fault,
              ListFault::kTooMany);
    read.resize(count + 1);
    EXPECT_EQ(ReadNumberList<T>({owned.get(), text.size()}, read.data(), static_cast<int64_t>(count) + 1).fault,
              ListFault::kTooFew);
  }
}

TEST(NumberList, RandomListsEqualTheirNumbersReadOneByOne) {
  CompareLists<double>(1, AnyText);
  CompareLists<float>(2, AnyText);
  const auto shortest = [](Random& random) { return OfBits<float, uint32_t>(random, std::chars_format::general); };
  CompareLists<float>(3, shortest);
  CompareLists<double>(4, shortest);
}

TEST(NumberList, IntegersAreReadAsIntegers) {
  std::vector<int64_t> read(3);
  EXPECT_EQ(ReadNumberList("9223372036854775807, -9223372036854775808,10e1,", read.data(), 3).fault, ListFault::kNone);
  EXPECT_EQ(read, (std::vector<int64_t>{INT64_MAX, INT64_MIN, 100}));
  EXPECT_EQ(ReadNumberList("1,2.5,3", read.data(), 3).fault, ListFault::kNoNumber);
  const NumberListResult result = ReadNumberList("1,2,9223372036854775808", read.data(), 3);
  EXPECT_EQ(result.fault, ListFault::kOutOfRange);
  EXPECT_EQ(result.read, 2);
  EXPECT_EQ(result.found, "9223372036854775808");
}

// A byte changed, omitted or added anywhere: read or refused as number by number, never crashed over.
TEST(NumberList, BrokenListsAreJudgedAsTheirItemsAre) {
  Random random(5);
  const std::string alphabet = "0123456789.,-+eE \t\"x\n";
  for (int i = 0; i < Scaled(100'000); ++i) {
    std::string text = "0.5,12345678.25,1e-7, 0.123456789012345 ,-0.0,7,";
    for (size_t n = 1 + random() % 3; n > 0; --n) text[random() % text.size()] = alphabet[random() % alphabet.size()];
    std::vector<double> whole(6), one(1);
    std::vector<std::string> items;
    std::string rest = text;
    for (size_t comma; (comma = rest.find(',')) != std::string::npos; rest.erase(0, comma + 1)) {
      items.push_back(rest.substr(0, comma));
    }
    if (rest.find_first_not_of(" \t") != std::string::npos) items.push_back(rest);
    bool good = items.size() == 6;
    for (size_t k = 0; k < items.size() && good; ++k) {
      good = ReadNumberList(items[k], one.data(), 1).fault == ListFault::kNone;
    }
    EXPECT_EQ(ReadNumberList(text, whole.data(), 6).fault == ListFault::kNone, good) << text;
  }
}

}  // namespace
}  // namespace anabranch
