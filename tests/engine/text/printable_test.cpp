#include "engine/printable.h"

#include <gtest/gtest.h>

namespace anabranch {
namespace {

TEST(Printable, KeepsWhatAReaderCanSee) {
  EXPECT_EQ(Printable("naïve 数 😀 C:\\temp \"x\""), "naïve 数 😀 C:\\temp \"x\"");
  EXPECT_EQ(Printable(""), "");
}

TEST(Printable, ForgesNoLineAndMovesNoCursor) {
  EXPECT_EQ(Printable("a\nerror: b\r\t\x1b[2J\x7f"), "a\\nerror: b\\r\\t\\x1b[2J\\x7f");
  EXPECT_EQ(Printable("\xc2\x9b"
                      "31m"),
            "\\x9b31m");  // the one-character form of ESC [
  EXPECT_EQ(Printable(std::string_view("a\0b", 3)), "a\\x00b");
}

TEST(Printable, EscapesWhatHidesOrReordersText) {
  EXPECT_EQ(Printable("a\xe2\x80\xae"
                      "b\xe2\x80\x8b"
                      "c\xef\xbb\xbf"),
            "a\\u202eb\\u200bc\\ufeff");
}

TEST(Printable, EscapesBytesThatAreNotUtf8) {
  EXPECT_EQ(Printable("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(Printable("\xc0\xaf \xe0\x80\xaf \xed\xa0\x80 \xf4\x90\x80\x80 \xe2\x82"),
            "\\xc0\\xaf \\xe0\\x80\\xaf \\xed\\xa0\\x80 \\xf4\\x90\\x80\\x80 \\xe2\\x82");
}

TEST(Printable, KeepsTheLinesOfATextOfOurs) {
  EXPECT_EQ(PrintableLines("a\n\x1b[2Jb\n"), "a\n\\x1b[2Jb\n");
  EXPECT_EQ(PrintableLines(""), "");
}

TEST(Printable, CutsAtACharacter) {
  EXPECT_EQ(Printable("abcdef", 3), "abc…");
  EXPECT_EQ(Printable("abc", 3), "abc");
  EXPECT_EQ(Printable("aé", 2), "a…");
}

}  // namespace
}  // namespace anabranch
