#include <cfloat>
#include <cmath>
#include <random>

#include "engine/codec/json_writer.h"
#include "tests/engine/codec/decode_fixture.h"

namespace anabranch {
namespace {

using Cells = std::vector<Cell>;

constexpr char kPayment[] = R"({"type": "object", "required": ["id", "amount"], "properties": {
    "id": {"type": "string"}, "amount": {"type": "number"}, "count": {"type": "integer"},
    "vip": {"type": ["boolean", "null"]}}})";

TEST(JsonDecoder, ReadsTheScalarsOfARecord) {
  Decoded decoded(kPayment);
  decoded.Json({R"({"id":"a","amount":1.5,"count":7,"vip":true})",
                R"( { "vip" : null , "count" : -3 , "amount" : 2 , "id" : "é" } )"});
  EXPECT_EQ(decoded.at("id"), Cell("a"));
  EXPECT_EQ(decoded.at("amount"), Cell(1.5));
  EXPECT_EQ(decoded.at("count"), Cell(7));
  EXPECT_EQ(decoded.at("vip"), Cell(true));
  EXPECT_EQ(decoded.at("id", 1), Cell("é"));
  EXPECT_EQ(decoded.at("amount", 1), Cell(2.0));
  EXPECT_EQ(decoded.at("count", 1), Cell(-3));
  EXPECT_EQ(decoded.state("vip", 1), kNull);
}

TEST(JsonDecoder, HandsArraysOfObjectsOnAsTheyAre) {
  Decoded decoded(R"({"type":"object","required":["lines"],"properties":{
      "lines":{"type":["array","null"],"items":{"type":"object"}}, "n":{"type":"integer"}}})");
  decoded.Json({R"({"lines":[{"b":1.50,"a":"x, \" y"},{}],"n":1})",
                "{ \"lines\" :\n [ { \"a\" : \"two  blanks\\\\\" ,\t\"b\":[ 1 , 2e0 ] } ]\r\n , \"n\" : 2 }",
                R"({"lines":[]})", R"({"lines":null})", R"({"lines":{"a":1}})", R"({"lines":[{"a":}]})", R"({"n":1})"});
  EXPECT_EQ(decoded.at("lines"), Cell(R"([{"b":1.50,"a":"x, \" y"},{}])"));
  EXPECT_EQ(decoded.at("lines", 1), Cell(R"([{"a":"two  blanks\\","b":[1,2e0]}])"));
  EXPECT_EQ(decoded.at("n", 1), Cell(2));
  EXPECT_EQ(decoded.at("lines", 2), Cell("[]"));
  EXPECT_EQ(decoded.state("lines", 3), kNull);
  EXPECT_EQ(decoded.state("lines", 4), kWrongType);
  EXPECT_EQ(decoded.code(5), "json");
  EXPECT_EQ(decoded.state("lines", 6) & 0x0F, kMissingRequired);
}

TEST(JsonDecoder, TellsNullMissingAndWrongTypeApart) {
  Decoded decoded(kPayment);
  decoded.Json({R"({"id":null,"amount":"12","vip":0})"});
  EXPECT_TRUE(decoded.passed());
  EXPECT_EQ(decoded.state("id"), kNull);
  EXPECT_EQ(decoded.state("amount"), kWrongType);
  EXPECT_EQ(decoded.misfit("amount"), "\"12\"");
  EXPECT_EQ(decoded.state("count"), kMissing);
  EXPECT_EQ(decoded.state("vip"), kWrongType);
}

TEST(JsonDecoder, TakesKeysInAnyOrderAndPassesUnknownOnes) {
  Decoded decoded(kPayment);
  std::vector<std::string> records;
  for (int i = 0; i < 40; ++i) {
    const std::string id = "\"id\":\"" + std::to_string(i) + "\"", amount = "\"amount\":" + std::to_string(i);
    const std::string other = "\"k" + std::to_string(i) + "\":{\"id\":[1,{\"amount\":2}],\"x\":\"}\"}";
    records.push_back("{" +
                      (i % 3 == 0   ? id + "," + other + "," + amount
                       : i % 3 == 1 ? amount + "," + id
                                    : other + "," + amount + "," + id) +
                      "}");
  }
  decoded.Json(records).Json(records);
  for (uint32_t i = 0; i < 40; ++i) {
    EXPECT_EQ(decoded.error(i), "");
    EXPECT_EQ(decoded.at("id", i), Cell(std::to_string(i)));
    EXPECT_EQ(decoded.at("amount", i), Cell(static_cast<double>(i)));
  }
}

TEST(JsonDecoder, LearnsNoMoreThanSoManyUnknownKeys) {
  Decoded decoded(kPayment);
  std::vector<std::string> records;
  for (int i = 0; i < 2000; ++i) records.push_back("{\"key" + std::to_string(i) + "\":1,\"id\":\"x\",\"amount\":2}");
  decoded.Json(records);
  EXPECT_EQ(decoded.at("id", 1999), Cell("x"));
}

TEST(JsonDecoder, UnescapesStringsAndKeys) {
  Decoded decoded(kPayment);
  decoded.Json({R"({"i\u0064":"a\"\\\/\b\f\n\r\t\u00e9\u20ac\ud83d\ude00z","amount":1})",
                R"({"id":"plain","amount":1,"x":"\n"})"});
  EXPECT_EQ(decoded.at("id"), Cell("a\"\\/\b\f\n\r\té€😀z"));
  EXPECT_EQ(decoded.at("id", 1), Cell("plain"));
}

TEST(JsonDecoder, ReadsNestedObjectsAsPaths) {
  Decoded decoded(R"({"type":"object","required":["a"],"properties":{
      "a":{"type":"object","required":["b"],"properties":{"b":{"type":"integer"},"c":{"type":"string"}}},
      "d":{"type":"integer"}}})");
  decoded.Json({R"({"a":{"c":"x","b":1,"a":{"b":9}},"d":2,"b":8})", R"({"d":3})", R"({"a":{},"d":4})", R"({"a":5})"});
  EXPECT_EQ(decoded.at("a.b"), Cell(1));
  EXPECT_EQ(decoded.at("a.c"), Cell("x"));
  EXPECT_EQ(decoded.at("d"), Cell(2));
  EXPECT_EQ(decoded.check(0), "");
  EXPECT_EQ(decoded.check(1), "field \"a\" is missing");
  EXPECT_EQ(decoded.check(2), "field \"a.b\" is missing");
  EXPECT_EQ(decoded.check(3), "field \"a.b\" is 5; wanted an integer");
}

TEST(JsonDecoder, TakesIntegralNumbersAsIntegers) {
  Decoded decoded(kPayment);
  const auto count = [&](const std::string& number) {
    decoded.Json({"{\"count\":" + number + "}"});
    return decoded.state("count") == kValid ? decoded.at("count") : Cell(static_cast<double>(decoded.state("count")));
  };
  EXPECT_EQ(count("1.0"), Cell(1));
  EXPECT_EQ(count("-2.50e1"), Cell(-25));
  EXPECT_EQ(count("1e18"), Cell(int64_t{1'000'000'000'000'000'000}));
  EXPECT_EQ(count("9007199254740993.0"), Cell(int64_t{9007199254740993}));
  EXPECT_EQ(count("9223372036854775807"), Cell(INT64_MAX));
  EXPECT_EQ(count("-9223372036854775808"), Cell(INT64_MIN));
  EXPECT_EQ(count("0.0000000000000000000000"), Cell(0));
  EXPECT_EQ(count("1.5"), Cell(static_cast<double>(kWrongType)));
  EXPECT_EQ(count("1e-1"), Cell(static_cast<double>(kWrongType)));
  EXPECT_EQ(count("9223372036854775808"), Cell(static_cast<double>(kOutOfRange)));
  EXPECT_EQ(count("-9223372036854775809"), Cell(static_cast<double>(kOutOfRange)));
  EXPECT_EQ(count("1e999"), Cell(static_cast<double>(kOutOfRange)));
  EXPECT_EQ(count("123456789012345678901234567890"), Cell(static_cast<double>(kOutOfRange)));
}

TEST(JsonDecoder, ReadsTheNearestDouble) {
  Decoded decoded(kPayment);
  for (const char* number :
       {"0.1", "3.141592653589793", "1e22", "1e23", "123456789.123456789", "5e-324", "2.2250738585072011e-308",
        "1.7976931348623157e308", "9007199254740993", "0.000001", "-1E+5", "100000000000000000000000",
        "0.30000000000000004", "4.35", "1.0000000000000002", "8.41e21"}) {
    decoded.Json({std::string("{\"amount\":") + number + "}"});
    EXPECT_EQ(decoded.at("amount"), Cell(std::strtod(number, nullptr))) << number;
  }
  decoded.Json({R"({"amount":1e-999})", R"({"amount":0e99999999})", R"({"amount":1e400})"});
  EXPECT_EQ(decoded.at("amount", 0), Cell(0.0));
  EXPECT_EQ(decoded.at("amount", 1), Cell(0.0));
  EXPECT_EQ(decoded.state("amount", 2), kOutOfRange);
}

TEST(JsonDecoder, ReadsTimesAsMicroseconds) {
  Decoded decoded(R"({"type":"object","properties":{"t":{"type":"string","format":"date-time"},
      "s":{"type":"integer","format":"date-time","x-unit":"s"},"ms":{"type":"integer","format":"date-time","x-unit":"ms"},
      "ns":{"type":"integer","format":"date-time","x-unit":"ns"}}})");
  decoded.Json(
      {R"({"t":"2026-01-01T01:00:00.25+01:00","s":1,"ms":2,"ns":-1})", R"({"t":"tomorrow","s":9223372036854775807})"});
  EXPECT_EQ(decoded.at("t"), Cell(int64_t{1767225600250000}));
  EXPECT_EQ(decoded.at("s"), Cell(1'000'000));
  EXPECT_EQ(decoded.at("ms"), Cell(2'000));
  EXPECT_EQ(decoded.at("ns"), Cell(-1));
  EXPECT_EQ(decoded.state("t", 1), kWrongType);
  EXPECT_EQ(decoded.state("s", 1), kOutOfRange);
}

TEST(JsonDecoder, ReadsListsOfEveryKind) {
  Decoded decoded(R"({"type":"object","properties":{"n":{"type":"array","items":{"type":"number"}},
      "i":{"type":"array","items":{"type":"integer"}},"s":{"type":"array","items":{"type":"string"}},
      "b":{"type":"array","items":{"type":"boolean"}}}})");
  decoded.Json({R"({"n":[1,2.5],"i":[3],"s":["x","\u0041"],"b":[true,false]})", R"({"n":[1,"x"],"s":[]})", "broken",
                R"({"n":[ 7 ],"i":[1.5],"b":[null],"s":"no"})"});
  EXPECT_EQ(decoded.at("n"), Cell(Cells{1.0, 2.5}));
  EXPECT_EQ(decoded.at("i"), Cell(Cells{3}));
  EXPECT_EQ(decoded.at("s"), Cell(Cells{"x", "A"}));
  EXPECT_EQ(decoded.at("b"), Cell(Cells{true, false}));
  EXPECT_EQ(decoded.state("n", 1), kWrongType);
  EXPECT_EQ(decoded.at("s", 1), Cell(Cells{}));
  EXPECT_EQ(decoded.state("i", 1), kMissing);
  EXPECT_EQ(decoded.at("n", 3), Cell(Cells{7.0}));
  EXPECT_EQ(decoded.state("i", 3), kWrongType);
  EXPECT_EQ(decoded.state("b", 3), kWrongType);
  EXPECT_EQ(decoded.state("s", 3), kWrongType);
}

constexpr char kImage[] = R"({"type":"object","properties":{
    "flat":{"type":"array","items":{"type":"number"},"minItems":4,"maxItems":4},
    "grid":{"type":"array","minItems":2,"maxItems":2,
            "items":{"type":"array","minItems":2,"maxItems":2,"items":{"type":"integer"}}}}})";

TEST(JsonDecoder, ReadsTensorsInDeclaredNestingOnly) {
  Decoded decoded(kImage, {{"flat", Type::Tensor(Kind::kFloat32, {4})}});
  decoded.Json({R"({"flat":[1,2.5,3,-4e0],"grid":[[1,2],[3,4]]})", R"({"flat":[1,2,3],"grid":[1,2,3,4]})",
                R"({"flat":[[1,2],[3,4]],"grid":[[1,2],[3,4],[5,6]]})",
                R"({"flat":[1,2,3,1e300],"grid":[[1,2],[3]]})"});
  EXPECT_EQ(decoded.at("flat"), Cell(Cells{1.0, 2.5, 3.0, -4.0}));
  EXPECT_EQ(decoded.at("grid"), Cell(Cells{1, 2, 3, 4}));
  for (uint32_t row = 1; row < 4; ++row) {
    EXPECT_TRUE(decoded.passed(row));
    EXPECT_EQ(decoded.state("grid", row), kWrongType) << row;
  }
  EXPECT_EQ(decoded.state("flat", 1), kWrongType);
  EXPECT_EQ(decoded.state("flat", 2), kWrongType);
  EXPECT_EQ(decoded.state("flat", 3), kOutOfRange);
  EXPECT_EQ(decoded.check(1), "field \"flat\" is [1,2,3]; wanted an array of numbers shaped [4]");
}

// The fault that comes first in the text is the one that is reported.
TEST(JsonDecoder, TellsOfTensorsTheFaultThatComesFirst) {
  Decoded decoded(kImage, {{"flat", Type::Tensor(Kind::kFloat32, {4})}});
  decoded.Json({R"({"flat":[1,1e300],"grid":[[1,99999999999999999999,3],[3,4]]})",
                R"({"flat":[1e300,2,"x"],"grid":[[99999999999999999999,true],[3,4]]})",
                R"({"flat":[1,2,3,1e300,5],"grid":[[1,2],[99999999999999999999]]})",
                R"({"flat":[1,2,3,4,1e300],"grid":[[1,2,99999999999999999999],[3,4]]})",
                R"({"flat":[1,"x",1e300],"grid":[[1,2.5],[99999999999999999999,4]]})"});
  for (uint32_t row = 0; row < 5; ++row) {
    EXPECT_EQ(decoded.state("flat", row), row < 3 ? kOutOfRange : kWrongType) << row;
    EXPECT_EQ(decoded.state("grid", row), row < 3 ? kOutOfRange : kWrongType) << row;
  }
}

// Bytes of an array changed at random: its numbers are read together, and must be taken or refused as the same numbers
// in fields of their own are, whatever stands between them.
TEST(JsonDecoder, ReadsTensorsAsTheirNumbersOneByOne) {
  std::mt19937 random(11);
  const std::string alphabet = "0123456789.-+eE ,:[]{}\"tn\t";
  const std::string numbers[] = {"0",
                                 "1.5",
                                 "-0.0",
                                 "0.34901962",
                                 "123456789012345",
                                 "1e3",
                                 "0.1234567890123456",
                                 "-7",
                                 "16777217",
                                 "1e39",
                                 "0.00000000000000000001",
                                 "12345678901234567890"};
  std::string schema =
      R"({"type":"object","properties":{"t":{"type":"array","minItems":4,"maxItems":4,"items":{"type":"number"}})";
  for (const char* name : {"a", "b", "c", "d"}) schema += std::string(",\"") + name + R"(":{"type":"number"})";
  Decoded together(schema + "}}", {{"t", Type::Tensor(Kind::kFloat32, {4})}}, {"t"});
  Decoded alone(schema + "}}", {}, {"a", "b", "c", "d"});
  for (int i = 0; i < 20'000; ++i) {
    std::vector<std::string> items;
    for (int k = 0; k < 4; ++k) {
      items.push_back(numbers[random() % std::size(numbers)]);
      if (random() % 12 == 0) items.back()[random() % items.back().size()] = alphabet[random() % alphabet.size()];
      if (random() % 6 == 0) items.back() = " " + items.back() + (random() % 2 == 0 ? "\n" : "");
    }
    together.Json({"{\"t\":[" + items[0] + "," + items[1] + "," + items[2] + "," + items[3] + "]}"});
    alone.Json({"{\"a\":" + items[0] + ",\"b\":" + items[1] + ",\"c\":" + items[2] + ",\"d\":" + items[3] + "}"});
    SCOPED_TRACE(items[0] + "," + items[1] + "," + items[2] + "," + items[3]);
    const bool fine = alone.passed() && alone.state("a") == kValid && alone.state("b") == kValid &&
                      alone.state("c") == kValid && alone.state("d") == kValid;
    const auto too_large = [](const std::string& item) {
      return std::fabs(std::strtof(item.c_str(), nullptr)) > FLT_MAX;
    };
    if (fine && std::none_of(items.begin(), items.end(), too_large)) {
      ASSERT_EQ(together.state("t"), kValid);
      const auto read = std::get<Cells>(together.at("t").value);
      for (size_t k = 0; k < 4; ++k) ASSERT_EQ(read[k], Cell(double{std::strtof(items[k].c_str(), nullptr)}));
    } else if (fine) {
      ASSERT_EQ(together.state("t"), kOutOfRange);
    } else if (together.passed()) {
      ASSERT_NE(together.state("t"), kValid);
    }
  }
}

TEST(JsonDecoder, ReadsCsvTextAsATensor) {
  Decoded decoded(R"({"type":"object","properties":{"p":{"type":"string","x-decode":"csv<f32>[2,2]"}}})");
  decoded.Json({R"({"p":"1,2.5,-3e1,.5"})", R"({"p":"1, 2 ,3,4,"})", R"({"p":"1,2,3"})", R"({"p":"1,2,3,4,5"})",
                R"({"p":"1,2,3,nan"})", R"({"p":[1,2,3,4]})", R"({"p":"\u0031,2,3,4"})", R"({"p":""})"});
  EXPECT_EQ(decoded.at("p", 0), Cell(Cells{1.0, 2.5, -30.0, 0.5}));
  EXPECT_EQ(decoded.at("p", 1), Cell(Cells{1.0, 2.0, 3.0, 4.0}));
  for (uint32_t row : {2, 3, 4, 5, 7}) EXPECT_EQ(decoded.state("p", row), kWrongType) << row;
  EXPECT_EQ(decoded.at("p", 6), Cell(Cells{1.0, 2.0, 3.0, 4.0}));
}

TEST(JsonDecoder, DecodesTheWantedFieldsOnly) {
  Decoded decoded(kPayment, {}, {"amount"});
  decoded.Json({R"({"id":1,"amount":3,"count":"x"})"});
  EXPECT_EQ(decoded.at("amount"), Cell(3.0));
  EXPECT_EQ(decoded.batch().columns[0].rows(), 0U);
}

TEST(JsonDecoder, RefusesKeysThatAClosedObjectDoesNotName) {
  Decoded decoded(R"({"type":"object","additionalProperties":false,"properties":{"amount":{"type":"number"},"any":{},
      "o":{"type":"object","additionalProperties":false,"properties":{"x":{"type":"number"}}}}})",
                  {}, {"amount"});
  decoded.Json({R"({"amount":1,"any":[{"k":1}],"o":{"x":1}})", R"({"amout":1})", R"({"o":{"y":1}})"});
  EXPECT_EQ(decoded.error(0), "");
  EXPECT_EQ(decoded.code(1), "unknown_key");
  EXPECT_NE(decoded.error(1).find("\"amout\""), std::string::npos);
  EXPECT_NE(decoded.error(1).find("did you mean \"amount\"?"), std::string::npos);
  EXPECT_EQ(decoded.code(2), "unknown_key");
}

TEST(JsonDecoder, LeavesRowsAloneThatFailedBefore) {
  Decoded decoded(kPayment);
  decoded.Json({R"({"id":"a"})", R"({"id":"b"})", "x"});
  decoded.batch().stages[0].outcome = {Outcome::kOk, Outcome::kFailed, Outcome::kOk};
  decoded.batch().stages[0].errors = {{1, "key", "no key"}};
  DecodePlan plan;
  SchemaText text(kPayment);
  plan.schema = text.schema;
  plan.fields.push_back({0, 0, Type::Scalar(Kind::kString)});
  MakeJsonDecoder(plan)->Decode(decoded.batch());
  EXPECT_EQ(decoded.state("id", 1), kNull);
  ASSERT_EQ(decoded.batch().stages[0].errors.size(), 2U);
  EXPECT_EQ(decoded.code(1), "key");
  EXPECT_EQ(decoded.code(2), "json");
}

TEST(JsonDecoder, RoundTripsWhatTheWriterWrites) {
  Decoded decoded(
      R"({"type":"object","properties":{"s":{"type":"string"},"d":{"type":"number"},"t":{"type":"string","format":"date-time"},
      "l":{"type":"array","items":{"type":"string"}},"m":{"type":"array","minItems":2,"maxItems":2,"items":{"type":"number"}}}})");
  const std::string record =
      R"({"s":"a\"\\\n\u0001é","d":1e+300,"t":"2026-01-01T00:00:00.5Z","l":["x","y"],"m":[0.1,-0]})";
  decoded.Json({record});
  std::vector<TargetFields::Field> fields;
  for (const SchemaField& field : decoded.schema().fields())
    fields.push_back({field.path, field.column, field.type, true, nullptr});
  std::string out;
  JsonRowWriter(fields).Append(decoded.batch(), 0, &out);
  EXPECT_EQ(out, record);
}

}  // namespace
}  // namespace anabranch
