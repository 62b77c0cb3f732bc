#include "tests/engine/codec/decode_fixture.h"

namespace anabranch {
namespace {

// The first broken rule of the record {"f": value} under a property schema; "" when it keeps to the schema.
std::string Check(const std::string& property, const std::string& value) {
  Decoded decoded(R"({"type":"object","properties":{"f":)" + property + "}}");
  decoded.Json({R"({"f":)" + value + "}"});
  EXPECT_EQ(decoded.error(), "");
  return decoded.check();
}

TEST(SchemaCheck, HoldsNumbersToTheirLimits) {
  const char* number = R"({"type":"number","minimum":0,"exclusiveMaximum":10})";
  EXPECT_EQ(Check(number, "0"), "");
  EXPECT_EQ(Check(number, "9.999999"), "");
  EXPECT_EQ(Check(number, "-5"), "field \"f\" is -5, below the minimum of 0");
  EXPECT_EQ(Check(number, "10"), "field \"f\" is 10, not below the exclusive maximum of 10");
  const char* other = R"({"type":"number","exclusiveMinimum":0,"maximum":1.5})";
  EXPECT_EQ(Check(other, "5e-324"), "");
  EXPECT_EQ(Check(other, "0"), "field \"f\" is 0, not above the exclusive minimum of 0");
  EXPECT_EQ(Check(other, "1.6"), "field \"f\" is 1.6, above the maximum of 1.5");
}

TEST(SchemaCheck, HoldsIntegersToLimitsExactly) {
  EXPECT_EQ(Check(R"({"type":"integer","maximum":9007199254740992})", "9007199254740992"), "");
  EXPECT_NE(Check(R"({"type":"integer","maximum":9007199254740992})", "9007199254740993"), "");
  EXPECT_EQ(Check(R"({"type":"integer","minimum":0.5})", "1"), "");
  EXPECT_EQ(Check(R"({"type":"integer","minimum":0.5})", "0"), "field \"f\" is 0, below the minimum of 0.5");
  EXPECT_EQ(Check(R"({"type":"integer","exclusiveMinimum":1})", "1"),
            "field \"f\" is 1, not above the exclusive minimum of 1");
  EXPECT_EQ(Check(R"({"type":"integer","maximum":1e300})", "9223372036854775807"), "");
  EXPECT_NE(Check(R"({"type":"integer","minimum":1e300})", "9223372036854775807"), "");
  EXPECT_EQ(Check(R"({"type":"integer","minimum":-9223372036854775808})", "-9223372036854775808"), "");
}

TEST(SchemaCheck, TakesMultiplesUpToRounding) {
  EXPECT_EQ(Check(R"({"type":"number","multipleOf":0.1})", "0.3"), "");
  EXPECT_EQ(Check(R"({"type":"number","multipleOf":0.01})", "19.99"), "");
  EXPECT_EQ(Check(R"({"type":"number","multipleOf":0.1})", "0.35"), "field \"f\" is 0.35, not a multiple of 0.1");
  EXPECT_EQ(Check(R"({"type":"integer","multipleOf":3})", "-9"), "");
  EXPECT_NE(Check(R"({"type":"integer","multipleOf":3})", "10"), "");
}

TEST(SchemaCheck, CountsTextInCodePoints) {
  EXPECT_EQ(Check(R"({"type":"string","minLength":2,"maxLength":2})", "\"é😀\""), "");
  EXPECT_EQ(Check(R"({"type":"string","minLength":2})", "\"é\""), "field \"f\" is \"é\", shorter than 2 characters");
  EXPECT_EQ(Check(R"({"type":"string","maxLength":2})", "\"abc\""), "field \"f\" is \"abc\", longer than 2 characters");
}

TEST(SchemaCheck, SearchesPatternsAnywhere) {
  EXPECT_EQ(Check(R"({"type":"string","pattern":"[0-9]{2}"})", "\"a12b\""), "");
  EXPECT_EQ(Check(R"({"type":"string","pattern":"^case-[0-9]+$"})", "\"cas\""),
            "field \"f\" is \"cas\", which does not match the pattern \"^case-[0-9]+$\"");
}

TEST(SchemaCheck, HoldsValuesToEnumAndConst) {
  EXPECT_EQ(Check(R"({"enum":["a","b"]})", "\"b\""), "");
  EXPECT_EQ(Check(R"({"enum":["a","b"]})", "\"c\""), "field \"f\" is \"c\", not one of \"a\", \"b\"");
  EXPECT_EQ(Check(R"({"type":"number","enum":[1,2.5]})", "2.5"), "");
  EXPECT_EQ(Check(R"({"const":3})", "4"), "field \"f\" is 4, not one of 3");
  EXPECT_EQ(Check(R"({"const":true})", "false"), "field \"f\" is false, not one of true");
  EXPECT_EQ(Check(R"({"type":["integer","null"],"enum":[1]})", "null"), "field \"f\" is null, not one of 1");
  EXPECT_EQ(Check(R"({"enum":[1,null]})", "null"), "");
}

TEST(SchemaCheck, HoldsArraysAndTheirItems) {
  const char* list = R"({"type":"array","minItems":1,"maxItems":2,"items":{"type":"integer","minimum":0}})";
  EXPECT_EQ(Check(list, "[0,1]"), "");
  EXPECT_EQ(Check(list, "[]"), "field \"f\" has 0 items, fewer than 1");
  EXPECT_EQ(Check(list, "[1,2,3]"), "field \"f\" has 3 items, more than 2");
  EXPECT_EQ(Check(list, "[1,-2]"), "item 1 of field \"f\" is -2, below the minimum of 0");
  const char* tensor = R"({"type":"array","minItems":2,"maxItems":2,"items":{"type":"number","maximum":16}})";
  EXPECT_EQ(Check(tensor, "[16,0]"), "");
  EXPECT_EQ(Check(tensor, "[1,17]"), "item 1 of field \"f\" is 17, above the maximum of 16");
}

TEST(SchemaCheck, LimitsOfAFloat32TensorAreRoundedAsItsValues) {
  Decoded decoded(R"({"type":"object","properties":{"f":{"type":"array","minItems":1,"maxItems":1,
      "items":{"type":"number","maximum":0.1,"minimum":-0.1}}}})",
                  {{"f", Type::Tensor(Kind::kFloat32, {1})}});
  decoded.Json({R"({"f":[0.1]})", R"({"f":[-0.1]})", R"({"f":[0.11]})"});
  EXPECT_EQ(decoded.check(0), "");
  EXPECT_EQ(decoded.check(1), "");
  EXPECT_EQ(decoded.check(2), "item 0 of field \"f\" is 0.11, above the maximum of 0.1");
}

TEST(SchemaCheck, CutsLongValues) {
  const std::string why = Check(R"({"type":"number"})", "\"" + std::string(500, 'x') + "\"");
  EXPECT_LT(why.size(), 150U);
  EXPECT_NE(why.find("…"), std::string::npos);
}

TEST(SchemaCheck, TheFirstBrokenFieldOfEachRowIsToldOnce) {
  Decoded decoded(
      R"({"type":"object","required":["a"],"properties":{"a":{"type":"integer","minimum":0},"b":{"type":"integer","minimum":0}}})");
  decoded.Json({R"({"a":1,"b":1})", R"({"a":-1,"b":-1})", R"({"b":-1})", R"({"a":1,"b":-1})", R"({"a":1})"});
  EXPECT_EQ(decoded.check(0), "");
  EXPECT_EQ(decoded.check(1), "field \"a\" is -1, below the minimum of 0");
  EXPECT_EQ(decoded.check(2), "field \"a\" is missing");
  EXPECT_EQ(decoded.check(3), "field \"b\" is -1, below the minimum of 0");
  EXPECT_EQ(decoded.check(4), "");
}

TEST(SchemaCheck, PassesOverInactiveRowsAndOtherSources) {
  SchemaText text(R"({"type":"object","required":["a"],"properties":{"a":{"type":"integer"}}})");
  RecordBatch batch;
  batch.Clear(1, 2);
  FillColumn(&batch.columns[0], Type::Scalar(Kind::kInt64), {nullptr, nullptr});
  batch.AddRow(0, 0, 0, {}, false, {});
  batch.AddRow(0, 1, 0, {}, false, {});
  std::vector<uint32_t> failed;
  const auto note = [&](uint32_t row, const std::string&) { failed.push_back(row); };
  text.schema->Check(batch, std::vector<uint8_t>{0, 1}, note);
  EXPECT_EQ(failed, std::vector<uint32_t>{1});
  text.schema->SetSource(1);
  text.schema->Check(batch, std::vector<uint8_t>{1, 1}, note);
  EXPECT_EQ(failed.size(), 1U);
}

TEST(SchemaCheck, RequiredInsideAnOptionalObjectCountsWhereTheObjectIs) {
  Decoded decoded(R"({"type":"object","properties":{"o":{"type":["object","null"],"required":["x"],"properties":{
      "x":{"type":"integer"},"p":{"type":"object","required":["q"],"properties":{"q":{"type":"integer"}}}}}}})");
  decoded.Json({"{}", R"({"o":null})", R"({"o":{}})", R"({"o":{"x":1}})", R"({"o":{"x":1,"p":{}}})",
                R"({"o":{"x":1,"p":null}})"});
  EXPECT_EQ(decoded.check(0), "");
  EXPECT_EQ(decoded.check(1), "");
  EXPECT_EQ(decoded.check(2), "field \"o.x\" is missing");
  EXPECT_EQ(decoded.check(3), "");
  EXPECT_EQ(decoded.check(4), "field \"o.p.q\" is missing");
  EXPECT_EQ(decoded.check(5), "field \"o.p.q\" is null; wanted an integer");
}

}  // namespace
}  // namespace anabranch
