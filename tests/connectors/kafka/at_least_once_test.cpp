#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <chrono>
#include <future>
#include <thread>

#include "tests/connectors/kafka/file_rows.h"
#include "tests/connectors/kafka/kafka_rig.h"

namespace anabranch {
namespace {

TEST(KafkaAtLeastOnce, WritesTheHeadersThatTheTargetAsksFor) {
  using Headers = std::vector<std::pair<std::string, std::optional<std::string>>>;
  const std::pair<ResultHeaders, Headers> cases[] = {
      {ResultHeaders::kAll,
       {{"anabranch.id", "file:in/0/0/out"}, {"anabranch.topology", "t@h"}, {"anabranch.models", "m@1"}}},
      {ResultHeaders::kId, {{"anabranch.id", "file:in/0/0/out"}}},
      {ResultHeaders::kNone, {}}};
  for (const auto& [asked, expected] : cases) {
    const std::string out = TestBroker::MakeTopic("headers", 1);
    TestLane lane(std::make_shared<FileProgram>("headers.jsonl"), "headers");
    lane.context.delivery = Delivery::kAtLeastOnce;
    KafkaTargetProgram::Settings settings;
    settings.options = TestOptions();
    settings.topic = out;
    settings.node_id = "out";
    settings.envelope = "raw";
    settings.headers = asked;
    const auto program = std::make_shared<KafkaTargetProgram>(settings);
    auto committer = lane.OpenCommitter({program});
    ASSERT_TRUE(committer.ok()) << committer.status().message();
    EncodedBatch batch = FileRows(0, 20);
    batch.targets[0].Clear();
    RecordBatch rows;
    rows.Clear(0, 1);
    rows.AddRow(0, 0, 5, "k", true, "v");
    rows.PrepareStages();
    rows.stages[0].outcome[0] = Outcome::kOk;  // the model scored it
    const std::vector<uint8_t> active = {1};
    ASSERT_TRUE(program->MakeEncoder({"t@h", {{0, "m@1"}}})->Encode(rows, active, &batch.targets[0]).ok());
    ASSERT_TRUE((*committer)->Write(batch).ok());
    ASSERT_TRUE((*committer)->Commit(EndOf(batch)).ok());
    const std::vector<TestRecord> records = ReadAll(out);
    ASSERT_EQ(records.size(), 1u);
    EXPECT_EQ(records[0].headers, expected);
  }
}

TEST(KafkaAtLeastOnce, DeliversAndLeavesThePositionsToWhoeverComesAfterAllTargets) {
  const std::string in = TestBroker::MakeTopic("alo.in", 1);
  const std::string out = TestBroker::MakeTopic("alo.out", 2);
  WriteNumbered(in, 10, 1);
  TestLane lane(MakeSourceProgram({in}), "alo");
  lane.context.delivery = Delivery::kAtLeastOnce;
  ASSERT_TRUE(lane.source->Open().ok());
  auto committer = lane.OpenCommitter({MakeTargetProgram(out)});
  ASSERT_TRUE(committer.ok());
  EXPECT_FALSE((*committer)->CarriesPositions());
  ASSERT_TRUE(lane.Run(SIZE_MAX).ok());
  const EncodedBatch batch = lane.TakeEncoded();
  ASSERT_TRUE((*committer)->Write(batch).ok());
  const Status committed = (*committer)->Commit(EndOf(batch));
  ASSERT_TRUE(committed.ok()) << committed.message();
  EXPECT_EQ(ReadAll(out).size(), 10u);
  EXPECT_EQ(StoredOffset("anabranch.alo", in, 0), -1);
}

TEST(KafkaAtLeastOnce, SendsWithoutACommitAndKeepsToALingerThatIsSet) {
  const std::string in = TestBroker::MakeTopic("linger.in", 1);
  WriteNumbered(in, 10, 1);
  for (const bool lingers : {false, true}) {
    const std::string out = TestBroker::MakeTopic("linger.out", 1);
    TestLane lane(MakeSourceProgram({in}), lingers ? "linger" : "at-once");
    lane.context.delivery = Delivery::kAtLeastOnce;
    ASSERT_TRUE(lane.source->Open().ok());
    KafkaTargetProgram::Settings settings;
    std::vector<std::pair<std::string, std::string>> more;
    if (lingers) more.emplace_back("linger.ms", "60000");
    settings.options = TestOptions(TestBroker::servers(), more);
    settings.topic = out;
    auto committer = lane.OpenCommitter({std::make_shared<KafkaTargetProgram>(settings)});
    ASSERT_TRUE(committer.ok()) << committer.status().message();
    EXPECT_FALSE((*committer)->ShowsAtCommit());
    ASSERT_TRUE(lane.Run(SIZE_MAX).ok());
    const EncodedBatch batch = lane.TakeEncoded();
    ASSERT_TRUE((*committer)->Write(batch).ok());
    (*committer)->SendNow();
    if (lingers) {
      std::this_thread::sleep_for(std::chrono::milliseconds(500));  // real time, in which nothing is sent
    } else {
      AwaitWritten(out, 10);
    }
    EXPECT_EQ(ReadAll(out).size(), lingers ? 0u : 10u);
    ASSERT_TRUE((*committer)->Commit(EndOf(batch)).ok());  // never waits for a linger
    EXPECT_EQ(ReadAll(out).size(), 10u);
  }
}

// A cluster that can be taken away on command.
class MockCluster {
 public:
  MockCluster() {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "test.mock.num.brokers", "1", nullptr, 0);
    owner_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, nullptr, 0);
    cluster_ = rd_kafka_handle_mock_cluster(owner_);
    rd_kafka_mock_topic_create(cluster_, "out", 1, 1);
  }
  ~MockCluster() { rd_kafka_destroy(owner_); }
  std::string servers() const { return rd_kafka_mock_cluster_bootstraps(cluster_); }
  void Down() { rd_kafka_mock_broker_set_down(cluster_, 1); }
  void Up() { rd_kafka_mock_broker_set_up(cluster_, 1); }

 private:
  rd_kafka_t* owner_;
  rd_kafka_mock_cluster_t* cluster_;
};

TEST(KafkaAtLeastOnce, LetsGoOfATargetThatIsAwayWhenItIsInterrupted) {
  MockCluster cluster;
  TestLane lane(std::make_shared<FileProgram>("rows.jsonl"), "alo.away");
  lane.context.delivery = Delivery::kAtLeastOnce;
  auto committer = lane.OpenCommitter({MakeTargetProgram("out", "out", "", cluster.servers())});
  ASSERT_TRUE(committer.ok()) << committer.status().message();
  const EncodedBatch batch = FileRows(0, 10);
  cluster.Down();
  ASSERT_TRUE((*committer)->Write(batch).ok());
  auto commit = std::async(std::launch::async, [&] { return (*committer)->Commit(EndOf(batch)); });
  ASSERT_EQ(commit.wait_for(std::chrono::seconds(1)), std::future_status::timeout);
  (*committer)->Interrupt();
  ASSERT_EQ(commit.wait_for(std::chrono::seconds(5)), std::future_status::ready);
  EXPECT_EQ(commit.get().code(), Code::kRetry);
  (*committer)->Resume();
  ASSERT_TRUE((*committer)->Abort().ok());

  ASSERT_TRUE((*committer)->Write(batch).ok());
  auto abort = std::async(std::launch::async, [&] { return (*committer)->Abort(); });
  ASSERT_EQ(abort.wait_for(std::chrono::seconds(5)), std::future_status::ready) << "rows of others are waited for";

  cluster.Up();
  ASSERT_TRUE((*committer)->Write(batch).ok());
  EXPECT_TRUE((*committer)->Commit(EndOf(batch)).ok());
}

}  // namespace
}  // namespace anabranch
