#include <nlohmann/json.hpp>

#include "tests/topologies/commands/commands_fixture.h"
#include "topologies/commands/command.h"
#include "topologies/commands/topics_view.h"

namespace anabranch {
namespace {

OutsideThing Topic(const std::string& name, int partitions) {
  OutsideThing topic;
  topic.kind = "topic";
  topic.name = name;
  topic.place = "localhost:9092";
  topic.connection = "main";
  topic.who = {"read by source \"in\""};
  topic.exists = partitions > 0;
  topic.partitions = partitions;
  topic.replicas = partitions > 0 ? 1 : 0;
  if (topic.exists) topic.settings = {{"cleanup.policy", "delete"}};
  return topic;
}

TEST(TopicsView, ATableShowsWhatIsThereAndWhatIsMissing) {
  OutsideThing made = Topic("new", 12);
  made.made = true;
  const TopicsReport report = {"t.json", "t", {Topic("in", 4), Topic("absent", 0), made}, ""};
  EXPECT_EQ(TopicsText(report),
            "t: 3 topics on localhost:9092 (connection \"main\")\n"
            "  topic   state    partitions  replication  cleanup.policy  needed by\n"
            "  in      ok       4           1            delete          read by source \"in\"\n"
            "  absent  missing  -           -            -               read by source \"in\"\n"
            "  new     made     12          1            delete          read by source \"in\"\n");
  EXPECT_EQ(TopicsSummary(report, "anabranch topics t.json --create"),
            "t: 1 topic made, 1 of 3 topics missing\nMake what is missing:\n  anabranch topics t.json --create\n");
}

TEST(TopicsView, AProblemOfSeveralTopicsIsWrittenOnce) {
  OutsideThing one = Topic("one", 1), two = Topic("two", 1), three = Topic("three", 1);
  one.problems = {"is wrong", "is odd"};
  two.problems = {"is wrong"};
  three.notes = {"is old"};
  const TopicsReport report = {"t.json", "t", {one, two, three}, ""};
  EXPECT_NE(TopicsText(report).find("  problem: topics \"one\", \"two\": is wrong\n"
                                    "  problem: topic \"one\": is odd\n"
                                    "  note: topic \"three\": is old\n"),
            std::string::npos)
      << TopicsText(report);
  EXPECT_EQ(TopicsSummary(report, ""), "t: 2 of 3 topics with a problem\n");
}

TEST(TopicsView, ARefusedTopicIsNotAskedForAgain) {
  OutsideThing refused = Topic("out", 0);
  refused.problems = {"could not be made: no"};
  EXPECT_EQ(TopicState(refused), "missing");
  EXPECT_EQ(TopicsSummary({"t.json", "t", {refused}, ""}, "anabranch topics t.json --create"),
            "t: 1 of 1 topic missing\nNothing was made. Fix what the brokers refuse, then run the command again.\n");
}

TEST(TopicsView, TopicsOfEachConnectionHaveTheirTable) {
  OutsideThing other = Topic("out", 1);
  other.connection = "other";
  const std::string text = TopicsText({"t.json", "t", {Topic("in", 1), other}, ""});
  EXPECT_NE(text.find("t: 1 topic on localhost:9092 (connection \"other\")\n"), std::string::npos) << text;
}

TEST(TopicsView, AsJsonIsJson) {
  OutsideThing problem = Topic("in", 4);
  problem.problems = {"is wrong"};
  const auto json = nlohmann::json::parse(
      TopicsJson({{"a.json", "a", {problem, Topic("absent", 0)}, ""}, {"b.json", "b", {}, "no answer"}}));
  EXPECT_EQ(json["ok"], false);
  const auto& topics = json["files"][0]["topics"];
  EXPECT_EQ(topics[0]["state"], "problem");
  EXPECT_EQ(topics[0]["partitions"], 4);
  EXPECT_EQ(topics[0]["settings"]["cleanup.policy"], "delete");
  EXPECT_EQ(topics[1]["state"], "missing");
  EXPECT_TRUE(topics[1]["replication"].is_null());
  EXPECT_TRUE(json["files"][0]["error"].is_null());
  EXPECT_EQ(json["files"][1]["error"], "no answer");
  EXPECT_EQ(nlohmann::json::parse(TopicsJson({{"a.json", "a", {Topic("in", 1)}, ""}}))["ok"], true);
}

TEST(TopicsArguments, PartitionsAreANumberOrATopicAndANumber) {
  EXPECT_EQ(ParseTopicPartitions("8")->partitions, 8);
  EXPECT_EQ(ParseTopicPartitions("8")->topic, "");
  EXPECT_EQ(ParseTopicPartitions("a.b=2")->topic, "a.b");
  for (const char* bad : {"", "0", "-1", "x", "8x", "a=", "=8", "a=0", "100001", "99999999999"}) {
    EXPECT_FALSE(ParseTopicPartitions(bad)) << bad;
  }
}

class Topics : public Commands {};

TEST_F(Topics, OfATopologyWithoutAnyNeedsNone) {
  const Outcome outcome = Run({"topics", Write("t.json", GoodTopology()), "--create"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("this topology needs no topics"), std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.out, "");
}

TEST_F(Topics, OfAFaultyTopologyGives78AndAsksNobody) {
  const Outcome outcome = Run({"topics", Write("good.json", GoodTopology()), Write("bad.json", FaultyTopology())});
  EXPECT_EQ(outcome.code, 78);
  EXPECT_NE(outcome.err.find("AB203"), std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.err.find("needs no topics"), std::string::npos) << outcome.err;
}

TEST_F(Topics, OfWrongArgumentsGiveTwo) {
  const std::string file = Write("t.json", GoodTopology());
  EXPECT_EQ(Run({"topics"}).code, 2);
  EXPECT_EQ(Run({"topics", file, "--partitions", "many"}).code, 2);
  EXPECT_EQ(Run({"topics", file, "--replication", "0"}).code, 2);
  EXPECT_EQ(Run({"topics", file, "--partitions", "nobody=4"}).code, 2) << "no such topic";
}

}  // namespace
}  // namespace anabranch
