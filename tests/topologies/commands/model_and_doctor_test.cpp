#include <chrono>
#include <nlohmann/json.hpp>

#include "tests/topologies/commands/commands_fixture.h"

namespace anabranch {
namespace {

const std::string kModels = ANABRANCH_ROOT "/tests/models/";

class ModelInspect : public Commands {};

TEST_F(ModelInspect, TellsInputsAndOutputs) {
  Outcome outcome = Run({"model", "inspect", kModels + "logistic_string_labels.onnx"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("  X: float32[N,4]"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("  probabilities: float32[N,3]"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("sha256: "), std::string::npos) << outcome.out;
}

TEST_F(ModelInspect, AsJsonIsJson) {
  Outcome outcome = Run({"model", "inspect", kModels + "columns_mixed.onnx", "--format", "json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  nlohmann::json json = nlohmann::json::parse(outcome.out);
  ASSERT_EQ(json["inputs"].size(), 3u);
  EXPECT_EQ(json["inputs"][2]["name"], "country");
  EXPECT_EQ(json["sha256"].get<std::string>().size(), 64u);
}

TEST_F(ModelInspect, OfWhatIsNoModelNamesTheFileAndTheFault) {
  Outcome outcome = Run({"model", "inspect", Write("no.onnx", "no model")});
  EXPECT_EQ(outcome.code, 78) << outcome.err;
  EXPECT_NE(outcome.err.find("no.onnx"), std::string::npos) << outcome.err;
  outcome = Run({"model", "inspect", Path("nowhere.onnx")});
  EXPECT_EQ(outcome.code, 69) << outcome.err;
  EXPECT_NE(outcome.err.find("nowhere.onnx"), std::string::npos) << outcome.err;
}

class Doctor : public Commands {};

TEST_F(Doctor, TellsVersionsAndPathsOfTheLibraries) {
  Outcome outcome = Run({"doctor"});
  EXPECT_EQ(outcome.code, 0) << outcome.out;
  for (const char* name : {"anabranch: ", "librdkafka: ", "ONNX Runtime: ", "SQLite: ", "simdjson: "}) {
    EXPECT_NE(outcome.out.find(name), std::string::npos) << outcome.out;
  }
}

// Port 1 of the loopback refuses connections.
TEST_F(Doctor, OfABrokerThatDoesNotAnswerGives69InBoundedTime) {
  auto start = std::chrono::steady_clock::now();
  Outcome outcome = Run({"doctor", "--brokers", "127.0.0.1:1"});
  EXPECT_EQ(outcome.code, 69);
  EXPECT_NE(outcome.out.find("brokers 127.0.0.1:1: no answer: "), std::string::npos) << outcome.out;
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(8));
}

TEST_F(Doctor, AsksTheConnectionsOfATopologyAndShowsNoSecret) {
  std::string text = GoodTopology();
  text.insert(text.find("  \"schemas\""), R"(  "connections": {"main": {"kafka": {"bootstrap.servers": "127.0.0.1:1",
    "insecure": false, "client.id": "probe"}}},
)");
  const size_t file = text.find(R"("file": {"path": "in.jsonl"})");
  text.replace(file, 28, R"("kafka": {"topics": ["in"]})");
  const size_t to = text.find(R"("file": {"path": "out.jsonl"})");
  text.replace(to, 29, R"("kafka": {"topic": "out"})");
  Outcome outcome = Run({"doctor", Write("kafka.json", text)});
  EXPECT_EQ(outcome.code, 69) << outcome.out << outcome.err;
  EXPECT_NE(outcome.out.find("connection main: no answer: "), std::string::npos) << outcome.out << outcome.err;
}

}  // namespace
}  // namespace anabranch
