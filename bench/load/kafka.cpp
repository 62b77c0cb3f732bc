#include "bench/load/kafka.h"

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <thread>

#include "bench/load/arguments.h"

namespace anabranch::bench {
namespace {

constexpr int kTries = 50;  // of what a new topic refuses for a moment
constexpr std::chrono::milliseconds kPause{100};

Client Make(rd_kafka_type_t type, const std::string& bootstrap, const Properties& properties,
            const std::function<void(rd_kafka_conf_s*)>& more) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char error[512];
  Properties all = {{"bootstrap.servers", bootstrap}, {"log_level", "3"}, {"log.connection.close", "false"}};
  all.insert(all.end(), properties.begin(), properties.end());
  for (const auto& [name, value] : all) {
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), error, sizeof error) != RD_KAFKA_CONF_OK) Die(error);
  }
  if (more) more(conf);
  rd_kafka_t* client = rd_kafka_new(type, conf, error, sizeof error);
  if (client == nullptr) Die(error);
  return Client(client);
}

std::string_view Bytes(const void* data, size_t size) { return {static_cast<const char*>(data), size}; }

}  // namespace

void ClientEnd::operator()(rd_kafka_s* client) const {
  if (rd_kafka_type(client) == RD_KAFKA_CONSUMER) rd_kafka_consumer_close(client);
  rd_kafka_destroy(client);
}

void TopicEnd::operator()(rd_kafka_topic_s* topic) const { rd_kafka_topic_destroy(topic); }

Client MakeConsumer(const std::string& bootstrap, const Properties& properties,
                    const std::function<void(rd_kafka_conf_s*)>& more) {
  Client client = Make(RD_KAFKA_CONSUMER, bootstrap, properties, more);
  rd_kafka_poll_set_consumer(client.get());
  return client;
}

Client MakeProducer(const std::string& bootstrap, const Properties& properties,
                    const std::function<void(rd_kafka_conf_s*)>& more) {
  return Make(RD_KAFKA_PRODUCER, bootstrap, properties, more);
}

Topic OpenTopic(rd_kafka_s* client, const std::string& name) {
  return Topic(rd_kafka_topic_new(client, name.c_str(), nullptr));
}

void DieOfFailedDelivery(rd_kafka_conf_s* conf) {
  char error[256];
  rd_kafka_conf_set(conf, "delivery.report.only.error", "true", error, sizeof error);
  rd_kafka_conf_set_dr_msg_cb(conf, [](rd_kafka_t*, const rd_kafka_message_t* message, void*) {
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      Die(std::string("a record was not delivered: ") + rd_kafka_err2str(message->err));
    }
  });
}

int PartitionsOf(rd_kafka_s* client, const std::string& topic) {
  const Topic handle = OpenTopic(client, topic);
  std::string why;
  for (int i = 0; i < kTries; ++i) {
    const rd_kafka_metadata_t* found = nullptr;
    const rd_kafka_resp_err_t error = rd_kafka_metadata(client, 0, handle.get(), &found, 2'000);
    why = rd_kafka_err2str(error);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
      const int partitions = found->topic_cnt == 1 ? found->topics[0].partition_cnt : 0;
      if (found->topic_cnt == 1) why = rd_kafka_err2str(found->topics[0].err);
      rd_kafka_metadata_destroy(found);
      if (partitions > 0) return partitions;
    }
    std::this_thread::sleep_for(kPause);
  }
  Die("topic " + topic + ": " + why);
}

std::vector<int64_t> EndsOf(rd_kafka_s* client, const std::string& topic, int partitions) {
  std::vector<int64_t> ends;
  for (int p = 0; p < partitions; ++p) {
    int64_t low = 0, high = 0;
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_UNKNOWN;
    for (int i = 0; i < kTries && error != RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
      if (i > 0) std::this_thread::sleep_for(kPause);  // a new topic has no leader for a moment
      error = rd_kafka_query_watermark_offsets(client, topic.c_str(), p, &low, &high, 2'000);
    }
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      Die("topic " + topic + ", partition " + std::to_string(p) + ": " + rd_kafka_err2str(error));
    }
    ends.push_back(high);
  }
  return ends;
}

void Send(rd_kafka_s* producer, rd_kafka_topic_s* topic, int partition, std::string_view key, std::string_view value,
          bool copy) {
  while (rd_kafka_produce(topic, partition, copy ? RD_KAFKA_MSG_F_COPY : 0, const_cast<char*>(value.data()),
                          value.size(), key.data(), key.size(), nullptr) != 0) {
    if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) Die(rd_kafka_err2str(rd_kafka_last_error()));
    rd_kafka_poll(producer, 1);
  }
}

void Flush(rd_kafka_s* producer, int timeout_ms) {
  if (rd_kafka_flush(producer, timeout_ms) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    Die(std::to_string(rd_kafka_outq_len(producer)) + " records were not delivered within " +
        std::to_string(timeout_ms / 1000) + " s");
  }
}

void ReadFrom(rd_kafka_s* consumer, const std::string& topic, const std::vector<int64_t>& offsets) {
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size()));
  for (size_t p = 0; p < offsets.size(); ++p) {
    rd_kafka_topic_partition_list_add(list, topic.c_str(), static_cast<int>(p))->offset = offsets[p];
  }
  const rd_kafka_resp_err_t error = rd_kafka_assign(consumer, list);
  rd_kafka_topic_partition_list_destroy(list);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) Die("topic " + topic + ": " + rd_kafka_err2str(error));
}

bool Receive(rd_kafka_s* consumer, int timeout_ms, const std::function<void(const Received&)>& take) {
  rd_kafka_message_t* message = rd_kafka_consumer_poll(consumer, timeout_ms);
  if (message == nullptr) return false;
  Received received;
  received.partition = message->partition;
  received.end = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    received.timestamp_ms = rd_kafka_message_timestamp(message, &type);
    received.append_time = type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME;
    received.key = Bytes(message->key, message->key_len);
    received.value = Bytes(message->payload, message->len);
    received.has_value = message->payload != nullptr;
  } else if (!received.end) {
    Die(std::string("reading: ") + rd_kafka_message_errstr(message));
  }
  take(received);
  rd_kafka_message_destroy(message);
  return true;
}

}  // namespace anabranch::bench
