#include <gtest/gtest.h>

#include "engine/json_type.h"
#include "tests/engine/schema/schema_text.h"

namespace anabranch {
namespace {

// One property "f" with this schema.
std::string Property(const std::string& schema) { return R"({"type":"object","properties":{"f":)" + schema + "}}"; }

Type TypeOf(const std::string& schema) {
  const SchemaText text(Property(schema));
  EXPECT_NE(text.schema, nullptr) << text.FaultText();
  return text.schema == nullptr ? Type() : text.schema->fields().at(0).type;
}

TEST(CompileSchema, MakesColumnsOfTypes) {
  EXPECT_EQ(TypeOf(R"({"type":"integer"})").ToString(), "int64");
  EXPECT_EQ(TypeOf(R"({"type":"number"})").ToString(), "float64");
  EXPECT_EQ(TypeOf(R"({"type":["null","string"]})").ToString(), "string");
  EXPECT_EQ(TypeOf(R"({"type":"boolean"})").ToString(), "bool");
  EXPECT_EQ(TypeOf(R"({"type":"string","format":"date-time"})").ToString(), "timestamp");
  EXPECT_EQ(TypeOf(R"({"type":"integer","format":"date-time","x-unit":"ms"})").ToString(), "timestamp");
  EXPECT_EQ(TypeOf(R"({"type":"array","items":{"type":"string"}})").ToString(), "list<string>");
  EXPECT_EQ(TypeOf(R"({"type":"array","items":{"type":"number"},"minItems":1,"maxItems":3})").ToString(),
            "list<float64>");
  EXPECT_EQ(TypeOf(R"({"type":"array","items":{"type":"integer"},"minItems":3,"maxItems":3})").ToString(),
            "tensor<int64>[3]");
  EXPECT_EQ(TypeOf(R"({"type":"array","minItems":2,"maxItems":2,"items":
      {"type":"array","minItems":3,"maxItems":3,"items":{"type":"number"}}})")
                .ToString(),
            "tensor<float64>[2,3]");
  EXPECT_EQ(TypeOf(R"({"type":"string","x-decode":"csv<f32>[28,28]"})").ToString(), "tensor<float32>[28,28]");
  EXPECT_EQ(TypeOf(R"({"type":"array","items":{"type":"object","properties":{"a":{"type":"number"}}}})").ToString(),
            "json");
  EXPECT_NE(JsonType(), Type::Scalar(Kind::kString));
  EXPECT_EQ(TypeOf(R"({"enum":["a","b"]})").ToString(), "string");
  EXPECT_EQ(TypeOf(R"({"const":3})").ToString(), "int64");
  EXPECT_EQ(TypeOf(R"({"enum":[1,2.5,null]})").ToString(), "float64");
}

TEST(CompileSchema, TellsWhatIsSensitive) {
  const SchemaText text(R"({"type":"object","properties":{
      "pan":{"type":"string","x-sensitive":true}, "shown":{"type":"string","x-sensitive":false},
      "list":{"type":"array","items":{"type":"string"},"x-sensitive":true}, "raw":{"x-sensitive":true},
      "owner":{"type":"object","x-sensitive":true,"properties":{
        "name":{"type":"string"},"born":{"type":"string","format":"date-time","x-sensitive":true}}}}})");
  ASSERT_NE(text.schema, nullptr) << text.FaultText();
  std::string found, steps;
  for (const SchemaField& field : text.schema->fields())
    found += field.path + (field.sensitive ? " hidden" : "") + "\n";
  EXPECT_EQ(found, "pan hidden\nshown\nlist hidden\nowner.name hidden\nowner.born hidden\n");
  using Steps = std::vector<std::string>;
  EXPECT_EQ(text.schema->sensitive(), (std::vector<Steps>{{"raw"}, {"pan"}, {"list"}, {"owner"}}));
  const SchemaText whole(R"({"type":"object","x-sensitive":true,"properties":{"a":{"type":"integer"}}})");
  ASSERT_NE(whole.schema, nullptr) << whole.FaultText();
  EXPECT_EQ(whole.schema->sensitive(), std::vector<Steps>{{}});
  EXPECT_TRUE(whole.schema->fields().at(0).sensitive);
}

// A value that is not masked because of a typing error would be seen.
TEST(CompileSchema, RefusesASensitiveThatIsNoFlag) {
  for (const char* schema : {R"({"type":"string","x-sensitive":"yes"})", R"({"x-sensitive":"yes"})"}) {
    const SchemaText text(Property(schema));
    EXPECT_EQ(text.schema, nullptr) << schema;
    EXPECT_NE(text.FaultText().find("x-sensitive"), std::string::npos) << text.FaultText();
  }
}

TEST(CompileSchema, TellsWhatIsRequiredByEveryObjectOnThePath) {
  const SchemaText text(
      R"({"$schema":"http://json-schema.org/draft-07/schema#","title":"t","type":"object","required":["a","e"],
      "properties":{
        "a":{"type":"object","required":["b"],"properties":{"b":{"type":"integer"},"c":{"type":"integer"}}},
        "d":{"type":"object","required":["b"],"properties":{"b":{"type":"integer"}},"additionalProperties":false},
        "e":{"type":["object","null"],"required":["b"],"properties":{"b":{"type":"integer"}}},
        "any":{}, "yes":true}})");
  ASSERT_NE(text.schema, nullptr) << text.FaultText();
  std::string found;
  for (const SchemaField& field : text.schema->fields()) {
    found += field.path + (field.required ? " required" : "") + (field.required_here ? " here" : "") + "\n";
  }
  EXPECT_EQ(found, "a.b required here\na.c\nd.b here\ne.b here\n");
  EXPECT_EQ(text.schema->closed_objects(), std::vector<std::string>{"d"});
  EXPECT_EQ(text.schema->objects()[0].unread, (std::vector<std::string>{"any", "yes"}));
}

struct Faulty {
  const char* schema;
  FaultCode code;
  const char* pointer;
  const char* words;  // somewhere in message or hint
};

class FaultySchema : public testing::TestWithParam<Faulty> {};

TEST_P(FaultySchema, IsRefusedAtItsPlace) {
  const Faulty& wanted = GetParam();
  const SchemaText text(wanted.schema[0] == '!' ? wanted.schema + 1 : Property(wanted.schema));
  EXPECT_EQ(text.schema, nullptr);
  ASSERT_EQ(text.faults.faults().size(), 1U) << text.FaultText();
  const Fault& fault = text.faults.faults()[0];
  EXPECT_EQ(fault.code, wanted.code) << text.FaultText();
  EXPECT_EQ(fault.pointer, wanted.pointer);
  EXPECT_NE((fault.message + fault.hint).find(wanted.words), std::string::npos) << text.FaultText();
}

INSTANTIATE_TEST_SUITE_P(
    Schemas, FaultySchema,
    testing::Values(
        Faulty{"![]", FaultCode::kWrongType, "", "a schema is an object"},
        Faulty{R"(!{"type":"array"})", FaultCode::kSchemaType, "/type", "must be \"object\""},
        Faulty{R"(!{"type":"object","properties":[]})", FaultCode::kWrongType, "/properties", "name → schema"},
        Faulty{R"(!{"type":"object","required":["amout"],"properties":{"amount":{"type":"number"}}})",
               FaultCode::kSchemaType, "/required/0", "did you mean \"amount\"?"},
        Faulty{R"(!{"type":"object","additionalProperties":{"type":"string"}})", FaultCode::kSchemaKeyword,
               "/additionalProperties", "true or false"},
        Faulty{R"(!{"type":"object","allOf":[]})", FaultCode::kSchemaKeyword, "/allOf", "not supported"},
        Faulty{R"(!{"type":"object","patternProperties":{}})", FaultCode::kSchemaKeyword, "/patternProperties",
               "name the fields"},
        Faulty{R"(!{"type":"object","definitions":{}})", FaultCode::kSchemaKeyword, "/definitions", "in full"},
        Faulty{R"(!{"type":"object","required":["x"],"properties":{"x":{}}})", FaultCode::kSchemaType, "/properties/x",
               "no \"type\""},
        Faulty{R"({"type":"int"})", FaultCode::kSchemaType, "/properties/f/type", "did you mean \"integer\"?"},
        Faulty{R"({"type":"nubmer"})", FaultCode::kSchemaType, "/properties/f/type", "did you mean \"number\"?"},
        Faulty{R"({"type":["number","string"]})", FaultCode::kSchemaType, "/properties/f/type", "two types"},
        Faulty{R"({"type":"null"})", FaultCode::kSchemaType, "/properties/f/type", "always null"},
        Faulty{R"({"type":3})", FaultCode::kWrongType, "/properties/f/type", "a string or a list"},
        Faulty{R"({"minimum":0})", FaultCode::kSchemaType, "/properties/f", "no \"type\""},
        Faulty{R"({"type":"number","minimum":"0"})", FaultCode::kWrongType, "/properties/f/minimum", "wanted a number"},
        Faulty{R"({"type":"number","minimum":2,"maximum":1})", FaultCode::kBadValue, "/properties/f/maximum",
               "no value"},
        Faulty{R"({"type":"number","multipleOf":0})", FaultCode::kBadValue, "/properties/f/multipleOf", "above 0"},
        Faulty{R"({"type":"number","minLength":1})", FaultCode::kSchemaKeyword, "/properties/f/minLength",
               "does not apply to a number"},
        Faulty{R"({"type":"number","minimun":1})", FaultCode::kSchemaKeyword, "/properties/f/minimun",
               "did you mean \"minimum\"?"},
        Faulty{R"({"type":"number","$ref":"#/x"})", FaultCode::kSchemaKeyword, "/properties/f/$ref", "in full"},
        Faulty{R"({"type":"string","minLength":-1})", FaultCode::kBadValue, "/properties/f/minLength", "negative"},
        Faulty{R"({"type":"string","pattern":"("})", FaultCode::kPattern, "/properties/f/pattern", "RE2"},
        Faulty{R"({"type":"string","format":"email"})", FaultCode::kSchemaKeyword, "/properties/f/format", "pattern"},
        Faulty{R"({"type":"string","enum":[]})", FaultCode::kBadValue, "/properties/f/enum", "empty"},
        Faulty{R"({"type":"string","enum":["a",1]})", FaultCode::kWrongType, "/properties/f/enum/1", "wanted a string"},
        Faulty{R"({"type":"integer","format":"date-time"})", FaultCode::kSchemaType, "/properties/f", "x-unit"},
        Faulty{R"({"type":"integer","format":"date-time","x-unit":"sec"})", FaultCode::kBadValue,
               "/properties/f/x-unit", "known"},
        Faulty{R"({"type":"string","format":"date-time","pattern":"x"})", FaultCode::kSchemaKeyword,
               "/properties/f/pattern", "rule"},
        Faulty{R"({"type":"string","x-decode":"csv<f16>[2]"})", FaultCode::kBadValue, "/properties/f/x-decode",
               "csv<f32>[784]"},
        Faulty{R"({"type":"array"})", FaultCode::kSchemaType, "/properties/f", "items"},
        Faulty{R"({"type":"array","items":[{"type":"number"}]})", FaultCode::kSchemaKeyword, "/properties/f/items",
               "one schema"},
        Faulty{R"({"type":"array","items":{"type":"object"},"minItems":1})", FaultCode::kSchemaKeyword,
               "/properties/f/minItems", "leave it out"},
        Faulty{R"({"type":"array","items":{"type":["number","null"]}})", FaultCode::kSchemaType, "/properties/f/items",
               "numbers, integers"},
        Faulty{R"({"type":"array","items":{"type":"number"},"uniqueItems":true})", FaultCode::kSchemaKeyword,
               "/properties/f/uniqueItems", "not supported"},
        Faulty{R"({"type":"array","items":{"type":"array","items":{"type":"number"}}})", FaultCode::kSchemaType,
               "/properties/f", "nested arrays"},
        Faulty{R"({"type":"object"})", FaultCode::kSchemaType, "/properties/f", "no columns"},
        Faulty{"false", FaultCode::kWrongType, "/properties/f", "object or true"}));

TEST(CompileSchema, ReportsEveryFaultAtOnce) {
  const SchemaText text(
      R"({"type":"object","not":{},"properties":{"a":{"type":"int"},"b":{"type":"number","minimum":"x","oneOf":[]}}})");
  EXPECT_EQ(text.faults.faults().size(), 4U) << text.FaultText();
}

}  // namespace
}  // namespace anabranch
