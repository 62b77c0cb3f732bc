#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "connectors/kafka/kafka_committer.h"
#include "connectors/kafka/kafka_source.h"
#include "connectors/kafka/kafka_target.h"
#include "engine/connector.h"
#include "engine/lane_context.h"

namespace anabranch {

// The broker of this test program: started before the first test that asks, stopped at the end. It listens
// without a log-in at servers() and with SASL PLAIN (alice / wonderland) at sasl_servers().
// A test that cannot have it fails.
class TestBroker {
 public:
  static const std::string& servers();
  static const std::string& sasl_servers();
  // Makes a topic with a name of its own: `stem` and a number.
  static std::string MakeTopic(const std::string& stem, int partitions);
  static void DeleteRecordsBefore(const std::string& topic, int partition, int64_t offset);
};

// A record as an independent client writes and reads it.
struct TestRecord {
  std::optional<std::string> key = std::nullopt;
  std::optional<std::string> value = std::nullopt;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers = {};
  int64_t timestamp_ms = 0;
  int partition = -1;  // writing: -1 = by key
  int64_t offset = -1;

  std::string Header(const std::string& name) const;  // the last of that name; empty when there is none
};

void WriteRecords(const std::string& topic, const std::vector<TestRecord>& records);
// n records "v0"… with keys "k0"…, spread over `partitions`.
void WriteNumbered(const std::string& topic, int n, int partitions, int from = 0);
// All of a topic, by partition and offset, by a client that shares no code with the connector.
std::vector<TestRecord> ReadAll(const std::string& topic, bool committed_only = true);
// Waits until that many records are in the topic, committed or not.
void AwaitWritten(const std::string& topic, size_t count);
// The group's position of a partition; -1 when none is stored. `metadata` gets what was stored with it.
int64_t StoredOffset(const std::string& group, const std::string& topic, int partition,
                     std::string* metadata = nullptr);

// A process that dies between sending the group's position and ending the transaction: until the broker ends it,
// nobody reads the position.
void LeaveTransactionOpen(const std::string& group, const std::string& topic, int partition, int64_t offset,
                          int timeout_ms);

ClientOptions TestOptions(const std::string& servers = TestBroker::servers(),
                          std::vector<std::pair<std::string, std::string>> more = {});
std::shared_ptr<KafkaSourceProgram> MakeSourceProgram(std::vector<std::string> topics,
                                                      std::function<void(KafkaSourceSettings&)> change = {});
std::shared_ptr<KafkaTargetProgram> MakeTargetProgram(const std::string& topic, const std::string& node = "out",
                                                      const std::string& envelope = "",
                                                      const std::string& servers = TestBroker::servers());

// One lane with what the engine gives it, driven by hand.
class TestLane {
 public:
  struct Row {
    std::string source;  // "topic/partition"
    int64_t offset;
    std::string key, value;
    bool operator==(const Row&) const = default;
  };

  TestLane(std::shared_ptr<SourceProgram> source_program, const std::string& topology, int lane = 0, bool once = true);
  ~TestLane();

  KafkaSource& kafka() { return static_cast<KafkaSource&>(*source); }
  // Polls until `rows` rows came, the end, or the deadline; answers assignments with the stored positions.
  Status Run(size_t rows, double seconds = 20);
  // One poll; assignments and releases are answered.
  Result<SourceEvent> Step(double wait_seconds = 0.1);
  // Rows taken since the last call, as results for target 0: key kept, value "out:" + value.
  EncodedBatch TakeEncoded();
  Result<std::unique_ptr<Committer>> OpenCommitter(std::vector<std::shared_ptr<KafkaTargetProgram>> targets);

  LaneContext context;
  SourceTable table;
  CancelToken cancel;
  std::mutex mutex;
  std::vector<std::string> warnings;  // guarded by mutex
  std::shared_ptr<SourceProgram> program;
  std::unique_ptr<Source> source;
  std::vector<Row> rows;
  std::vector<SourceEvent> events;  // other than rows and idle
  std::vector<PartitionId> owned;
  std::vector<std::shared_ptr<KafkaTargetProgram>> kept;

 private:
  EncodedBatch encoded_;
};

EpochEnd EndOf(const EncodedBatch& batch);

}  // namespace anabranch
