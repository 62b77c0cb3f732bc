#include "topologies/operate/masking.h"

#include <nlohmann/json.hpp>

#include "tests/topologies/operate/operated_run.h"

namespace anabranch {
namespace {

using Json = nlohmann::json;

class Masking : public OperatedRun {
 protected:
  void SetUp() override {
    OperatedRun::SetUp();
    Check(
        R"("id": {"type": "string"}, "pan": {"type": "string", "x-sensitive": true},
             "born": {"type": "string", "format": "date-time", "x-sensitive": true},
             "age": {"type": "integer", "x-sensitive": true}, "raw": {"x-sensitive": true},
             "owner": {"type": "object", "x-sensitive": true, "properties": {"name": {"type": "string"}}})",
        R"j("copy": {"kind": "transform", "inputs": ["in"], "set": {"text": "upper(pan)", "number": "age + 1", "again2": "age", "less": "-age", "less2": "less", "old": "age > 60"}},
              "other": {"kind": "transform", "inputs": ["copy"], "set": {"again": "upper(text)", "plain": "upper(id)"}},
              "out": {"kind": "persist", "inputs": ["other"], "to": {"file": {"path": "o"}}, "fields": ["id", "again"]})j",
        R"(, "key": {"field": "owner.name"})");
  }
  const PlanSource& source() const { return checked_.plan->sources[0]; }
};

TEST_F(Masking, HidesFieldsAndTheTextsThatAreMadeOfThem) {
  std::string hidden;
  const std::vector<bool> columns = HiddenColumns(*checked_.plan);
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i]) hidden += checked_.plan->columns[i].name + " ";
  }
  // Texts of a node that reads one are hidden, all of them, and numbers that tell it; others that are computed are
  // shown.
  EXPECT_EQ(hidden, "pan born age owner.name text again2 less less2 again plain ");
  EXPECT_EQ(HiddenKeys(*checked_.plan), std::vector<bool>{true});
  EXPECT_TRUE(HidesMessages(source()));
}

TEST_F(Masking, ReplacesWhatARecordHas) {
  const std::string record =
      R"({"id":"a","pan":"4111","born":"1980-01-01T00:00:00Z","age":46,"raw":[1,"x"],"owner":{"name":"Ann"},"more":5})";
  EXPECT_EQ(Json::parse(MaskRecord(source(), record)),
            Json::parse(R"({"id":"a","pan":"***","born":"***","age":"***","raw":"***","owner":"***","more":5})"));
  EXPECT_EQ(MaskRecord(source(), R"({"id":"a","pan":null})"), R"({"id":"a","pan":null})");
  EXPECT_EQ(MaskRecord(source(), "{broken 4111"), "***");
  EXPECT_EQ(MaskRecord(source(), "[4111]"), "***");
}

TEST_F(Masking, StandInsKeepTheType) {
  const std::string record = R"({"id":"a","pan":"4111","born":"1980-01-01T00:00:00Z","age":46,"owner":{"name":"Ann"}})";
  const Json masked = Json::parse(MaskRecord(source(), record, true));
  EXPECT_EQ(masked["id"], "a");
  EXPECT_TRUE(masked["pan"].get<std::string>().starts_with("masked-"));
  EXPECT_EQ(masked["born"], "2000-01-01T00:00:00Z");
  EXPECT_TRUE(masked["age"].is_number_integer());
  EXPECT_TRUE(masked["owner"]["name"].is_string());
  EXPECT_EQ(masked, Json::parse(MaskRecord(source(), record, true)));
  EXPECT_NE(masked["pan"], Json::parse(MaskRecord(source(), R"({"pan":"4112"})", true))["pan"]);
}

// A thread of the server has a stack of 1 MiB.
TEST_F(Masking, ARecordThatIsNestedTooDeeplyIsReplacedAsAWhole) {
  const auto nested = [](size_t levels) {
    return R"({"pan":"4111","more":)" + std::string(levels, '[') + std::string(levels, ']') + "}";
  };
  EXPECT_EQ(MaskRecord(source(), nested(200'000)), "***");
  EXPECT_EQ(MaskRecord(source(), nested(200'000), true), "***");
  EXPECT_EQ(MaskRecord(source(), nested(64)), "***");
  EXPECT_EQ(MaskRecord(source(), nested(3)), R"({"pan":"***","more":[[[]]]})");
  const std::string brackets = R"({"pan":"4111","more":"\")" + std::string(200, '[') + R"("})";
  EXPECT_EQ(Json::parse(MaskRecord(source(), brackets))["pan"], "***");
}

TEST_F(Masking, SensitiveValuesAreKnownWhereTheyComeAgain) {
  const HiddenValues values(source(),
                            R"({"id":"a","pan":"4111","age":46,"raw":[1,{"x":"y"}],"owner":{"name":""},"more":5})");
  EXPECT_TRUE(values.known());
  for (const char* text : {"4111", "46", "1", "y"}) EXPECT_TRUE(values.Hold(text)) << text;
  for (const char* text : {"a", "5", "", "x", "411"}) EXPECT_FALSE(values.Hold(text)) << text;
  EXPECT_FALSE(HiddenValues(source(), "{broken 4111").known());
}

TEST_F(Masking, LeavesRecordsOfOtherSchemas) {
  Check(R"("id": {"type": "string"})",
        R"("out": {"kind": "persist", "inputs": ["in"], "to": {"file": {"path": "o"}}, "fields": ["id"]})");
  EXPECT_EQ(MaskRecord(source(), "{broken"), "{broken");
  EXPECT_FALSE(HidesMessages(source()));
}

}  // namespace
}  // namespace anabranch
