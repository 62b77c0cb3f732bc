#include <nlohmann/json.hpp>

#include "tests/topologies/commands/commands_fixture.h"
#include "topologies/commands/command.h"

namespace anabranch {
namespace {

class Check : public Commands {};

TEST_F(Check, OfASoundFileGivesZeroAndOneLine) {
  Outcome outcome = Run({"check", Write("good.json", GoodTopology())});
  EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  EXPECT_EQ(outcome.out, "ok: orders (2 nodes, 0 models, exactly_once)\n");
  EXPECT_TRUE(outcome.err.starts_with("0 errors, 0 warnings in ")) << outcome.err;
}

TEST_F(Check, OfAFaultyFileGives78AndAnExcerptWithACaret) {
  const std::string file = Write("faulty.json", FaultyTopology());
  Outcome outcome = Run({"check", file});
  EXPECT_EQ(outcome.code, 78);
  EXPECT_TRUE(outcome.out.starts_with("error[AB203]: ")) << outcome.out;
  EXPECT_NE(outcome.out.find(file + ":7:"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("^^^^^ did you mean \"amount\"?"), std::string::npos) << outcome.out;
  EXPECT_TRUE(outcome.err.starts_with("1 error, 0 warnings in ")) << outcome.err;
}

TEST_F(Check, ShowsTheExcerptOfASyntaxFaultToo) {
  Outcome outcome = Run({"check", Write("cut.json", "{\n  \"anabranch\": 1,\n  \"name\": oops\n}\n")});
  EXPECT_EQ(outcome.code, 78);
  EXPECT_NE(outcome.out.find("3 |   \"name\": oops"), std::string::npos) << outcome.out;
}

TEST_F(Check, OfAMissingFileGives78) {
  Outcome outcome = Run({"check", Path("nowhere.json")});
  EXPECT_EQ(outcome.code, 78);
  EXPECT_TRUE(outcome.out.starts_with("error[AB001]: ")) << outcome.out;
}

TEST_F(Check, ColoursOnlyWhenAsked) {
  const std::string file = Write("faulty.json", FaultyTopology());
  EXPECT_EQ(Run({"check", file}).out.find('\x1b'), std::string::npos);
  colour_ = true;
  EXPECT_NE(Run({"check", file}).out.find('\x1b'), std::string::npos);
}

TEST_F(Check, AsJsonHasTheDocumentedMembers) {
  const std::string good = Write("good.json", GoodTopology());
  const std::string faulty = Write("faulty.json", FaultyTopology());
  Outcome outcome = Run({"check", good, faulty, "--format", "json"});
  EXPECT_EQ(outcome.code, 78);
  EXPECT_EQ(outcome.err, "");
  nlohmann::json json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json["ok"], false);
  ASSERT_EQ(json["faults"].size(), 1u);
  const nlohmann::json& fault = json["faults"][0];
  EXPECT_EQ(fault["code"], "AB203");
  EXPECT_EQ(fault["severity"], "error");
  EXPECT_EQ(fault["file"], faulty);
  EXPECT_EQ(fault["line"], 7);
  EXPECT_TRUE(fault["column"].is_number_unsigned());
  EXPECT_EQ(fault["pointer"], "/nodes/shape/set/double");
  EXPECT_EQ(fault["node"], "shape");
  EXPECT_EQ(fault["hint"], "did you mean \"amount\"?");
  EXPECT_NE(fault["message"].get<std::string>().find("amout"), std::string::npos);
}

TEST_F(Check, AsJsonOfSoundFilesHasNoFaults) {
  Outcome outcome = Run({"check", "--format", "json", Write("good.json", GoodTopology())});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(nlohmann::json::parse(outcome.out), nlohmann::json({{"ok", true}, {"faults", nlohmann::json::array()}}));
}

TEST_F(Check, ForGithubWritesOneAnnotationPerFault) {
  const std::string file = Write("faulty.json", FaultyTopology());
  Outcome outcome = Run({"check", "--format", "github", file});
  EXPECT_EQ(outcome.code, 78);
  EXPECT_TRUE(outcome.out.starts_with("::error file=" + file + ",line=7,col=")) << outcome.out;
  EXPECT_NE(outcome.out.find(",title=AB203::"), std::string::npos) << outcome.out;
}

TEST_F(Check, PermitsPathsOutsideWithAllowPathOnly) {
  std::string text = GoodTopology();
  text.replace(text.find("in.jsonl"), 8, "../elsewhere/in.jsonl");
  const std::string file = Write("inside/topology.json", text);
  Write("elsewhere/in.jsonl", "");
  EXPECT_EQ(Run({"check", file}).code, 78);
  Outcome outcome = Run({"check", file, "--allow-path", Path("elsewhere")});
  EXPECT_EQ(outcome.code, 0) << outcome.out;
}

TEST_F(Check, ThroughThePipeOfAProgramHasNoColour) {
  Write("faulty.json", FaultyTopology());
  Outcome outcome = RunProgram("check faulty.json");
  EXPECT_EQ(outcome.code, 78);
  EXPECT_EQ(outcome.out.find('\x1b'), std::string::npos);
  EXPECT_NE(outcome.out.find("error[AB203]"), std::string::npos) << outcome.out;
}

}  // namespace
}  // namespace anabranch
