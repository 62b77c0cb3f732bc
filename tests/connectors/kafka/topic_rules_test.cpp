#include "connectors/kafka/topic_rules.h"

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

namespace anabranch {
namespace {

TopicNeed Source() { return {.topic = "in", .who = {"read"}, .source = true}; }
TopicNeed Results() { return {.topic = "out", .who = {"written"}, .result = true}; }
TopicNeed Dead() { return {.topic = "dead", .who = {"dead letters"}, .dead_letters = true}; }

ClientOptions Brokers() {
  ClientOptions options;
  options.properties.push_back({"bootstrap.servers", "one:9092,two:9092", PropertyScope::kConnection});
  return options;
}

OutsideWishes Wishes(int partitions, int replicas = 0) {
  OutsideWishes wishes;
  wishes.partitions = partitions;
  wishes.replicas = replicas;
  return wishes;
}

using Settings = std::vector<std::pair<std::string, std::string>>;

OutsideThing Judged(const TopicNeed& need, const TopicFacts& facts, const OutsideWishes& wishes = {},
                    Settings settings = {}) {
  OutsideThing thing;
  thing.exists = true;
  thing.settings = std::move(settings);
  JudgeTopic(need, facts, wishes, Brokers(), &thing);
  return thing;
}

constexpr TopicFacts kGood = {.partitions = 4, .replicas = 3};

TEST(TopicRules, ANewTopicGetsTheDefaultOfTheBrokersUnlessItsRoleSaysMore) {
  EXPECT_EQ(PlanTopic(Source(), {}, 6).partitions, -1);
  EXPECT_EQ(PlanTopic(Source(), {}, 6).replicas, -1);
  EXPECT_EQ(PlanTopic(Source(), {}, 6).settings, Settings());
  EXPECT_EQ(PlanTopic(Results(), {}, 6).partitions, 6);
  EXPECT_EQ(PlanTopic(Results(), {}, 0).partitions, -1);
  EXPECT_EQ(PlanTopic(Dead(), {}, 6).partitions, 1);
  EXPECT_EQ(PlanTopic(Results(), {}, 0).settings, (Settings{{"cleanup.policy", "delete"}}));
  EXPECT_EQ(PlanTopic(Dead(), {}, 0).settings, (Settings{{"cleanup.policy", "delete"}}));
}

TEST(TopicRules, WishesCountForTheirTopicThenForAllButDeadLetters) {
  OutsideWishes wishes{.partitions = 8, .partitions_of = {{"out", 2}}, .replicas = 3};
  EXPECT_EQ(PlanTopic(Source(), wishes, 6).partitions, 8);
  EXPECT_EQ(PlanTopic(Results(), wishes, 6).partitions, 2);
  EXPECT_EQ(PlanTopic(Dead(), wishes, 6).partitions, 1);
  EXPECT_EQ(PlanTopic(Dead(), wishes, 6).replicas, 3);
  wishes.partitions_of["dead"] = 5;
  EXPECT_EQ(PlanTopic(Dead(), wishes, 6).partitions, 5);
  TopicNeed both = Dead();
  both.result = true;
  both.topic = "mixed";
  EXPECT_EQ(PlanTopic(both, wishes, 6).partitions, 8) << "a topic of results, too";
}

TEST(TopicRules, ATopicAsItShouldBeHasNoRemark) {
  for (const TopicNeed& need : {Source(), Results(), Dead()}) {
    const OutsideThing thing = Judged(need, kGood, {}, {{"cleanup.policy", "delete"}, {"min.insync.replicas", "2"}});
    EXPECT_TRUE(thing.ok()) << thing.problems[0];
    EXPECT_TRUE(thing.notes.empty());
  }
}

TEST(TopicRules, CompactionLosesResultsAndLettersAndIsANoteForASource) {
  for (const char* policy : {"compact", "compact,delete"}) {
    for (const TopicNeed& need : {Results(), Dead()}) {
      const OutsideThing thing = Judged(need, kGood, {}, {{"cleanup.policy", policy}});
      ASSERT_EQ(thing.problems.size(), 1u);
      EXPECT_NE(thing.problems[0].find("\"" + std::string(policy) + "\""), std::string::npos);
      EXPECT_NE(thing.problems[0].find("kafka-configs.sh --bootstrap-server one:9092 --alter --entity-type topics "
                                       "--entity-name " +
                                       need.topic + " --add-config cleanup.policy=delete"),
                std::string::npos)
          << thing.problems[0];
    }
    const OutsideThing source = Judged(Source(), kGood, {}, {{"cleanup.policy", policy}});
    EXPECT_TRUE(source.ok());
    EXPECT_EQ(source.notes.size(), 1u);
  }
}

TEST(TopicRules, TheTopicOfControlHasOnePartitionAndKeepsEverything) {
  const TopicNeed control = {.topic = "control", .who = {"control"}, .control = true};
  const NewTopic made = PlanTopic(control, Wishes(8), 6);
  EXPECT_EQ(made.partitions, 1);
  EXPECT_EQ(
      made.settings,
      (Settings{{"cleanup.policy", "compact"}, {"segment.bytes", "16777216"}, {"min.cleanable.dirty.ratio", "0.1"}}));
  const TopicFacts one = {.partitions = 1, .replicas = 3};
  EXPECT_TRUE(Judged(control, one, {}, {{"cleanup.policy", "compact"}}).ok());
  EXPECT_TRUE(Judged(control, one, {}, {{"cleanup.policy", "delete"}, {"retention.ms", "-1"}}).ok());
  const OutsideThing expires = Judged(control, one, {}, {{"cleanup.policy", "delete"}, {"retention.ms", "604800000"}});
  ASSERT_EQ(expires.problems.size(), 1u);
  EXPECT_NE(expires.problems[0].find("--add-config cleanup.policy=compact"), std::string::npos) << expires.problems[0];
  const OutsideThing many = Judged(control, kGood, {}, {{"cleanup.policy", "compact"}});
  ASSERT_EQ(many.problems.size(), 1u);
  EXPECT_NE(many.problems[0].find("4 partitions"), std::string::npos) << many.problems[0];
}

TEST(TopicRules, FewerReplicasThanWritesNeedAreAProblemOfWrittenTopics) {
  const Settings settings = {{"min.insync.replicas", "2"}};
  EXPECT_EQ(Judged(Results(), {.partitions = 1, .replicas = 1}, {}, settings).problems.size(), 1u);
  EXPECT_EQ(Judged(Dead(), {.partitions = 1, .replicas = 1}, {}, settings).problems.size(), 1u);
  EXPECT_TRUE(Judged(Dead(), {.partitions = 1, .replicas = 2}, {}, settings).ok());
  EXPECT_TRUE(Judged(Source(), {.partitions = 1, .replicas = 1}, {}, settings).ok());
}

TEST(TopicRules, AnotherNumberThanAskedForIsAProblem) {
  const OutsideWishes fewer = Wishes(2), more = Wishes(8), same = Wishes(4, 3);
  EXPECT_NE(Judged(Source(), kGood, fewer).problems.at(0).find("has 4 partitions, and 2 were asked for"),
            std::string::npos);
  EXPECT_NE(Judged(Source(), kGood, more).problems.at(0).find("--alter --topic in --partitions 8"), std::string::npos);
  EXPECT_TRUE(Judged(Source(), kGood, same).ok());
  EXPECT_TRUE(Judged(Dead(), {.partitions = 1, .replicas = 3}, more).ok());
  EXPECT_NE(Judged(Dead(), kGood, Wishes(0, 2)).problems.at(0).find("has replication 3, and 2 was asked for"),
            std::string::npos);
}

TEST(TopicRules, PartitionsWithoutALeaderAreAProblem) {
  EXPECT_NE(
      Judged(Source(), {.partitions = 4, .replicas = 1, .leaderless = 2}).problems.at(0).find("2 of 4 partitions"),
      std::string::npos);
}

TEST(TopicRules, ARefusalSaysWhatToDo) {
  const std::string denied = WhyNotMade("out", RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "Authorization failed.");
  EXPECT_EQ(
      denied,
      "could not be made: Authorization failed. This user may not create it: grant CREATE on the topic \"out\" or "
      "on the cluster");
  EXPECT_NE(WhyNotMade("out", RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, "").find("REQUEST_TIMED_OUT"), std::string::npos);
}

}  // namespace
}  // namespace anabranch
