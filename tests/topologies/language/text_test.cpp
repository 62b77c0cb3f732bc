#include <gtest/gtest.h>

#include <set>

#include "engine/fault.h"
#include "tests/topologies/language/fake_parts.h"
#include "topologies/language/plan_text.h"
#include "topologies/language/render.h"
#include "topologies/language/schema.h"

namespace anabranch {
namespace {

Fault FaultAt(const std::string& text, const std::string& what) {
  Fault fault;
  fault.code = FaultCode::kUnknownColumn;
  fault.message = "no such column";
  fault.hint = "did you mean \"amount\"?";
  fault.file = "fraud.json";
  fault.pointer = "/nodes/score/features/0";
  fault.place.begin = static_cast<uint32_t>(text.find(what));
  fault.place.end = fault.place.begin + static_cast<uint32_t>(what.size());
  fault.place.line = 31;
  fault.place.column = 16;
  return fault;
}

TEST(Render, ShowsTheLineWithACaret) {
  const std::string text = "{\n\t\"features\": [\"amout\", \"age\"]\r\n}";
  EXPECT_EQ(RenderText(FaultAt(text, "\"amout\""), text, false),
            "error[AB203]: no such column\n"
            "  --> fraud.json:31:16   /nodes/score/features/0\n"
            "   31 |  \"features\": [\"amout\", \"age\"]\n"
            "      |               ^^^^^^^ did you mean \"amount\"?\n");
}

std::string Repeated(size_t count, char c) { return std::string(count, c); }

std::string Joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += part;
  return text;
}

TEST(Render, CutsLongLinesAroundTheCaret) {
  const std::string text = Joined({Repeated(500, 'a'), "\"X\"", Repeated(500, 'b')});
  const std::string shown = RenderText(FaultAt(text, "\"X\""), text, false);
  const std::string line = Joined({"…", Repeated(50, 'a'), "\"X\"", Repeated(57, 'b'), "…\n"});
  EXPECT_NE(shown.find(line), std::string::npos) << shown;
  EXPECT_NE(shown.find(Joined({"| ", Repeated(51, ' '), "^^^ did"})), std::string::npos) << shown;
}

TEST(Render, CountsCharactersRatherThanBytes) {
  const std::string text =
      "\"gr\xC3\xB6\xC3\x9F"
      "e\": \"X\"";
  const std::string shown = RenderText(FaultAt(text, "\"X\""), text, false);
  EXPECT_NE(shown.find(Joined({"| ", Repeated(9, ' '), "^^^ did"})), std::string::npos) << shown;
}

TEST(Render, WorksWithoutTheText) {
  EXPECT_EQ(RenderText(FaultAt("x", "x"), "", false),
            "error[AB203]: no such column\n  --> fraud.json:31:16   /nodes/score/features/0\n"
            "      = did you mean \"amount\"?\n");
  EXPECT_NE(RenderText(FaultAt("x", "x"), "x", true).find("\x1b["), std::string::npos);
}

CheckedTopology Small() {
  return CheckFake(TopologyWith("\"n\": {\"kind\": \"make\", \"inputs\": [\"in\"], \"set\": {\"c\": \"a\"}},\n", "n"));
}

TEST(Explain, TellsOrderColumnsAndGuarantees) {
  const CheckedTopology checked = Small();
  ASSERT_TRUE(checked.ok());
  const std::string text = ExplainPlan(*checked.plan);
  for (const char* part :
       {"1. source in: disk source\n", "decodes id string, a float64, b float64, note string\n", "2. make n <- in\n",
        "reads a\n", "makes c float64\n", "3. persist out <- n\n", "writes disk out.jsonl\n", "up to 256 rows or 4 MiB",
        "delivery: exactly_once (the best that every target can)\n", "schema enforced here\n"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

TEST(GraphText, DrawsEveryFormat) {
  const CheckedTopology checked = Small();
  const Plan& plan = *checked.plan;
  EXPECT_EQ(GraphText(plan, "ascii"), "in (source)\nn (make)      <- in\nout (persist) <- n   => disk out.jsonl\n");
  EXPECT_EQ(GraphText(plan, "mermaid"),
            "flowchart LR\n  n_in([\"in (source)\"])\n  n_n[\"n (make)\"]\n  n_out[\"out (persist)\"]\n"
            "  n_in --> n_n\n  n_n --> n_out\n");
  EXPECT_NE(GraphText(plan, "dot").find("  \"in\" -> \"n\";\n"), std::string::npos);
  EXPECT_NE(GraphText(plan, "json")
                .find("\"edges\": [{\"from\": \"in\", \"to\": \"n\"}, {\"from\": \"n\", \"to\": \"out\"}]}"),
            std::string::npos);
}

TEST(Schema, HoldsEveryKindConnectorAndField) {
  const std::string schema = TopologySchema(FakeParts());
  for (const char* part : {"http://json-schema.org/draft-07/schema#", "\"node_make\"", "\"node_persist\"", "\"disk\"",
                           "\"pipe\"", "\"level\"", "\"max_backoff_ms\"", "\"exactly_once\"", "#/definitions/target"}) {
    EXPECT_NE(schema.find(part), std::string::npos) << part;
  }
}

TEST(FaultCatalogue, IsCompleteAndAscending) {
  std::set<std::string> titles;
  uint16_t last = 0;
  for (const FaultInfo& info : FaultCatalogue()) {
    EXPECT_GT(static_cast<uint16_t>(info.code), last);
    last = static_cast<uint16_t>(info.code);
    EXPECT_TRUE(titles.insert(info.title).second) << info.title;
    EXPECT_GT(std::string(info.about).size(), 20u);
  }
  EXPECT_EQ(titles.size(), 39u);
  EXPECT_EQ(FaultName(FaultCode::kSyntax), "AB002");
}

}  // namespace
}  // namespace anabranch
