#include <gtest/gtest.h>

#include "engine/text/base64.h"
#include "engine/text/instant.h"
#include "engine/text/timestamp.h"
#include "engine/text/utf8.h"

namespace anabranch {
namespace {

TEST(Timestamps, RoundTripWithFractionsOnlyAsNeeded) {
  for (const char* text :
       {"1970-01-01T00:00:00Z", "2026-01-01T00:00:00.123456Z", "2026-12-31T23:59:59.5Z", "2024-02-29T12:00:00Z",
        "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"}) {
    int64_t micros = 0;
    ASSERT_TRUE(ParseTimestamp(text, &micros)) << text;
    EXPECT_EQ(FormatTimestamp(micros), text);
  }
}

TEST(Timestamps, TakeOffsetsAndLowerCase) {
  int64_t micros = 0;
  ASSERT_TRUE(ParseTimestamp("1970-01-01t02:30:00.1234567+02:30", &micros));
  EXPECT_EQ(micros, 123456);
  ASSERT_TRUE(ParseTimestamp("1969-12-31 19:00:00-05:00", &micros));
  EXPECT_EQ(micros, 0);
  ASSERT_TRUE(ParseTimestamp("2016-12-31T23:59:60Z", &micros));
  EXPECT_EQ(FormatTimestamp(micros), "2017-01-01T00:00:00Z");
}

TEST(Timestamps, RefuseWhatIsNoDateTime) {
  int64_t micros = 0;
  for (const char* text :
       {"", "2026-01-01", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00ZZ",
        "26-01-01T00:00:00Z", "2026-01-01T00:00:00+0100", " 2026-01-01T00:00:00Z", "1767225600"}) {
    EXPECT_FALSE(ParseTimestamp(text, &micros)) << text;
  }
}

TEST(Base64, RoundTripsEveryLength) {
  EXPECT_EQ(Base64("f"), "Zg==");
  EXPECT_EQ(Base64("fo"), "Zm8=");
  EXPECT_EQ(Base64("foobar"), "Zm9vYmFy");
  std::string bytes;
  for (int i = 0; i < 256; ++i) {
    const Result<std::string> back = FromBase64(Base64(bytes));
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(back.value(), bytes);
    bytes.push_back(static_cast<char>(i));
  }
}

TEST(Base64, RefusesWhatIsNone) {
  for (const char* text : {"Z", "Zg=", "Zg=a", "Z===", "Zh==", "Zm9=", "Z g=", "===="})
    EXPECT_FALSE(FromBase64(text).ok()) << text;
}

TEST(Utf8, TellsTextFromBytes) {
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("é€😀"));
  EXPECT_FALSE(IsUtf8("\xC0\x80"));
  EXPECT_FALSE(IsUtf8("\xED\xA0\x80"));
  EXPECT_FALSE(IsUtf8("a\xFF"));
}

TEST(Instant, HasOneWidth) {
  EXPECT_EQ(FormatInstant(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(FormatInstant(1767225600120), "2026-01-01T00:00:00.120Z");
  EXPECT_EQ(FormatInstant(1767225600007), "2026-01-01T00:00:00.007Z");
  EXPECT_EQ(FormatInstant(-1), "1969-12-31T23:59:59.999Z");
}

}  // namespace
}  // namespace anabranch
