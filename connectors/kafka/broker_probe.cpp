#include "connectors/kafka/broker_probe.h"

#include <librdkafka/rdkafka.h>

#include <chrono>

#include "connectors/kafka/kafka_client.h"

namespace anabranch {
namespace {

constexpr int kSliceMs = 250;  // between looks at what the client complains about

std::string Brokers(const rd_kafka_metadata_t& metadata) {
  std::string text = std::to_string(metadata.broker_cnt) + (metadata.broker_cnt == 1 ? " broker: " : " brokers: ");
  for (int i = 0; i < metadata.broker_cnt; ++i) {
    const rd_kafka_metadata_broker& broker = metadata.brokers[i];
    text += (i == 0 ? "" : ", ") + std::string(broker.host) + ":" + std::to_string(broker.port);
  }
  return text;
}

}  // namespace

Result<std::string> ProbeBrokers(const ClientOptions& options, int wait_ms) {
  ASSIGN_OR_RETURN(std::shared_ptr<KafkaClient> client,
                   KafkaClient::Make(KafkaClient::Kind::kProducer, options, {}, {}, {}));
  const std::chrono::steady_clock::time_point end =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(wait_ms);
  while (std::chrono::steady_clock::now() < end && !client->refused()) {
    const rd_kafka_metadata_t* metadata = nullptr;
    if (rd_kafka_metadata(client->get(), 0, nullptr, &metadata, kSliceMs) == RD_KAFKA_RESP_ERR_NO_ERROR) {
      std::string text = Brokers(*metadata);
      rd_kafka_metadata_destroy(metadata);
      return text;
    }
    rd_kafka_poll(client->get(), 0);
  }
  std::string cause = client->Complaint();
  return Status(Code::kUnavailable, cause.empty() ? "no answer in time" : cause);
}

}  // namespace anabranch
