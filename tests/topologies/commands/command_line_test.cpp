#include "topologies/commands/command_line.h"

#include "tests/topologies/commands/commands_fixture.h"

namespace anabranch {
namespace {

TEST_F(Commands, WithoutArgumentsTellUsageAndGiveTwo) {
  Outcome outcome = Run({});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("check"), std::string::npos);
}

TEST_F(Commands, TellVersion) {
  Outcome outcome = Run({"--version"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, "anabranch " + ProgramVersion() + "\n");
}

TEST_F(Commands, HelpBeginsWithAnExample) {
  for (const auto& [name, help] : CommandHelp()) {
    EXPECT_TRUE(help.starts_with("Example: " + name)) << help;
    EXPECT_NE(help.find("Usage: " + name + " "), std::string::npos) << help;
  }
  Outcome outcome = Run({"check", "--help"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_TRUE(outcome.out.starts_with("Example: anabranch check ")) << outcome.out;
  EXPECT_EQ(outcome.err, "");
}

TEST_F(Commands, UnknownCommandGivesTwoAndASuggestion) {
  Outcome outcome = Run({"chekc", "topology.json"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("unknown command \"chekc\"; did you mean \"check\"?"), std::string::npos) << outcome.err;
}

TEST_F(Commands, UnknownFlagGivesTwoAndASuggestion) {
  Outcome outcome = Run({"check", "--fromat", "json", "topology.json"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("unknown flag --fromat; did you mean \"--format\"?"), std::string::npos) << outcome.err;
  outcome = Run({"run", "topology.json", "--onec"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("did you mean \"--once\"?"), std::string::npos) << outcome.err;
}

TEST_F(Commands, UnknownWordOfAFlagGivesTwoAndASuggestion) {
  Outcome outcome = Run({"check", "--format", "jsno", "topology.json"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("did you mean \"json\"?"), std::string::npos) << outcome.err;
}

TEST_F(Commands, MissingOrSuperfluousArgumentsGiveTwo) {
  EXPECT_EQ(Run({"check"}).code, 2);
  EXPECT_EQ(Run({"model"}).code, 2);
  EXPECT_EQ(Run({"run", "a.json", "--workers", "many"}).code, 2);
  EXPECT_EQ(Run({"run", "a.json", "--new-identity"}).code, 2);
  EXPECT_EQ(Run({"run", Write("t.json", GoodTopology()), "--instance", "../x"}).code, 2);
  Outcome outcome = Run({"graph", "a.json", "b.json"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("unexpected argument \"b.json\""), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace anabranch
