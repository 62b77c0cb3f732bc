#include <gtest/gtest.h>

#include <chrono>

#include "tests/connectors/kafka/kafka_rig.h"

namespace anabranch {
namespace {

double SecondsOf(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

Status OpenSource(const std::string& topic, const ClientOptions& options) {
  TestLane lane(MakeSourceProgram({topic}, [&](KafkaSourceSettings& s) { s.options = options; }), "unreachable");
  return lane.source->Open();
}

TEST(KafkaUnreachable, NamesTheCommandThatMakesAMissingTopic) {
  Status opened;
  const double seconds = SecondsOf([&] { opened = OpenSource("no.such.topic", TestOptions()); });
  EXPECT_EQ(opened.code(), Code::kUnavailable);
  EXPECT_NE(opened.message().find("kafka-topics.sh --bootstrap-server " + TestBroker::servers() +
                                  " --create --topic no.such.topic"),
            std::string::npos)
      << opened.message();
  EXPECT_LT(seconds, 10);
}

TEST(KafkaUnreachable, NamesTheMissingTopicOfATarget) {
  const std::string in = TestBroker::MakeTopic("there", 1);
  TestLane lane(MakeSourceProgram({in}), "missing-target");
  ASSERT_TRUE(lane.source->Open().ok());
  const auto committer = lane.OpenCommitter({MakeTargetProgram("no.such.target")});
  EXPECT_EQ(committer.status().code(), Code::kUnavailable);
  EXPECT_NE(committer.status().message().find("--create --topic no.such.target"), std::string::npos);
}

TEST(KafkaUnreachable, NamesBrokersAndCauseWhenNobodyListens) {
  Status opened;
  const double seconds = SecondsOf([&] { opened = OpenSource("any", TestOptions("127.0.0.1:1")); });
  EXPECT_EQ(opened.code(), Code::kUnavailable);
  EXPECT_NE(opened.message().find("127.0.0.1:1"), std::string::npos) << opened.message();
  EXPECT_NE(opened.message().find("refused"), std::string::npos) << opened.message();
  EXPECT_LT(seconds, 15);
}

TEST(KafkaUnreachable, TellsThatTheLogInWasRefused) {
  Status opened;
  const double seconds = SecondsOf([&] {
    opened = OpenSource("any", TestOptions(TestBroker::sasl_servers(), {{"security.protocol", "sasl_plaintext"},
                                                                        {"sasl.mechanism", "PLAIN"},
                                                                        {"sasl.username", "alice"},
                                                                        {"sasl.password", "hunter2-secret"}}));
  });
  EXPECT_EQ(opened.code(), Code::kUnavailable);
  EXPECT_NE(opened.message().find("\"sasl.mechanism\" PLAIN was refused"), std::string::npos) << opened.message();
  EXPECT_NE(opened.message().find("sasl.password"), std::string::npos) << opened.message();
  EXPECT_EQ(opened.message().find("hunter2"), std::string::npos) << opened.message();
  EXPECT_LT(seconds, 8);
}

TEST(KafkaUnreachable, TellsThatTheMechanismIsNotOffered) {
  const Status opened =
      OpenSource("any", TestOptions(TestBroker::sasl_servers(), {{"security.protocol", "sasl_plaintext"},
                                                                 {"sasl.mechanism", "SCRAM-SHA-256"},
                                                                 {"sasl.username", "alice"},
                                                                 {"sasl.password", "wonderland"}}));
  EXPECT_EQ(opened.code(), Code::kUnavailable);
  EXPECT_NE(opened.message().find("SCRAM-SHA-256"), std::string::npos) << opened.message();
}

TEST(KafkaUnreachable, LogsInWithTheRightPassword) {
  const std::string topic = TestBroker::MakeTopic("sasl", 1);
  const Status opened =
      OpenSource(topic, TestOptions(TestBroker::sasl_servers(), {{"security.protocol", "sasl_plaintext"},
                                                                 {"sasl.mechanism", "PLAIN"},
                                                                 {"sasl.username", "alice"},
                                                                 {"sasl.password", "wonderland"}}));
  EXPECT_TRUE(opened.ok()) << opened.message();
}

TEST(KafkaUnreachable, DoesNotHangWhenThePlainListenerIsAskedForALogIn) {
  Status opened;
  const double seconds = SecondsOf(
      [&] { opened = OpenSource("any", TestOptions(TestBroker::servers(), {{"security.protocol", "ssl"}})); });
  EXPECT_EQ(opened.code(), Code::kUnavailable);
  EXPECT_NE(opened.message().find("security.protocol"), std::string::npos) << opened.message();
  EXPECT_LT(seconds, 15);
}

}  // namespace
}  // namespace anabranch
