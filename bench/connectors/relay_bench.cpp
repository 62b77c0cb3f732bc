// Kafka in, Kafka out on a real broker: a bare librdkafka relay (poll one by one, produce) against our source,
// encoder and committer. Prints CPU per record of this process (client threads included) and the ratio; the broker
// runs apart. Variants alternate; median and range over the rounds.
//
//   relay_bench [RECORDS [ROUNDS]]
#include <librdkafka/rdkafka.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "connectors/kafka/kafka_committer.h"
#include "connectors/kafka/kafka_source.h"
#include "connectors/kafka/kafka_target.h"
#include "engine/clock.h"

namespace anabranch {
namespace {

constexpr int kPartitions = 4;
constexpr size_t kEpochRows = 20'000;
std::string servers;

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "relay_bench: %s\n", why.c_str());
  std::exit(1);
}

void Must(const Status& status) {
  if (!status.ok()) Die(status.message());
}

double CpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

rd_kafka_t* MakeClient(rd_kafka_type_t type, std::vector<std::pair<std::string, std::string>> settings) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  settings.emplace_back("bootstrap.servers", servers);
  char text[512];
  for (const auto& [name, value] : settings) {
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), text, sizeof text) != RD_KAFKA_CONF_OK) Die(text);
  }
  rd_kafka_t* client = rd_kafka_new(type, conf, text, sizeof text);
  return client != nullptr ? client : (Die(text), nullptr);
}

rd_kafka_t* MakeProducer() {
  return MakeClient(RD_KAFKA_PRODUCER, {{"enable.idempotence", "true"},
                                        {"linger.ms", "5"},
                                        {"queue.buffering.max.messages", "1000000"},
                                        {"delivery.report.only.error", "true"},
                                        {"partitioner", "murmur2_random"},
                                        {"socket.nagle.disable", "true"}});
}

void MakeTopic(const std::string& name) {
  rd_kafka_t* client = MakeClient(RD_KAFKA_PRODUCER, {});
  rd_kafka_queue_t* queue = rd_kafka_queue_new(client);
  char text[256];
  rd_kafka_NewTopic_t* topic = rd_kafka_NewTopic_new(name.c_str(), kPartitions, 1, text, sizeof text);
  rd_kafka_CreateTopics(client, &topic, 1, nullptr, queue);
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, 20'000);
  if (event == nullptr || rd_kafka_event_error(event) != 0) Die("topic " + name + " cannot be made");
  rd_kafka_event_destroy(event);
  rd_kafka_NewTopic_destroy(topic);
  rd_kafka_queue_destroy(queue);
  rd_kafka_destroy(client);
}

void FillTopic(const std::string& name, int records) {
  rd_kafka_t* client = MakeProducer();
  const std::string value(200, 'v');
  for (int i = 0; i < records; ++i) {
    char key[16];
    const size_t key_size = static_cast<size_t>(std::snprintf(key, sizeof key, "key-%08d", i));
    while (rd_kafka_producev(client, RD_KAFKA_V_TOPIC(name.c_str()), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                             RD_KAFKA_V_KEY(key, key_size),
                             RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()),
                             RD_KAFKA_V_END) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      rd_kafka_poll(client, 10);
    }
  }
  if (rd_kafka_flush(client, 60'000) != 0) Die("the input could not be written");
  rd_kafka_destroy(client);
}

// Poll one, produce one; with the headers that results carry, or with none.
void BareRelay(const std::string& in, const std::string& out, int records, bool headers) {
  rd_kafka_t* consumer = MakeClient(RD_KAFKA_CONSUMER, {{"group.id", "bare." + out},
                                                        {"enable.auto.commit", "false"},
                                                        {"check.crcs", "true"},
                                                        {"fetch.wait.max.ms", "100"},
                                                        {"isolation.level", "read_committed"}});
  rd_kafka_t* producer = MakeProducer();
  rd_kafka_topic_t* topic = rd_kafka_topic_new(producer, out.c_str(), nullptr);
  rd_kafka_poll_set_consumer(consumer);
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(kPartitions);
  for (int i = 0; i < kPartitions; ++i) rd_kafka_topic_partition_list_add(list, in.c_str(), i)->offset = 0;
  rd_kafka_assign(consumer, list);
  rd_kafka_topic_partition_list_destroy(list);
  std::deque<rd_kafka_message_t*> held;
  for (int done = 0; done < records;) {
    rd_kafka_message_t* message = rd_kafka_consumer_poll(consumer, 1000);
    if (message == nullptr) continue;
    if (message->err != 0) Die(rd_kafka_message_errstr(message));
    rd_kafka_headers_t* list_of_headers = nullptr;
    if (headers) {
      char id[64];
      const int size = std::snprintf(id, sizeof id, "%s/%d/%lld/out", in.c_str(), message->partition,
                                     static_cast<long long>(message->offset));
      list_of_headers = rd_kafka_headers_new(8);
      rd_kafka_header_add(list_of_headers, "anabranch.id", 12, id, size);
      rd_kafka_header_add(list_of_headers, "anabranch.topology", 18, "relay@0123456789abcdef", 22);
      rd_kafka_header_add(list_of_headers, "anabranch.models", 16, "model@1", 7);
    }
    rd_kafka_timestamp_type_t type;
    const int64_t timestamp = rd_kafka_message_timestamp(message, &type);
    rd_kafka_resp_err_t error;
    do {
      error = rd_kafka_producev(producer, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_MSGFLAGS(0),
                                RD_KAFKA_V_KEY(message->key, message->key_len),
                                RD_KAFKA_V_VALUE(message->payload, message->len), RD_KAFKA_V_TIMESTAMP(timestamp),
                                RD_KAFKA_V_HEADERS(list_of_headers), RD_KAFKA_V_END);
      if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL) rd_kafka_poll(producer, 10);
    } while (error == RD_KAFKA_RESP_ERR__QUEUE_FULL);
    held.push_back(message);
    if (++done % static_cast<int>(kEpochRows) == 0 || done == records) {
      if (rd_kafka_flush(producer, 60'000) != 0) Die("the relay's output was not written");
      for (rd_kafka_message_t* one : held) rd_kafka_message_destroy(one);
      held.clear();
    }
  }
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(producer);
  rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
}

void OurRelay(const std::string& in, const std::string& out, int records, Delivery delivery) {
  ClientOptions options;
  options.connection = "main";
  options.properties.push_back({"bootstrap.servers", servers, PropertyScope::kConnection});
  auto source_settings = std::make_shared<KafkaSourceSettings>();
  source_settings->options = options;
  source_settings->topics = {in};
  source_settings->start.kind = PositionRule::Kind::kEarliest;
  const KafkaSourceProgram program(source_settings);
  KafkaTargetProgram::Settings target_settings;
  target_settings.options = options;
  target_settings.topic = out;
  target_settings.node_id = "out";
  target_settings.envelope = "raw";
  const KafkaTargetProgram target(std::move(target_settings));
  SourceTable table;
  CancelToken cancel;
  LaneContext lane;
  lane.topology = out;
  lane.delivery = delivery;
  lane.partitions = &table;
  lane.cancel = &cancel;
  const std::unique_ptr<Source> source = std::move(program.OpenLane(lane)).value();
  Must(source->Open());
  const std::unique_ptr<Committer> committer =
      std::move(OpenKafkaCommitter(lane, {{0, &target}}, program, *source)).value();
  Must(committer->Open());
  const std::unique_ptr<RowEncoder> encoder = target.MakeEncoder({"relay@0123456789abcdef", "model@1"});
  BatchLimits limits;
  RecordBatch batch;
  std::deque<EncodedBatch> pinned;
  std::vector<EncodedBatch> spare;
  std::vector<uint8_t> active;
  EpochEnd end;
  size_t rows = 0;
  for (int done = 0; done < records;) {
    batch.Clear(0, 0);
    const Result<SourceEvent> event = source->Poll(batch, limits, 1'000'000'000);
    Must(event.status());
    if (*event == SourceEvent::kAssigned) {
      const std::vector<PartitionId> ids = source->partitions();
      Must(source->Assign(ids, std::vector<int64_t>(ids.size(), kNoPosition)));
    }
    if (batch.rows() == 0) continue;
    if (spare.empty()) spare.emplace_back();
    pinned.push_back(std::move(spare.back()));
    spare.pop_back();
    pinned.back().Clear(1);
    active.assign(batch.rows(), 1);
    Must(encoder->Encode(batch, active, pinned.back().targets.data()));
    for (const PositionRange& range : batch.positions) {
      const auto found = std::find_if(end.positions.begin(), end.positions.end(),
                                      [&](const PositionRange& p) { return p.partition == range.partition; });
      if (found == end.positions.end()) {
        end.positions.push_back(range);
      } else {
        found->next = range.next;
      }
    }
    Must(committer->Write(pinned.back()));
    done += static_cast<int>(batch.rows());
    rows += batch.rows();
    if (rows >= kEpochRows || done >= records) {
      Must(committer->Commit(end));
      for (EncodedBatch& one : pinned) spare.push_back(std::move(one));
      pinned.clear();
      end.positions.clear();
      rows = 0;
    }
  }
  batch.Clear(0, 0);
  committer->Close();
  source->Close();
}

struct Variant {
  const char* name;
  std::function<void(const std::string& out)> run;
  std::vector<double> cpu_us = {};
  std::vector<double> rate = {};
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void Measure(int records, int rounds) {
  MakeTopic("in");
  FillTopic("in", records);
  std::vector<Variant> variants = {
      {"bare relay", [&](const std::string& out) { BareRelay("in", out, records, false); }},
      {"bare relay with our headers", [&](const std::string& out) { BareRelay("in", out, records, true); }},
      {"ours, at least once", [&](const std::string& out) { OurRelay("in", out, records, Delivery::kAtLeastOnce); }},
      {"ours, exactly once", [&](const std::string& out) { OurRelay("in", out, records, Delivery::kExactlyOnce); }}};
  for (int round = 0; round <= rounds; ++round) {  // the first warms the broker up
    for (size_t i = 0; i < variants.size(); ++i) {
      const std::string out = "out-" + std::to_string(round) + "-" + std::to_string(i);
      MakeTopic(out);
      const double cpu = CpuSeconds();
      const auto begin = std::chrono::steady_clock::now();
      variants[i].run(out);
      const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      if (round == 0) continue;
      variants[i].cpu_us.push_back((CpuSeconds() - cpu) * 1e6 / records);
      variants[i].rate.push_back(records / wall);
    }
  }
  std::printf("%d records of 200 B + 12 B key, %d partitions, %d rounds\n", records, kPartitions, rounds);
  std::printf("%-30s %28s %10s %10s %12s\n", "", "CPU us/record (range)", "vs bare", "vs headers", "records/s");
  for (const Variant& variant : variants) {
    const auto [low, high] = std::minmax_element(variant.cpu_us.begin(), variant.cpu_us.end());
    const double median = Median(variant.cpu_us);
    std::printf("%-30s %10.2f (%.2f .. %.2f) %13.2f %10.2f %12.0f\n", variant.name, median, *low, *high,
                Median(variants[0].cpu_us) / median, Median(variants[1].cpu_us) / median, Median(variant.rate));
  }
}

}  // namespace
}  // namespace anabranch

int main(int argc, char** argv) {
  const int records = argc > 1 ? std::atoi(argv[1]) : 200'000;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 5;
  char folder[] = "/tmp/anabranch-relay-XXXXXX";
  if (mkdtemp(folder) == nullptr) anabranch::Die("no temporary folder");
  const std::string script = std::string(ANABRANCH_ROOT) + "/tests/setup/broker";
  const std::string data = std::string(folder) + "/broker";
  if (std::system((script + " start " + data + " >/dev/null").c_str()) != 0) anabranch::Die("the broker did not start");
  std::ifstream(data + "/bootstrap") >> anabranch::servers;
  anabranch::Measure(records, rounds);
  const int stopped = std::system((script + " stop " + data).c_str());
  std::filesystem::remove_all(folder);
  return stopped == 0 ? 0 : 1;
}
