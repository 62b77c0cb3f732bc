#include <nlohmann/json.hpp>
#include <set>

#include "tests/topologies/commands/commands_fixture.h"
#include "topologies/commands/reference.h"

namespace anabranch {
namespace {

class Explain : public Commands {};

TEST_F(Explain, KnowsEveryFaultCode) {
  for (const FaultInfo& info : FaultCatalogue()) {
    Outcome outcome = Run({"explain", FaultName(info.code)});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_NE(outcome.out.find(info.title), std::string::npos) << outcome.out;
  }
  EXPECT_EQ(Run({"explain", "ab203"}).out, Run({"explain", "AB203"}).out);
}

TEST_F(Explain, KnowsEveryKindConnectorAndTheFunctions) {
  for (const char* topic : {"validate", "transform", "infer", "ensemble", "persist", "file", "kafka", "sqlite"}) {
    Outcome outcome = Run({"explain", topic});
    EXPECT_EQ(outcome.code, 0) << topic;
    EXPECT_TRUE(outcome.out.starts_with("# " + std::string(topic) + "\n")) << outcome.out;
    EXPECT_NE(outcome.out.find("```json"), std::string::npos) << topic;
  }
  EXPECT_NE(Run({"explain", "functions"}).out.find("log1p"), std::string::npos);
}

TEST_F(Explain, OfAFileTellsItsPlan) {
  Outcome outcome = Run({"explain", Write("good.json", GoodTopology())});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  for (const char* word : {"orders", "shape", "out", "exactly"}) {
    EXPECT_NE(outcome.out.find(word), std::string::npos) << outcome.out;
  }
  EXPECT_EQ(Run({"explain", Write("faulty.json", FaultyTopology())}).code, 78);
}

TEST_F(Explain, OfAFileWithALatencyTargetTellsWhatWasChosenForIt) {
  const std::string models = std::string(ANABRANCH_ROOT) + "/tests/models";
  const auto topology = [&](const std::string& target) {
    return Write("latency.json", R"({"anabranch": 1, "name": "latency", "models": {"m": {"path": ")" + models +
                                     R"(/ffnn_784.onnx"}},
      "schemas": {"s": {"type": "object", "required": ["x"], "properties":
        {"x": {"type": "array", "items": {"type": "number"}, "minItems": 784, "maxItems": 784}}}},
      "sources": {"in": {"file": {"path": "in.jsonl"}, "schema": "s", "key": "position"}},
      "nodes": {"score": {"kind": "infer", "inputs": ["in"], "model": "m", "features": ["x"],
                          "outputs": {"y": "probabilities"}},
                "out": {"kind": "persist", "inputs": ["score"], "to": {"file": {"path": "out.jsonl"}}}},
      "batch": {"max_rows": 65536, "latency_target_ms": )" +
                                     target + "}}");
  };
  const Outcome roomy = Run({"explain", topology("60000"), "--allow-path", models});
  EXPECT_EQ(roomy.code, 0) << roomy.err;
  EXPECT_NE(roomy.out.find("target 60000 ms: batches of up to 65536 rows"), std::string::npos) << roomy.out;
  EXPECT_NE(roomy.out.find("node score: "), std::string::npos) << roomy.out;
  EXPECT_NE(roomy.out.find("committed, every 100 ms"), std::string::npos) << roomy.out;
  const Outcome tight = Run({"explain", topology("2"), "--allow-path", models});
  EXPECT_NE(tight.out.find("target 2 ms: batches of up to "), std::string::npos) << tight.out;
  EXPECT_EQ(tight.out.find("up to 65536 rows;"), std::string::npos) << tight.out;
}

TEST_F(Explain, OfAnUnknownTopicGivesTwoAndASuggestion) {
  Outcome outcome = Run({"explain", "infr"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("did you mean \"infer\"?"), std::string::npos) << outcome.err;
}

class Graph : public Commands {};

TEST_F(Graph, NamesEveryNodeInEveryFormat) {
  const std::string file = Write("good.json", GoodTopology());
  for (const char* format : {"ascii", "dot", "mermaid", "json"}) {
    Outcome outcome = Run({"graph", file, "--format", format});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    for (const char* id : {"orders", "shape", "out"}) EXPECT_NE(outcome.out.find(id), std::string::npos) << format;
  }
  EXPECT_TRUE(nlohmann::json::parse(Run({"graph", file, "--format", "json"}).out).is_object());
  EXPECT_TRUE(Run({"graph", file, "--format", "dot"}).out.starts_with("digraph"));
}

TEST_F(Graph, OfAFaultyFileTellsTheFaultsOnStderr) {
  Outcome outcome = Run({"graph", Write("faulty.json", FaultyTopology())});
  EXPECT_EQ(outcome.code, 78);
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("error[AB203]"), std::string::npos);
}

class SchemaCommand : public Commands {};

TEST_F(SchemaCommand, PrintsADraft7SchemaThatKnowsEveryKind) {
  Outcome outcome = Run({"schema"});
  EXPECT_EQ(outcome.code, 0);
  nlohmann::json schema = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(schema["$schema"], "http://json-schema.org/draft-07/schema#");
  for (const char* kind : {"validate", "transform", "infer", "ensemble", "persist", "kafka", "sqlite"}) {
    EXPECT_NE(outcome.out.find("\"" + std::string(kind) + "\""), std::string::npos) << kind;
  }
}

class Reference : public Commands {};

std::set<std::string> FilesBelow(const std::string& folder) {
  std::set<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files.insert(std::filesystem::relative(entry.path(), folder).string());
  }
  return files;
}

// `anabranch docs docs/reference` writes what this expects.
TEST_F(Reference, PagesInTheTreeAreTheGeneratedOnes) {
  const std::string folder = ANABRANCH_ROOT "/docs/reference";
  ASSERT_TRUE(std::filesystem::is_directory(folder)) << "run build/bin/anabranch docs docs/reference";
  ASSERT_EQ(Run({"docs", Path("reference")}).code, 0);
  const std::set<std::string> made = FilesBelow(Path("reference"));
  EXPECT_EQ(FilesBelow(folder), made);
  for (const std::string& name : made) {
    EXPECT_TRUE(ReadFile(folder + "/" + name) == ReadFile(Path("reference/" + name)))
        << name << " is stale: run build/bin/anabranch docs docs/reference";
  }
}

TEST_F(Reference, PagesSayThatTheyAreGenerated) {
  ASSERT_EQ(Run({"docs", Path("reference")}).code, 0);
  EXPECT_TRUE(ReadFile(Path("reference/nodes/infer.md"))
                  .starts_with("<!-- generated by `anabranch docs`; edit the spec in nodes/infer/"));
}

}  // namespace
}  // namespace anabranch
