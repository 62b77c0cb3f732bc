#include "connectors/kafka/kafka_admin.h"

#include <librdkafka/rdkafka.h>

#include <memory>

#include "engine/clock.h"

namespace anabranch {

namespace {

constexpr int kAdminSliceMs = 100;
constexpr int64_t kAdminGraceNs = 1'000'000'000;  // the library ends a request by itself; this is in case it does not

struct AdminDeleter {
  void operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }
  void operator()(rd_kafka_event_t* event) const { rd_kafka_event_destroy(event); }
  void operator()(rd_kafka_AdminOptions_t* options) const { rd_kafka_AdminOptions_destroy(options); }
  void operator()(rd_kafka_NewTopic_t* topic) const { rd_kafka_NewTopic_destroy(topic); }
  void operator()(rd_kafka_ConfigResource_t* resource) const { rd_kafka_ConfigResource_destroy(resource); }
};
template <typename T>
using Admin = std::unique_ptr<T, AdminDeleter>;

// The raw pointers of `all`, for a request that reads them.
template <typename T>
std::vector<T*> Pointers(const std::vector<Admin<T>>& all) {
  std::vector<T*> pointers;
  for (const Admin<T>& each : all) pointers.push_back(each.get());
  return pointers;
}

// One request: a client, and the queue on which its answer arrives.
class AdminRequest {
 public:
  static Result<std::unique_ptr<AdminRequest>> Make(const ClientOptions& options, rd_kafka_admin_op_t kind,
                                                    int64_t wait_ns) {
    // A consumer: the end of a producer may have to end the process.
    ASSIGN_OR_RETURN(
        std::shared_ptr<KafkaClient> client,
        KafkaClient::Make(KafkaClient::Kind::kConsumer, options, {}, {{"allow.auto.create.topics", "false"}}, {}));
    return std::unique_ptr<AdminRequest>(new AdminRequest(options, std::move(client), kind, wait_ns));
  }

  rd_kafka_t* client() const { return client_->get(); }
  rd_kafka_queue_t* queue() const { return queue_.get(); }
  rd_kafka_AdminOptions_t* options() const { return admin_.get(); }

  Result<rd_kafka_event_t*> Await(const CancelToken* cancel) {
    const int64_t deadline = Clock::Real().NowNs() + wait_ns_ + kAdminGraceNs;
    while (event_ == nullptr) {
      event_.reset(rd_kafka_queue_poll(queue_.get(), kAdminSliceMs));
      rd_kafka_poll(client(), 0);
      if (event_ != nullptr) break;
      if (cancel != nullptr && cancel->draining()) return Status(Code::kCancelled, "stopped while asking the brokers");
      if (client_->refused() || Clock::Real().NowNs() >= deadline) return BrokersAway(*client_, options_);
    }
    const rd_kafka_resp_err_t error = rd_kafka_event_error(event_.get());
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return event_.get();
    if (error == RD_KAFKA_RESP_ERR__TIMED_OUT) return BrokersAway(*client_, options_);
    const char* text = rd_kafka_event_error_string(event_.get());
    return Status(Code::kUnavailable,
                  "Kafka brokers " + options_.Servers() + " refuse the request: " + (text == nullptr ? "" : text));
  }

 private:
  AdminRequest(const ClientOptions& options, std::shared_ptr<KafkaClient> client, rd_kafka_admin_op_t kind,
               int64_t wait_ns)
      : options_(options),
        wait_ns_(wait_ns),
        client_(std::move(client)),
        queue_(rd_kafka_queue_new(client_->get())),
        admin_(rd_kafka_AdminOptions_new(client_->get(), kind)) {
    char text[128];
    rd_kafka_AdminOptions_set_request_timeout(admin_.get(), static_cast<int>(wait_ns / kNsPerMs), text, sizeof text);
  }

  const ClientOptions& options_;
  const int64_t wait_ns_;
  const std::shared_ptr<KafkaClient> client_;  // before what belongs to it
  const Admin<rd_kafka_queue_t> queue_;
  const Admin<rd_kafka_AdminOptions_t> admin_;
  Admin<rd_kafka_event_t> event_;
};

std::string NameOf(std::string_view topic) { return std::string(topic); }
std::string NameOf(const NewTopic& topic) { return topic.name; }

// What was answered for each topic; an error for one that the brokers skipped.
template <typename Topic, typename Answer>
std::vector<Answer> InOrder(std::span<const Topic> topics, const std::map<std::string, Answer>& by_name) {
  std::vector<Answer> all;
  for (const Topic& topic : topics) {
    const auto found = by_name.find(NameOf(topic));
    if (found != by_name.end()) {
      all.push_back(found->second);
    } else {
      all.emplace_back().error = RD_KAFKA_RESP_ERR_UNKNOWN;
    }
  }
  return all;
}

TopicSettings SettingsOf(const rd_kafka_ConfigResource_t* resource) {
  TopicSettings settings{.error = rd_kafka_ConfigResource_error(resource), .values = {}};
  size_t count = 0;
  const rd_kafka_ConfigEntry_t** entries = rd_kafka_ConfigResource_configs(resource, &count);
  for (size_t i = 0; i < count; ++i) {
    const char* value = rd_kafka_ConfigEntry_value(entries[i]);
    if (value != nullptr) settings.values[rd_kafka_ConfigEntry_name(entries[i])] = value;
  }
  return settings;
}

}  // namespace

Result<std::vector<TopicSettings>> DescribeTopics(const ClientOptions& options, std::span<const std::string> topics,
                                                  int64_t wait_ns, const CancelToken* cancel) {
  if (topics.empty()) return std::vector<TopicSettings>();
  ASSIGN_OR_RETURN(const auto request, AdminRequest::Make(options, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, wait_ns));
  std::vector<Admin<rd_kafka_ConfigResource_t>> resources;
  for (const std::string& topic : topics) {
    resources.emplace_back(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str()));
  }
  std::vector<rd_kafka_ConfigResource_t*> asked = Pointers(resources);
  rd_kafka_DescribeConfigs(request->client(), asked.data(), asked.size(), request->options(), request->queue());
  ASSIGN_OR_RETURN(rd_kafka_event_t* const event, request->Await(cancel));
  const rd_kafka_DescribeConfigs_result_t* result = rd_kafka_event_DescribeConfigs_result(event);
  size_t count = 0;
  const rd_kafka_ConfigResource_t** found = rd_kafka_DescribeConfigs_result_resources(result, &count);
  std::map<std::string, TopicSettings> by_name;
  for (size_t i = 0; i < count; ++i) by_name[rd_kafka_ConfigResource_name(found[i])] = SettingsOf(found[i]);
  return InOrder(topics, by_name);
}

Result<std::vector<TopicAnswer>> CreateTopics(const ClientOptions& options, std::span<const NewTopic> topics,
                                              bool only_ask, int64_t wait_ns, const CancelToken* cancel) {
  ASSIGN_OR_RETURN(const auto request, AdminRequest::Make(options, RD_KAFKA_ADMIN_OP_CREATETOPICS, wait_ns));
  char text[256];
  if (only_ask) rd_kafka_AdminOptions_set_validate_only(request->options(), 1, text, sizeof text);
  rd_kafka_AdminOptions_set_operation_timeout(request->options(), static_cast<int>(wait_ns / kNsPerMs), text,
                                              sizeof text);
  std::vector<Admin<rd_kafka_NewTopic_t>> made;
  for (const NewTopic& topic : topics) {
    made.emplace_back(rd_kafka_NewTopic_new(topic.name.c_str(), topic.partitions, topic.replicas, text, sizeof text));
    if (made.back() == nullptr) return Status(Code::kInvalid, "topic \"" + topic.name + "\": " + text);
    for (const auto& [name, value] : topic.settings) {
      rd_kafka_NewTopic_set_config(made.back().get(), name.c_str(), value.c_str());
    }
  }
  std::vector<rd_kafka_NewTopic_t*> asked = Pointers(made);
  rd_kafka_CreateTopics(request->client(), asked.data(), asked.size(), request->options(), request->queue());
  ASSIGN_OR_RETURN(rd_kafka_event_t* const event, request->Await(cancel));
  const rd_kafka_CreateTopics_result_t* result = rd_kafka_event_CreateTopics_result(event);
  size_t count = 0;
  const rd_kafka_topic_result_t** found = rd_kafka_CreateTopics_result_topics(result, &count);
  std::map<std::string, TopicAnswer> by_name;
  for (size_t i = 0; i < count; ++i) {
    const char* why = rd_kafka_topic_result_error_string(found[i]);
    by_name[rd_kafka_topic_result_name(found[i])] = {rd_kafka_topic_result_error(found[i]), why == nullptr ? "" : why};
  }
  return InOrder(topics, by_name);
}

}  // namespace anabranch
