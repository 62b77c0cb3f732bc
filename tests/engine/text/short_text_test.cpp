#include "engine/text/short_text.h"

#include <gtest/gtest.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <random>
#include <string>

#include "tests/engine/text/scaled.h"

namespace anabranch {
namespace {

template <typename T>
std::string Reference(T value) {
  char text[512];
  return {text, std::to_chars(text, text + sizeof text, value, std::chars_format::fixed).ptr};
}

// Counts how many values it knew.
template <typename T>
::testing::AssertionResult IsShortest(T value, int* known = nullptr) {
  char text[32];
  const char* end = ShortText(value, text);
  if (end == nullptr) return ::testing::AssertionSuccess();
  if (known != nullptr) ++*known;
  const std::string found(text, static_cast<size_t>(end - text));
  if (found == Reference(value)) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << found << ", not " << Reference(value);
}

TEST(ShortText, FloatsAreWrittenAsToCharsWritesThem) {
  std::mt19937_64 random(3);
  int known = 0;
  int asked = 0;
  for (int i = 0; i < Scaled(3'000'000); ++i) {
    const auto word = static_cast<uint32_t>(random());
    // From 2^-11 to 2^21, so that both borders of what is known lie inside.
    const uint32_t bits = (word & 0x807FFFFF) | (116 + (word >> 23 & 0x1F)) << 23;
    ASSERT_TRUE(IsShortest(std::bit_cast<float>(bits), &known));
    ASSERT_TRUE(IsShortest(static_cast<float>(random() >> 40) / 0x1p24F, &known));
    asked += 2;
  }
  EXPECT_GT(known, asked / 2);
}

TEST(ShortText, ShortFloatsAndTheirNeighboursAreWrittenAsToCharsWritesThem) {
  std::mt19937_64 random(4);
  int known = 0;
  for (int i = 0; i < Scaled(500'000); ++i) {
    const auto scale = static_cast<float>(std::pow(10, random() % 8));
    const float value = static_cast<float>(random() % 2'000'000) / scale;
    for (const float one : {value, std::nextafterf(value, 1e9F), std::nextafterf(value, -1e9F), -value}) {
      ASSERT_TRUE(IsShortest(one, &known));
    }
  }
  EXPECT_GT(known, Scaled(1'000'000));
}

TEST(ShortText, DoublesAreWrittenAsToCharsWritesThem) {
  std::mt19937_64 random(5);
  int known = 0;
  for (int i = 0; i < Scaled(500'000); ++i) {
    const auto whole = static_cast<double>(random() % 1'000'000'000'000'000 >> random() % 48);
    const double value = whole / std::pow(10, random() % 6);
    for (const double one : {value, std::nextafter(value, 1e20), std::nextafter(value, -1e20), -value}) {
      ASSERT_TRUE(IsShortest(one, &known));
    }
    ASSERT_TRUE(IsShortest(std::bit_cast<double>(random())));
  }
  EXPECT_GT(known, Scaled(300'000));
}

TEST(ShortText, BordersAreRight) {
  int known = 0;
  for (const float value : {0.0F,         -0.0F,       1.0F,      0.5F,     0.25F,   0.001F,        1e-3F,
                            0.000999999F, 999999.9F,   1e6F,      0.1F,     0.3F,    16777216.0F,   100000.0F,
                            9.999999F,    0.09999999F, 524288.0F, 65536.0F, 1024.0F, 0.0009765625F, 0.001953125F}) {
    EXPECT_TRUE(IsShortest(value, &known));
  }
  for (int exponent = -12; exponent < 22; ++exponent) {
    const float power = std::ldexp(1.0F, exponent);
    for (const float value : {power, std::nextafterf(power, 0), std::nextafterf(power, 1e9F)})
      EXPECT_TRUE(IsShortest(value));
  }
  for (const double value : {0.0, -0.0, 1.0, 0.1, 1e-4, 1e-5, 0.00005, 99999999999.9999, 1e11, 99999999999.0, 12345.67,
                             0.3, std::nextafter(0.3, 1), 1e300, 1e-300, 5e-324}) {
    EXPECT_TRUE(IsShortest(value, &known));
  }
  EXPECT_GT(known, 20);
  char text[32];
  EXPECT_EQ(ShortText(INFINITY, text), nullptr);
  EXPECT_EQ(ShortText(std::nanf(""), text), nullptr);
  EXPECT_EQ(ShortText(std::nan(""), text), nullptr);
}

}  // namespace
}  // namespace anabranch
