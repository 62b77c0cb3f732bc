// The engine against a raw librdkafka relay on a real broker: the same preloaded records, the same
// process, alternating. On one machine with the broker the rates spread by a factor of two, so the floors
// hold CPU per record of this process; rates are printed beside.
//
//   end_to_end_bench BOOTSTRAP [RECORDS [ROUNDS [CASE]]]
// CASE: only the sides whose name holds this text (beside the relay), without floors.
// Both sides fetch far ahead: librdkafka below 2.2 pauses a second when its queue is full.
// needs the topics bench.in, bench.out (one partition each) and bench.dead; bench/run makes them.
#include <librdkafka/rdkafka.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <thread>

#include "bench/measure.h"
#include "connectors/catalog.h"
#include "engine/run/runner.h"
#include "nodes/catalog.h"
#include "topologies/language/check.h"

namespace anabranch::bench {
namespace {

constexpr const char* kIn = "bench.in";
constexpr const char* kOut = "bench.out";
constexpr double kExactlyOnceFloor = 0.80;  // of the rate of at_least_once
constexpr double kKeepFloor = 0.90;         // of the rate without

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "end_to_end_bench: %s\n", why.c_str());
  std::exit(1);
}

rd_kafka_t* Client(rd_kafka_type_t type, const std::vector<std::pair<std::string, std::string>>& properties) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char error[512];
  for (const auto& [name, value] : properties) {
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), error, sizeof error) != RD_KAFKA_CONF_OK) Die(error);
  }
  rd_kafka_t* client = rd_kafka_new(type, conf, error, sizeof error);
  if (client == nullptr) Die(error);
  return client;
}

using Topic = std::unique_ptr<rd_kafka_topic_t, decltype(&rd_kafka_topic_destroy)>;

Topic MakeTopic(rd_kafka_t* client, const char* name) {
  return {rd_kafka_topic_new(client, name, nullptr), &rd_kafka_topic_destroy};
}

void Produce(rd_kafka_t* producer, rd_kafka_topic_t* topic, const void* key, size_t key_size, void* value,
             size_t size) {
  while (rd_kafka_produce(topic, 0, RD_KAFKA_MSG_F_COPY, value, size, key, key_size, nullptr) != 0) {
    if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) Die(rd_kafka_err2str(rd_kafka_last_error()));
    rd_kafka_poll(producer, 10);
  }
}

// About 200 bytes with nine fields, values that rotate.
std::string Record(int64_t i) {
  char text[320];
  std::snprintf(text, sizeof text,
                R"({"id":"r%09lld","f1":%.4f,"f2":%.4f,"f3":%.3f,"f4":%.5f,"f5":%.2f,"f6":%.4f,"f7":%.3f,"f8":%.4f,)"
                R"("country":"%s","channel":"web","amount":%.2f,"note":"rotating test record"})",
                static_cast<long long>(i), static_cast<double>(i % 1000) / 1000, static_cast<double>(i % 77) / 77,
                static_cast<double>(i % 91), static_cast<double>(i % 13) / 13, static_cast<double>(i % 500),
                static_cast<double>(i % 31) / 31, static_cast<double>(i % 17), static_cast<double>(i % 997) / 997,
                i % 3 ? "DE" : "FR", static_cast<double>(i % 9999) / 7);
  return text;
}

void Preload(const std::string& bootstrap, int64_t records) {
  rd_kafka_t* producer = Client(RD_KAFKA_PRODUCER, {{"bootstrap.servers", bootstrap},
                                                    {"linger.ms", "20"},
                                                    {"batch.size", "1000000"},
                                                    {"queue.buffering.max.messages", "500000"}});
  int64_t low = 0, there = 0;  // of an earlier run
  if (rd_kafka_query_watermark_offsets(producer, kIn, 0, &low, &there, 20'000) != RD_KAFKA_RESP_ERR_NO_ERROR)
    Die("the topic bench.in does not answer");
  if (there > records) Die("bench.in holds " + std::to_string(there) + " records already");
  Topic topic = MakeTopic(producer, kIn);
  for (int64_t i = there; i < records; ++i) {
    std::string value = Record(i);
    char key[16];
    const int size = std::snprintf(key, sizeof key, "key-%08lld", static_cast<long long>(i % 100'000'000));
    Produce(producer, topic.get(), key, static_cast<size_t>(size), value.data(), value.size());
    if (i % 10'000 == 0) rd_kafka_poll(producer, 0);
  }
  if (rd_kafka_flush(producer, 60'000) != RD_KAFKA_RESP_ERR_NO_ERROR) Die("preloading did not finish in 60 s");
  topic.reset();
  rd_kafka_destroy(producer);
}

// The fastest loop that is safe with the installed librdkafka: one poll per record (batch consume has
// faults below 2.13.2), produce with a copy, delivery reports counted by the client only.
Cost Relay(const std::string& bootstrap, int64_t records) {
  rd_kafka_t* consumer = Client(RD_KAFKA_CONSUMER, {{"bootstrap.servers", bootstrap},
                                                    {"group.id", "bench.relay"},
                                                    {"enable.auto.commit", "false"},
                                                    {"check.crcs", "true"},
                                                    {"queued.min.messages", "1000000"},
                                                    {"queued.max.messages.kbytes", "1000000"}});
  rd_kafka_t* producer = Client(RD_KAFKA_PRODUCER, {{"bootstrap.servers", bootstrap},
                                                    {"linger.ms", "5"},
                                                    {"enable.idempotence", "true"},
                                                    {"batch.size", "1000000"},
                                                    {"queue.buffering.max.messages", "500000"}});
  rd_kafka_poll_set_consumer(consumer);
  Topic out = MakeTopic(producer, kOut);
  rd_kafka_topic_partition_list_t* partitions = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(partitions, kIn, 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
  rd_kafka_assign(consumer, partitions);
  rd_kafka_topic_partition_list_destroy(partitions);
  Cost cost;
  double begin = 0, cpu = 0;  // from the first record on: joining and loading are not what is compared
  for (int64_t taken = 0; taken < records;) {
    rd_kafka_message_t* message = rd_kafka_consumer_poll(consumer, 100);
    if (message == nullptr) continue;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (taken++ == 0) {
        begin = WallSeconds();
        cpu = CpuSeconds();
      }
      Produce(producer, out.get(), message->key, message->key_len, message->payload, message->len);
      if (taken % 1024 == 0) rd_kafka_poll(producer, 0);
    }
    rd_kafka_message_destroy(message);
  }
  if (rd_kafka_flush(producer, 60'000) != RD_KAFKA_RESP_ERR_NO_ERROR) Die("the relay did not flush in 60 s");
  cost = {WallSeconds() - begin, CpuSeconds() - cpu};
  out.reset();
  rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
  rd_kafka_destroy(producer);
  return cost;
}

const char* const kRaw = R"json({"anabranch": 1, "name": "NAME", "delivery": "DELIVERY",
  "connections": {"main": {"kafka": {"bootstrap.servers": "BOOTSTRAP"}}},
  "sources": {"in": {"kafka": {"topics": ["bench.in"], "properties": {"queued.min.messages": "1000000", "queued.max.messages.kbytes": "1000000"}}}},
  "nodes": {"out": {"kind": "persist", "inputs": ["in"], "to": {"kafka": {"topic": "bench.out", "headers": "HEADERS"}}, "envelope": "raw"}},
  "dead_letters": {"kafka": {"topic": "bench.dead"}}})json";

const char* const kDag = R"json({"anabranch": 1, "name": "NAME", "delivery": "DELIVERY",
  "connections": {"main": {"kafka": {"bootstrap.servers": "BOOTSTRAP"}}},
  "schemas": {"r": {"type": "object", "required": ["id", "f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8"], "properties": {
    "id": {"type": "string"}, "f1": {"type": "number", "minimum": 0}, "f2": {"type": "number", "minimum": 0},
    "f3": {"type": "number", "minimum": 0}, "f4": {"type": "number", "minimum": 0}, "f5": {"type": "number", "minimum": 0},
    "f6": {"type": "number", "minimum": 0}, "f7": {"type": "number", "minimum": 0}, "f8": {"type": "number", "minimum": 0}}}},
  "models": {"mlp": {"path": "ROOT/tests/models/mlp_8_64_64_1.onnx"}},
  "sources": {"in": {"kafka": {"topics": ["bench.in"], "properties": {"queued.min.messages": "1000000", "queued.max.messages.kbytes": "1000000"}}, "schema": "r"}},
  "nodes": {
    "check": {"kind": "validate", "inputs": ["in"]},
    "t1": {"kind": "transform", "inputs": ["check"], "set": {"x1": "f1 * 2 + f2"}},
    "t2": {"kind": "transform", "inputs": ["t1"], "set": {"x2": "f3 / (1 + f4)"}},
    "t3": {"kind": "transform", "inputs": ["t2"], "set": {"x3": "x1 - x2"}},
    "mlp": {"kind": "infer", "inputs": ["t3"], "model": "mlp", "features": ["x1", "x2", "x3", "f4", "f5", "f6", "f7", "f8"],
            "outputs": {"score": "Y[0]"}},
    "out": {"kind": "persist", "inputs": ["mlp"], "to": {"kafka": {"topic": "bench.out", "headers": "HEADERS"}}, "fields": ["id", "score"]}},
  "dead_letters": {"kafka": {"topic": "bench.dead"}}})json";

void Replace(std::string* text, const std::string& what, const std::string& with) {
  for (size_t at = 0; (at = text->find(what, at)) != std::string::npos; at += with.size())
    text->replace(at, what.size(), with);
}

// Handed to write(2) and the like so far; sockets of librdkafka are not among them.
uint64_t WrittenBytes() {
  std::ifstream io("/proc/self/io");
  std::string name;
  uint64_t value = 0;
  while (io >> name >> value) {
    if (name == "wchar:") return value;
  }
  return 0;
}

Cost Engine(const Registry& registry, const std::string& bootstrap, const std::string& folder, std::string text,
            const std::string& delivery, const std::string& headers, int64_t records) {
  static int runs = 0;
  const std::string name = "bench-" + std::to_string(getpid()) + "-" + std::to_string(runs++);
  Replace(&text, "NAME", name);
  Replace(&text, "DELIVERY", delivery);
  Replace(&text, "BOOTSTRAP", bootstrap);
  Replace(&text, "ROOT", ANABRANCH_ROOT);
  Replace(&text, "HEADERS", headers);
  CheckOptions check;
  check.allow_paths.push_back(ANABRANCH_ROOT);
  const CheckedTopology checked = CheckTopologyText(folder + "/" + name + ".json", text, registry, check);
  for (const Fault& fault : checked.faults) {
    if (!fault.warning) Die(fault.message);
  }
  RunOptions options;
  options.state_dir = folder + "/" + name;
  options.workers = 1;
  options.once = true;
  options.tick_ns = 1'000'000;
  double begin = 0, cpu = 0;
  RunObserver observer;
  observer.tick = [&](const RunSnapshot& snapshot) {
    if (begin != 0 || snapshot.rows_read == 0) return;
    begin = WallSeconds();
    cpu = CpuSeconds();
  };
  observer.warn = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
  CancelToken cancel;
  const uint64_t written_before = WrittenBytes();
  const RunSummary summary = RunPlan(*checked.plan, registry, options, cancel, observer);
  const double end = WallSeconds();
  const uint64_t written = WrittenBytes() - written_before;
  if (!summary.status.ok()) Die(summary.status.message());
  if (summary.totals.rows_committed != records) {
    Die("the engine committed " + std::to_string(summary.totals.rows_committed) + " of " + std::to_string(records));
  }
  return {end - begin, CpuSeconds() - cpu, static_cast<double>(written)};
}

// Results are stored behind the node before the model, synced with every epoch.
std::string KeptBeforeModel(std::string topology) {
  Replace(&topology, R"("inputs": ["t2"],)", R"("inputs": ["t2"], "keep": "always",)");
  return topology;
}

struct Side {
  explicit Side(std::string side) : name(std::move(side)) {}
  std::string name;
  std::vector<double> rate, cpu, cpu_ratio, rate_ratio, stored;
  void Add(const Cost& cost, const Cost& relay, int64_t records) {
    rate.push_back(static_cast<double>(records) / cost.wall_s / 1000);
    cpu.push_back(cost.cpu_s * 1e6 / static_cast<double>(records));
    cpu_ratio.push_back(relay.cpu_s / cost.cpu_s);
    rate_ratio.push_back(relay.wall_s / cost.wall_s);
    stored.push_back(cost.written_bytes / cost.wall_s / 1e6);
  }
  void Print(Report& report, double floor) const {
    report.Value(name + ": rate", SpreadOf(rate), "k records/s");
    report.Value(name + ": CPU", SpreadOf(cpu), "us per record");
    report.Value(name + ": rate / relay", SpreadOf(rate_ratio), "x");
    if (floor > 0) {
      report.AtLeast(name + ": CPU of relay / CPU", SpreadOf(cpu_ratio), "x", floor);
    } else {
      report.Value(name + ": CPU of relay / CPU", SpreadOf(cpu_ratio), "x");
    }
  }
};

// Of neighbours: round by round.
std::vector<double> Ratios(const std::vector<double>& over, const std::vector<double>& under) {
  std::vector<double> ratios;
  for (size_t i = 0; i < over.size(); ++i) ratios.push_back(over[i] / under[i]);
  return ratios;
}

int Main(int argc, char** argv) {
  if (argc < 2) Die("usage: end_to_end_bench BOOTSTRAP [RECORDS [ROUNDS [CASE]]]");
  const std::string bootstrap = argv[1];
  const int64_t records = argc > 2 ? std::atoll(argv[2]) : 500'000;
  const int rounds = argc > 3 ? std::atoi(argv[3]) : 5;
  const std::string only = argc > 4 ? argv[4] : "";
  char folder[] = "/tmp/anabranch-bench-XXXXXX";
  if (mkdtemp(folder) == nullptr) return 1;
  Registry registry;
  RegisterAllNodes(registry);
  RegisterAllConnectors(registry);
  Preload(bootstrap, records);
  Relay(bootstrap, records);  // a cold broker gives a third of its rate
  Engine(registry, bootstrap, folder, kDag, "at_least_once", "none", records);

  struct Case {
    Side side;
    std::string topology;
    const char* delivery;
    const char* headers;
    double floor;
  };
  Side relay("raw relay");
  std::vector<Case> cases = {
      {Side("source to target, no headers"), kRaw, "at_least_once", "none", 0.80},
      {Side("source to target, result headers"), kRaw, "at_least_once", "all", 0},
      {Side("tabular DAG, no headers"), kDag, "at_least_once", "none", 0.45},
      {Side("tabular DAG, result headers"), kDag, "at_least_once", "all", 0},
      {Side("tabular DAG, exactly_once, result headers"), kDag, "exactly_once", "all", 0},
      {Side("the same, results kept before the model"), KeptBeforeModel(kDag), "exactly_once", "all", 0},
  };
  std::erase_if(cases, [&](const Case& c) { return c.side.name.find(only) == std::string::npos; });
  for (int i = 0; i < rounds; ++i) {
    const Cost base = Relay(bootstrap, records);
    relay.Add(base, base, records);
    for (size_t at = 0; at < cases.size(); ++at) {
      Case& c = cases[i % 2 == 0 ? at : cases.size() - 1 - at];  // no side always runs behind the same other
      c.side.Add(Engine(registry, bootstrap, folder, c.topology, c.delivery, c.headers, records), base, records);
    }
  }
  Report report;
  std::printf("real broker, %lld records of %zu bytes, %d rounds, one lane, micro-batches of 256\n",
              static_cast<long long>(records), Record(123456).size(), rounds);
  relay.Print(report, 0);
  for (const Case& c : cases) c.side.Print(report, c.floor);
  if (!only.empty()) {
    std::filesystem::remove_all(folder);
    return report.Finish();
  }
  report.AtLeast("exactly_once / at_least_once: rate", SpreadOf(Ratios(cases[4].side.rate, cases[3].side.rate)), "x",
                 kExactlyOnceFloor);
  report.Value("kept before the model: to disk", SpreadOf(cases[5].side.stored), "MB/s");
  report.AtLeast("kept before the model / not kept: rate", SpreadOf(Ratios(cases[5].side.rate, cases[4].side.rate)),
                 "x", kKeepFloor);
  std::filesystem::remove_all(folder);
  return report.Finish();
}

}  // namespace
}  // namespace anabranch::bench

int main(int argc, char** argv) { return anabranch::bench::Main(argc, argv); }
