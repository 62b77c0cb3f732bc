// One test per row of the table in docs/records.md.
#include <chrono>
#include <cmath>

#include "tests/engine/codec/decode_fixture.h"

namespace anabranch {
namespace {

constexpr char kSchema[] = R"({"type": "object", "required": ["id"], "properties": {
    "id": {"type": "string"}, "n": {"type": "number"}, "i": {"type": "integer"},
    "o": {"type": "object", "properties": {"x": {"type": "integer"}}}}})";
constexpr char kGood[] = R"({"id":"good","n":1.5,"i":3,"o":{"x":4}})";

// Decodes the bad record between two good ones, which must come through.
class BadInput : public testing::Test {
 protected:
  BadInput() : decoded_(kSchema) {}

  Decoded& Bad(std::string record) {
    decoded_.Json({kGood, std::move(record), kGood});
    for (uint32_t row : {0U, 2U}) {
      EXPECT_TRUE(decoded_.passed(row));
      EXPECT_EQ(decoded_.at("id", row), Cell("good"));
      EXPECT_EQ(decoded_.at("n", row), Cell(1.5));
      EXPECT_EQ(decoded_.at("i", row), Cell(3));
      EXPECT_EQ(decoded_.at("o.x", row), Cell(4));
      EXPECT_EQ(decoded_.check(row), "");
    }
    return decoded_;
  }
  // The code of the record error that the source raises; "" when the record was read.
  std::string Code(std::string record) {
    Bad(std::move(record));
    EXPECT_EQ(decoded_.passed(1), decoded_.code(1).empty());
    if (!decoded_.passed(1)) {
      for (const char* path : {"id", "n", "i", "o.x"}) EXPECT_EQ(decoded_.state(path, 1), kNull) << path;
    }
    return decoded_.code(1);
  }

  Decoded decoded_;
};

TEST_F(BadInput, MissingRequiredFieldFailsTheSchema) {
  EXPECT_EQ(Code(R"({"n":1})"), "");
  EXPECT_EQ(decoded_.check(1), "field \"id\" is missing");
}

TEST_F(BadInput, NullInAFieldThatAllowsNoneFailsTheSchema) {
  EXPECT_EQ(Code(R"({"id":null})"), "");
  EXPECT_EQ(decoded_.check(1), "field \"id\" is null; wanted a string");
}

TEST_F(BadInput, WrongTypeFailsTheSchema) {
  EXPECT_EQ(Code(R"({"id":"a","n":"abc"})"), "");
  EXPECT_EQ(decoded_.check(1), "field \"n\" is \"abc\"; wanted a number");
  EXPECT_EQ(Code(R"({"id":{"deep":[1]}})"), "");
  EXPECT_EQ(decoded_.check(1), "field \"id\" is {\"deep\":[1]}; wanted a string");
}

TEST_F(BadInput, InvalidUtf8FailsAtTheSource) {
  EXPECT_EQ(Code("{\"id\":\"a\xFF\"}"), "utf8");
  EXPECT_EQ(Code("{\"id\":\"\xC3\"}"), "utf8");
  EXPECT_EQ(Code("{\"unread\":\"\xED\xA0\x80\",\"id\":\"a\"}"), "utf8");
}

TEST_F(BadInput, TruncatedJsonFailsAtTheSource) {
  const std::string record = R"({"id":"a\n","n":-1.5e3,"o":{"x":[1,{"y":null}]},"z":[true,false]})";
  EXPECT_EQ(Code(record), "");
  for (size_t size = 0; size < record.size(); ++size)
    EXPECT_EQ(Code(record.substr(0, size)), "json") << record.substr(0, size);
}

TEST_F(BadInput, WhatIsNoJsonFailsAtTheSource) {
  for (const char* record : {"nonsense",
                             "[1]",
                             "\"text\"",
                             "12",
                             "null",
                             "true",
                             "{",
                             "}",
                             "{}}",
                             "{} {}",
                             "{}x",
                             "{\"id\"}",
                             "{\"id\":}",
                             "{\"id\":\"a\",}",
                             "{,}",
                             "{\"id\" \"a\"}",
                             "{id:\"a\"}",
                             "{\"id\":'a'}",
                             "{\"id\":\"a\" \"n\":1}",
                             "{\"n\":01}",
                             "{\"n\":1.}",
                             "{\"n\":.5}",
                             "{\"n\":+1}",
                             "{\"n\":1e}",
                             "{\"n\":-}",
                             "{\"n\":0x1}",
                             "{\"n\":1_000}",
                             "{\"n\":1 2}",
                             "{\"u\":tru}",
                             "{\"u\":truex}",
                             "{\"u\":[1,]}",
                             "{\"u\":[,1]}",
                             "{\"u\":[1}}",
                             "{\"u\":[1 2]}",
                             "{\"u\":{\"a\"}}",
                             "{\"u\":{\"a\":1]}",
                             "{\"u\":\"\\q\"}",
                             "{\"u\":\"\\u12\"}",
                             "{\"\\q\":1}",
                             "{\"u\":[}",
                             "{\"u\":{]}",
                             "{\"n\":1}/",
                             "{\"u\":/**/1}",
                             "{\"u\":{1:2}}",
                             "{\"u\":[1,{]}"}) {
    EXPECT_EQ(Code(record), "json") << record;
  }
}

TEST_F(BadInput, AMillionLevelsFailAtTheSource) {
  for (const char* open : {"[", "{\"a\":"}) {
    std::string record = "{\"u\":";
    for (int i = 0; i < 1'000'000; ++i) record += open;
    EXPECT_EQ(Code(record), "json");  // never closed
    record += "1";
    for (int i = 0; i < 1'000'000; ++i) record += *open == '[' ? "]" : "}";
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(Code(record + "}"), "depth");
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  }
  std::string wanted;
  for (int i = 0; i < 1'000'000; ++i) wanted += "{\"o\":";
  for (int i = 0; i < 1'000'000; ++i) wanted += "}";
  EXPECT_NE(Code(wanted), "");
}

TEST_F(BadInput, DepthIsCountedExactly) {
  const auto nested = [](int levels) {
    return "{\"id\":\"a\",\"u\":" + std::string(static_cast<size_t>(levels), '[') +
           std::string(static_cast<size_t>(levels), ']') + "}";
  };
  EXPECT_EQ(Code(nested(63)), "");
  EXPECT_EQ(Code(nested(64)), "depth");
}

TEST_F(BadInput, AWantedKeyTwiceFailsAtTheSource) {
  EXPECT_EQ(Code(R"({"id":"a","id":"b"})"), "duplicate_key");
  EXPECT_NE(decoded_.error(1).find("\"id\""), std::string::npos);
  EXPECT_EQ(Code(R"({"id":"a","i\u0064":"b"})"), "duplicate_key");
  EXPECT_EQ(Code(R"({"id":"a","o":{"x":1},"o":{"x":2}})"), "duplicate_key");
  EXPECT_EQ(Code(R"({"id":"a","o":{"x":1,"x":2}})"), "duplicate_key");
  EXPECT_EQ(Code(R"({"id":"a","unread":1,"unread":2})"), "");
}

TEST_F(BadInput, NumbersOutOfRangeFailTheSchema) {
  EXPECT_EQ(Code(R"({"id":"a","i":9223372036854775808})"), "");
  EXPECT_EQ(decoded_.check(1), "field \"i\" is 9223372036854775808: int64 cannot hold that number");
  EXPECT_EQ(Code(R"({"id":"a","n":1e999})"), "");
  EXPECT_EQ(decoded_.check(1), "field \"n\" is 1e999: float64 cannot hold that number");
}

TEST_F(BadInput, AnEmptyValueFailsAtTheSource) {
  EXPECT_EQ(Code(""), "json");
  EXPECT_EQ(Code(" \n"), "json");
}

TEST(FirstInput, OfADecoderMayBeEmpty) {
  Decoded decoded(R"({"type": "object", "properties": {"id": {"type": "string"}}})");
  EXPECT_EQ(decoded.Json({""}).code(0), "json");
}

TEST_F(BadInput, NulFailsAtTheSourceUnlessEscaped) {
  EXPECT_EQ(Code(std::string("{\"id\":\"a\0b\"}", 12)), "json");
  EXPECT_EQ(Code(std::string("{\"id\":\"a\"}\0", 11)), "json");
  EXPECT_EQ(Code(std::string("\0", 1)), "json");
  EXPECT_EQ(Code(R"({"id":"a\u0000b"})"), "");
  EXPECT_EQ(decoded_.at("id", 1), Cell(std::string("a\0b", 3)));
}

TEST_F(BadInput, AByteOrderMarkFailsAtTheSource) {
  EXPECT_EQ(Code("\xEF\xBB\xBF{\"id\":\"a\"}"), "json");
  EXPECT_NE(decoded_.error(1).find("byte-order mark"), std::string::npos);
}

TEST_F(BadInput, HalfASurrogatePairFailsAtTheSource) {
  EXPECT_EQ(Code(R"({"id":"\ud800"})"), "json");
  EXPECT_EQ(Code(R"({"id":"\udc00x"})"), "json");
  EXPECT_EQ(Code(R"({"id":"a","unread":"\ud83d\u0041"})"), "json");
}

TEST_F(BadInput, MinusZeroIsZeroAndKeepsItsSignAsAFloat) {
  EXPECT_EQ(Code(R"({"id":"a","i":-0,"n":-0})"), "");
  EXPECT_EQ(decoded_.at("i", 1), Cell(0));
  EXPECT_TRUE(std::signbit(decoded_.batch().columns[1].values<double>()[1]));
}

TEST_F(BadInput, NanAndInfinityFailAtTheSource) {
  for (const char* word : {"NaN", "nan", "Infinity", "-Infinity", "inf"}) {
    EXPECT_EQ(Code(std::string("{\"id\":\"a\",\"n\":") + word + "}"), "json") << word;
  }
}

// Every byte flipped, in exactly sized memory (sanitizers see a read beyond it): a fault or a record, and good
// neighbours.
TEST_F(BadInput, FlippedBytesNeverHarmTheNeighbours) {
  const std::string record = R"({"id":"a\u00e9","n":-1.5e3,"o":{"x":1,"u":[1,{"y":null}]},"z":[true,false]})";
  for (size_t at = 0; at < record.size(); ++at) {
    for (char byte : {'"', '\\', '{', '}', '[', ']', ',', ':', '0', 'e', ' ', '\0', '\xFF'}) {
      std::string flipped = record;
      flipped[at] = byte;
      flipped.shrink_to_fit();
      Code(std::move(flipped));
    }
  }
}

}  // namespace
}  // namespace anabranch
