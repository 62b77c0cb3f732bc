#include "tests/topologies/commands/commands_fixture.h"
#include "topologies/commands/templates.h"

namespace anabranch {
namespace {

class Init : public Commands {};

TEST_F(Init, WritesATopologyThatChecksClean) {
  Outcome outcome = Run({"init", Path("mine")});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, Path("mine/topology.json") + "\n");
  outcome = Run({"check", Path("mine/topology.json")});
  EXPECT_EQ(outcome.code, 0) << outcome.out;
}

TEST_F(Init, OverwritesNothing) {
  const std::string file = Write("topology.json", "mine");
  Outcome outcome = Run({"init", file});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("already exists"), std::string::npos) << outcome.err;
  EXPECT_EQ(ReadFile(file), "mine");
}

TEST_F(Init, KnowsEveryTemplateByNameAndSaysWhatItIs) {
  Outcome list = Run({"init", "--list"});
  EXPECT_EQ(list.code, 0);
  for (const TopologyTemplate& each : TopologyTemplates()) {
    EXPECT_NE(list.out.find(each.name + ": "), std::string::npos);
    const size_t summary = list.out.find(each.name + ": ") + each.name.size() + 2;
    EXPECT_NE(list.out[summary], '\n') << each.name;
    Outcome outcome = Run({"init", "--template", each.name, Path(each.name)});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(ReadFile(Path(each.name + "/topology.json")), each.text);
  }
}

TEST_F(Init, OfAnUnknownTemplateGivesTwoAndASuggestion) {
  Outcome outcome = Run({"init", "--template", "kafak", Path("x")});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("did you mean \"kafka\"?"), std::string::npos) << outcome.err;
  EXPECT_FALSE(std::filesystem::exists(Path("x")));
}

}  // namespace
}  // namespace anabranch
