#include "topologies/commands/broker_probe.h"

#include <librdkafka/rdkafka.h>

#include <memory>
#include <mutex>

namespace anabranch {
namespace {

constexpr size_t kMessageBytes = 512;

// The last error of the client's threads, e.g. "Connect to ipv4#127.0.0.1:9 failed: Connection refused".
struct LastError {
  std::mutex mutex;
  std::string text;
};

void OnError(rd_kafka_t* /*client*/, int /*code*/, const char* reason, void* opaque) {
  auto* last = static_cast<LastError*>(opaque);
  std::lock_guard lock(last->mutex);
  last->text = reason;
}

struct ConfDelete {
  void operator()(rd_kafka_conf_t* conf) const { rd_kafka_conf_destroy(conf); }
};
struct ClientDelete {
  void operator()(rd_kafka_t* client) const { rd_kafka_destroy(client); }
};

std::string Brokers(const rd_kafka_metadata_t& metadata) {
  std::string text = std::to_string(metadata.broker_cnt) + (metadata.broker_cnt == 1 ? " broker: " : " brokers: ");
  for (int i = 0; i < metadata.broker_cnt; ++i) {
    const rd_kafka_metadata_broker& broker = metadata.brokers[i];
    text += (i == 0 ? "" : ", ") + std::string(broker.host) + ":" + std::to_string(broker.port);
  }
  return text;
}

}  // namespace

Result<std::string> ProbeBrokers(const std::map<std::string, std::string>& properties, int wait_ms) {
  LastError last;
  char message[kMessageBytes];
  std::unique_ptr<rd_kafka_conf_t, ConfDelete> conf(rd_kafka_conf_new());
  for (const auto& [name, value] : properties) {
    if (rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), message, sizeof message) != RD_KAFKA_CONF_OK) {
      return Status(Code::kInvalid, message);
    }
  }
  rd_kafka_conf_set_log_cb(conf.get(), nullptr);
  rd_kafka_conf_set_error_cb(conf.get(), OnError);
  rd_kafka_conf_set_opaque(conf.get(), &last);
  std::unique_ptr<rd_kafka_t, ClientDelete> client(
      rd_kafka_new(RD_KAFKA_PRODUCER, conf.get(), message, sizeof message));
  if (client == nullptr) return Status(Code::kInvalid, message);
  static_cast<void>(conf.release());  // the client owns it now
  const rd_kafka_metadata_t* metadata = nullptr;
  rd_kafka_resp_err_t error = rd_kafka_metadata(client.get(), 0, nullptr, &metadata, wait_ms);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
    std::string text = Brokers(*metadata);
    rd_kafka_metadata_destroy(metadata);
    return text;
  }
  rd_kafka_poll(client.get(), 0);
  std::lock_guard lock(last.mutex);
  return Status(Code::kUnavailable, last.text.empty() ? rd_kafka_err2str(error) : last.text);
}

std::string KafkaLibraryVersion() { return rd_kafka_version_str(); }

}  // namespace anabranch
