#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct rd_kafka_s;
struct rd_kafka_conf_s;
struct rd_kafka_topic_s;

// librdkafka as the benchmark tools use it. What cannot be done ends the process (Die): a tool that measures has no
// second way.
namespace anabranch::bench {

struct ClientEnd {
  void operator()(rd_kafka_s* client) const;  // closes a consumer; a producer must have been flushed
};
struct TopicEnd {
  void operator()(rd_kafka_topic_s* topic) const;
};
using Client = std::unique_ptr<rd_kafka_s, ClientEnd>;
using Topic = std::unique_ptr<rd_kafka_topic_s, TopicEnd>;            // goes before its client
using Properties = std::vector<std::pair<std::string, std::string>>;  // a later one wins

// `more` may set callbacks. A consumer's events arrive with its records.
Client MakeConsumer(const std::string& bootstrap, const Properties& properties,
                    const std::function<void(rd_kafka_conf_s*)>& more = {});
Client MakeProducer(const std::string& bootstrap, const Properties& properties,
                    const std::function<void(rd_kafka_conf_s*)>& more = {});
Topic OpenTopic(rd_kafka_s* client, const std::string& name);

// A failed delivery ends the process; one that worked costs nothing.
void DieOfFailedDelivery(rd_kafka_conf_s* conf);

// How many partitions the topic has; asks again and again, since a topic may be new.
int PartitionsOf(rd_kafka_s* client, const std::string& topic);

// Per partition the offset after its last record, transaction markers counted as well.
std::vector<int64_t> EndsOf(rd_kafka_s* client, const std::string& topic, int partitions);

// Sends one record to a partition; waits while the queue is full. The key is copied, the value only when `copy`: else
// it must live until the producer is flushed.
void Send(rd_kafka_s* producer, rd_kafka_topic_s* topic, int partition, std::string_view key, std::string_view value,
          bool copy);
void Flush(rd_kafka_s* producer, int timeout_ms);

// Where one reads from: per partition an offset, or the beginning.
inline constexpr int64_t kBeginning = -2;
void ReadFrom(rd_kafka_s* consumer, const std::string& topic, const std::vector<int64_t>& offsets);

struct Received {
  std::string_view key, value;  // until the callback returns
  bool has_value = false;
  int partition = 0;
  int64_t timestamp_ms = -1;
  bool append_time = false;  // the broker's clock
  bool end = false;          // of its partition; nothing else is set
};
// Waits for one record or end of partition and hands it to `take`; false when nothing came in time.
bool Receive(rd_kafka_s* consumer, int timeout_ms, const std::function<void(const Received&)>& take);

}  // namespace anabranch::bench
