#include "tests/connectors/kafka/kafka_rig.h"

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "engine/clock.h"
#include "engine/testing/eventually.h"

namespace anabranch {

namespace {

constexpr int kWaitMs = 20'000;

// Starts on the first use, ends with the program's tests.
class Broker : public testing::Environment {
 public:
  void Start() {
    if (!plain_.empty()) return;
    char folder[] = "/tmp/anabranch-kafka-XXXXXX";
    if (mkdtemp(folder) == nullptr) Fail("no temporary folder");
    folder_ = folder;
    std::string command = script() + " start " + folder_ + "/broker --brief --heap 512m --listener SASL=SASL_PLAINTEXT";
    for (const std::string property :
         {"sasl.enabled.mechanisms=PLAIN",
          "listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule "
          "required user_alice=\"wonderland\";"}) {
      command += " --property '" + property + "'";
    }
    if (std::system((command + " >" + folder_ + "/out 2>&1").c_str()) != 0) Fail(Contents(folder_ + "/out"));
    plain_ = Contents(folder_ + "/broker/bootstrap");
    sasl_ = Contents(folder_ + "/broker/listener.SASL");
  }
  void TearDown() override {
    if (folder_.empty()) return;
    EXPECT_EQ(std::system((script() + " stop " + folder_ + "/broker >/dev/null 2>&1").c_str()), 0);
    std::filesystem::remove_all(folder_);
  }
  const std::string& plain() const { return plain_; }
  const std::string& sasl() const { return sasl_; }

 private:
  // Without the newline at its end.
  static std::string Contents(const std::string& path) {
    std::ifstream in(path);
    std::string text(std::istreambuf_iterator<char>(in), {});
    if (text.ends_with('\n')) text.pop_back();
    return text;
  }
  static std::string script() { return std::string(ANABRANCH_ROOT) + "/tests/setup/broker"; }
  [[noreturn]] static void Fail(const std::string& why) {
    fprintf(stderr, "[  FAILED  ] the broker did not start: %s\n", why.c_str());
    std::_Exit(1);
  }

  std::string folder_, plain_, sasl_;
};

Broker* broker = static_cast<Broker*>(testing::AddGlobalTestEnvironment(new Broker));

struct ClientDeleter {
  void operator()(rd_kafka_t* client) const { rd_kafka_destroy(client); }
};
using Client = std::unique_ptr<rd_kafka_t, ClientDeleter>;

Client MakeClient(rd_kafka_type_t type, std::vector<std::pair<std::string, std::string>> settings) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  settings.emplace_back("bootstrap.servers", TestBroker::servers());
  char text[512];
  for (const auto& [name, value] : settings) {
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), text, sizeof text) != RD_KAFKA_CONF_OK)
      ADD_FAILURE() << text;
  }
  return Client(rd_kafka_new(type, conf, text, sizeof text));
}

std::vector<int> Partitions(rd_kafka_t* client, const std::string& topic) {
  rd_kafka_topic_t* handle = rd_kafka_topic_new(client, topic.c_str(), nullptr);
  const rd_kafka_metadata_t* metadata = nullptr;
  std::vector<int> partitions;
  EXPECT_EQ(rd_kafka_metadata(client, 0, handle, &metadata, kWaitMs), 0);
  for (int i = 0; i < metadata->topics[0].partition_cnt; ++i) partitions.push_back(i);
  rd_kafka_metadata_destroy(metadata);
  rd_kafka_topic_destroy(handle);
  return partitions;
}

// How many partitions of a topic have a leader.
int Leaders(rd_kafka_t* client, const std::string& topic) {
  rd_kafka_topic_t* handle = rd_kafka_topic_new(client, topic.c_str(), nullptr);
  const rd_kafka_metadata_t* metadata = nullptr;
  int found = 0;
  if (rd_kafka_metadata(client, 0, handle, &metadata, kWaitMs) == 0) {
    for (int i = 0; i < metadata->topics[0].partition_cnt; ++i) found += metadata->topics[0].partitions[i].leader >= 0;
    rd_kafka_metadata_destroy(metadata);
  }
  rd_kafka_topic_destroy(handle);
  return found;
}

TestRecord Copy(const rd_kafka_message_t& message) {
  TestRecord record;
  if (message.key != nullptr) record.key.emplace(static_cast<const char*>(message.key), message.key_len);
  if (message.payload != nullptr) record.value.emplace(static_cast<const char*>(message.payload), message.len);
  record.partition = message.partition;
  record.offset = message.offset;
  rd_kafka_timestamp_type_t type;
  record.timestamp_ms = rd_kafka_message_timestamp(&message, &type);
  rd_kafka_headers_t* headers;
  if (rd_kafka_message_headers(&message, &headers) == 0) {
    const char* name;
    const void* value;
    size_t size;
    for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == 0; ++i) {
      record.headers.emplace_back(
          name, value == nullptr ? std::nullopt : std::optional(std::string(static_cast<const char*>(value), size)));
    }
  }
  return record;
}

}  // namespace

const std::string& TestBroker::servers() {
  broker->Start();
  return broker->plain();
}

const std::string& TestBroker::sasl_servers() {
  broker->Start();
  return broker->sasl();
}

std::string TestBroker::MakeTopic(const std::string& stem, int partitions) {
  static std::atomic<int> counter{0};
  const std::string name = stem + "." + std::to_string(++counter);
  const Client client = MakeClient(RD_KAFKA_PRODUCER, {});
  rd_kafka_queue_t* queue = rd_kafka_queue_new(client.get());
  char text[256];
  rd_kafka_NewTopic_t* topic = rd_kafka_NewTopic_new(name.c_str(), partitions, 1, text, sizeof text);
  rd_kafka_CreateTopics(client.get(), &topic, 1, nullptr, queue);
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, kWaitMs);
  EXPECT_TRUE(event != nullptr && rd_kafka_event_error(event) == 0) << rd_kafka_event_error_string(event);
  rd_kafka_event_destroy(event);
  rd_kafka_NewTopic_destroy(topic);
  rd_kafka_queue_destroy(queue);
  // A topic is made before the broker tells of it.
  EXPECT_TRUE(
      Eventually([&] { return Leaders(client.get(), name) == partitions; }, std::chrono::milliseconds(kWaitMs)));
  return name;
}

void TestBroker::DeleteRecordsBefore(const std::string& topic, int partition, int64_t offset) {
  const Client client = MakeClient(RD_KAFKA_PRODUCER, {});
  rd_kafka_queue_t* queue = rd_kafka_queue_new(client.get());
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(list, topic.c_str(), partition)->offset = offset;
  rd_kafka_DeleteRecords_t* request = rd_kafka_DeleteRecords_new(list);
  rd_kafka_DeleteRecords(client.get(), &request, 1, nullptr, queue);
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, kWaitMs);
  EXPECT_TRUE(event != nullptr && rd_kafka_event_error(event) == 0) << rd_kafka_event_error_string(event);
  rd_kafka_event_destroy(event);
  rd_kafka_DeleteRecords_destroy(request);
  rd_kafka_topic_partition_list_destroy(list);
  rd_kafka_queue_destroy(queue);
}

std::string TestRecord::Header(const std::string& name) const {
  std::string found;
  for (const auto& [header, text] : headers) {
    if (header == name) found = text.value_or("(null)");
  }
  return found;
}

void WriteRecords(const std::string& topic, const std::vector<TestRecord>& records) {
  const Client client = MakeClient(RD_KAFKA_PRODUCER, {{"acks", "all"}, {"linger.ms", "5"}});
  for (const TestRecord& record : records) {
    rd_kafka_headers_t* headers = rd_kafka_headers_new(4);
    for (const auto& [name, text] : record.headers) {
      rd_kafka_header_add(headers, name.c_str(), -1, text ? text->data() : nullptr,
                          text ? static_cast<ssize_t>(text->size()) : 0);
    }
    const char* key = record.key ? record.key->data() : nullptr;
    const size_t key_size = record.key ? record.key->size() : 0;
    char* value = record.value ? const_cast<char*>(record.value->data()) : nullptr;
    const size_t value_size = record.value ? record.value->size() : 0;
    EXPECT_EQ(rd_kafka_producev(client.get(), RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                RD_KAFKA_V_PARTITION(record.partition), RD_KAFKA_V_KEY(key, key_size),
                                RD_KAFKA_V_VALUE(value, value_size), RD_KAFKA_V_TIMESTAMP(record.timestamp_ms),
                                RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END),
              0);
  }
  EXPECT_EQ(rd_kafka_flush(client.get(), kWaitMs), 0);
}

void WriteNumbered(const std::string& topic, int n, int partitions, int from) {
  std::vector<TestRecord> records;
  for (int i = from; i < from + n; ++i) {
    TestRecord record;
    record.key = "k" + std::to_string(i);
    record.value = "v" + std::to_string(i);
    record.partition = i % partitions;
    records.push_back(record);
  }
  WriteRecords(topic, records);
}

namespace {

// A broker answers the end of a transaction before its partitions hear of it: gives them a little time. Where one is
// left open on purpose, that time is lost.
void AwaitEndedTransactions(rd_kafka_t* committed, const std::string& topic, const std::vector<int>& partitions) {
  const Client all = MakeClient(RD_KAFKA_CONSUMER, {{"isolation.level", "read_uncommitted"}});
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  for (const int partition : partitions) {
    int64_t low = 0, written = 0, stable = -1;
    rd_kafka_query_watermark_offsets(all.get(), topic.c_str(), partition, &low, &written, kWaitMs);
    const auto ended = [&] {
      rd_kafka_query_watermark_offsets(committed, topic.c_str(), partition, &low, &stable, kWaitMs);
      return stable >= written;
    };
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    Eventually(ended, left);
  }
}

}  // namespace

std::vector<TestRecord> ReadAll(const std::string& topic, bool committed_only) {
  const Client client =
      MakeClient(RD_KAFKA_CONSUMER, {{"group.id", "reader"},
                                     {"enable.auto.commit", "false"},
                                     {"enable.partition.eof", "true"},
                                     {"fetch.wait.max.ms", "20"},
                                     {"isolation.level", committed_only ? "read_committed" : "read_uncommitted"}});
  const std::vector<int> partitions = Partitions(client.get(), topic);
  if (committed_only) AwaitEndedTransactions(client.get(), topic, partitions);
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(8);
  for (const int partition : partitions) {
    rd_kafka_topic_partition_list_add(list, topic.c_str(), partition)->offset = RD_KAFKA_OFFSET_BEGINNING;
  }
  rd_kafka_assign(client.get(), list);
  rd_kafka_topic_partition_list_destroy(list);
  std::vector<TestRecord> records;
  size_t ended = 0;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kWaitMs);
  while (ended < partitions.size() && std::chrono::steady_clock::now() < deadline) {
    rd_kafka_message_t* message = rd_kafka_consumer_poll(client.get(), 100);
    if (message == nullptr) continue;
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      ++ended;
    } else if (message->err == 0) {
      records.push_back(Copy(*message));
    }
    rd_kafka_message_destroy(message);
  }
  EXPECT_EQ(ended, partitions.size()) << "the reader did not reach the end of " << topic;
  std::sort(records.begin(), records.end(), [](const TestRecord& a, const TestRecord& b) {
    return std::pair(a.partition, a.offset) < std::pair(b.partition, b.offset);
  });
  return records;
}

void AwaitWritten(const std::string& topic, size_t count) {
  EXPECT_TRUE(Eventually([&] { return ReadAll(topic, false).size() >= count; }, std::chrono::milliseconds(kWaitMs)));
}

int64_t StoredOffset(const std::string& group, const std::string& topic, int partition, std::string* metadata) {
  const Client client = MakeClient(RD_KAFKA_CONSUMER, {{"group.id", group}, {"isolation.level", "read_committed"}});
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(1);
  const rd_kafka_topic_partition_t* element = rd_kafka_topic_partition_list_add(list, topic.c_str(), partition);
  EXPECT_EQ(rd_kafka_committed(client.get(), list, kWaitMs), 0);
  const int64_t offset = element->offset < 0 ? -1 : element->offset;
  if (metadata != nullptr) metadata->assign(static_cast<const char*>(element->metadata), element->metadata_size);
  rd_kafka_topic_partition_list_destroy(list);
  return offset;
}

void LeaveTransactionOpen(const std::string& group, const std::string& topic, int partition, int64_t offset,
                          int timeout_ms) {
  const Client client = MakeClient(RD_KAFKA_PRODUCER, {{"transactional.id", "orphan." + group},
                                                       {"transaction.timeout.ms", std::to_string(timeout_ms)},
                                                       {"message.timeout.ms", std::to_string(timeout_ms)}});
  EXPECT_EQ(rd_kafka_init_transactions(client.get(), kWaitMs), nullptr);
  EXPECT_EQ(rd_kafka_begin_transaction(client.get()), nullptr);
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(list, topic.c_str(), partition)->offset = offset;
  rd_kafka_consumer_group_metadata_t* metadata = rd_kafka_consumer_group_metadata_new(group.c_str());
  EXPECT_EQ(rd_kafka_send_offsets_to_transaction(client.get(), list, metadata, kWaitMs), nullptr);
  rd_kafka_consumer_group_metadata_destroy(metadata);
  rd_kafka_topic_partition_list_destroy(list);
}

ClientOptions TestOptions(const std::string& servers, std::vector<std::pair<std::string, std::string>> more) {
  ClientOptions options;
  options.connection = "main";
  options.properties.push_back({"bootstrap.servers", servers, PropertyScope::kConnection});
  for (auto& [name, value] : more) {
    PropertyScope scope = PropertyScope::kClient;
    for (const PropertyRule& rule : AllowedProperties()) {
      if (name == rule.name) scope = rule.scope;
    }
    options.properties.push_back({name, value, scope});
  }
  return options;
}

std::shared_ptr<KafkaSourceProgram> MakeSourceProgram(std::vector<std::string> topics,
                                                      std::function<void(KafkaSourceSettings&)> change) {
  auto settings = std::make_shared<KafkaSourceSettings>();
  settings->topics = std::move(topics);
  settings->start.kind = PositionRule::Kind::kEarliest;
  if (change) change(*settings);
  if (settings->options.properties.empty()) settings->options = TestOptions();
  return std::make_shared<KafkaSourceProgram>(std::move(settings));
}

std::shared_ptr<KafkaTargetProgram> MakeTargetProgram(const std::string& topic, const std::string& node,
                                                      const std::string& envelope, const std::string& servers) {
  KafkaTargetProgram::Settings settings;
  settings.options = TestOptions(servers);
  settings.topic = topic;
  settings.node_id = node;
  settings.envelope = envelope;
  return std::make_shared<KafkaTargetProgram>(std::move(settings));
}

TestLane::TestLane(std::shared_ptr<SourceProgram> source_program, const std::string& topology, int lane, bool once)
    : program(std::move(source_program)) {
  context.topology = topology;
  context.lane = lane;
  context.once = once;
  context.source_id = "in";
  context.partitions = &table;
  context.cancel = &cancel;
  context.warn = [this](const std::string& line) {
    const std::lock_guard lock(mutex);
    warnings.push_back(line);
  };
  source = std::move(program->OpenLane(context)).value();
}

TestLane::~TestLane() { source->Close(); }

Result<SourceEvent> TestLane::Step(double wait_seconds) {
  RecordBatch batch;
  batch.Clear(0, 0);
  const BatchLimits limits;
  ASSIGN_OR_RETURN(const SourceEvent event, source->Poll(batch, limits, static_cast<int64_t>(wait_seconds * 1e9)));
  if (encoded_.targets.empty()) encoded_.Clear(1);
  EncodedRows& out = encoded_.targets[0];
  for (uint32_t i = 0; i < batch.rows(); ++i) {
    const SourcePartition& from = table.at(batch.partition[i]);
    rows.push_back({from.topic + "/" + std::to_string(from.partition), batch.offset[i], std::string(batch.key[i]),
                    std::string(batch.payload[i])});
    EncodedRows::Row row;
    row.partition = batch.partition[i];
    row.offset = batch.offset[i];
    row.timestamp_ms = batch.timestamp_ms[i];
    row.key = static_cast<uint32_t>(out.bytes.size());
    row.key_size = static_cast<uint32_t>(batch.key[i].size());
    out.bytes.append(batch.key[i]);
    row.value = static_cast<uint32_t>(out.bytes.size());
    out.bytes.append("out:").append(batch.payload[i]);
    row.value_size = static_cast<uint32_t>(out.bytes.size()) - row.value;
    out.rows.push_back(row);
  }
  encoded_.positions.insert(encoded_.positions.end(), batch.positions.begin(), batch.positions.end());
  if (event != SourceEvent::kRows && event != SourceEvent::kIdle) events.push_back(event);
  if (event == SourceEvent::kAssigned) {
    owned = source->partitions();
    ASSIGN_OR_RETURN(const std::vector<int64_t> stored, source->StoredPositions(owned));
    RETURN_IF_ERROR(source->Assign(owned, stored));
  } else if (event == SourceEvent::kRevoked || event == SourceEvent::kLost) {
    owned.clear();
    RETURN_IF_ERROR(source->Release());
  }
  batch.Clear(0, 0);
  return event;
}

Status TestLane::Run(size_t wanted, double seconds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (rows.size() < wanted && std::chrono::steady_clock::now() < deadline) {
    ASSIGN_OR_RETURN(const SourceEvent event, Step());
    if (event == SourceEvent::kEnd) return Status::Ok();
  }
  if (rows.size() >= wanted) return Status::Ok();
  return {Code::kTimedOut, "only " + std::to_string(rows.size()) + " rows came"};
}

EncodedBatch TestLane::TakeEncoded() {
  EncodedBatch taken = std::move(encoded_);
  // Merged: one range per partition.
  std::map<PartitionId, PositionRange> merged;
  for (const PositionRange& range : taken.positions) {
    const auto [at, fresh] = merged.emplace(range.partition, range);
    if (!fresh) {
      EXPECT_EQ(at->second.next, range.first) << "positions do not tile";
      at->second.next = range.next;
    }
  }
  taken.positions.clear();
  for (const auto& [id, range] : merged) taken.positions.push_back(range);
  encoded_ = EncodedBatch();
  return taken;
}

Result<std::unique_ptr<Committer>> TestLane::OpenCommitter(std::vector<std::shared_ptr<KafkaTargetProgram>> targets) {
  KafkaTargets list;
  for (size_t i = 0; i < targets.size(); ++i) list.emplace_back(TargetId(i), targets[i].get());
  kept = std::move(targets);
  ASSIGN_OR_RETURN(std::unique_ptr<Committer> committer,
                   OpenKafkaCommitter(context, std::move(list), *program, *source));
  RETURN_IF_ERROR(committer->Open());
  return committer;
}

EpochEnd EndOf(const EncodedBatch& batch) { return {.epoch = 1, .positions = batch.positions}; }

}  // namespace anabranch
