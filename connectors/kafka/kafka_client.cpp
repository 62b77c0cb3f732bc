#include "connectors/kafka/kafka_client.h"

#include <librdkafka/rdkafka.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <future>
#include <system_error>
#include <thread>

#include "engine/clock.h"
#include "engine/lane_context.h"

namespace anabranch {

namespace {

constexpr int kLookAgainMs = 100;
constexpr int64_t kWarningGapNs = 10'000'000'000;
constexpr int64_t kDrainWaitNs = 5'000'000'000;
constexpr int64_t kNapNs = 50'000'000;
constexpr auto kEndConsumerWait = std::chrono::seconds(2);
constexpr auto kEndProducerWait = std::chrono::seconds(30);
constexpr char kFailedTransaction[] = "Current transaction failed";
constexpr char kWatch[] = "anabranch";
constexpr int kScramOnKafka4 = 0x020601ff;  // older ones send a nonce that is not the one of RFC 5802
constexpr int kMetadata = 3;                // of the protocol, as below
constexpr int kEndTxn = 26;
constexpr int kTxnOffsetCommit = 28;

void OnError(rd_kafka_t* /*client*/, int error, const char* reason, void* opaque) {
  static_cast<KafkaClient*>(opaque)->NoteError(error, reason);
}

void OnLog(const rd_kafka_t* client, int level, const char* /*facility*/, const char* text) {
  if (client == nullptr) return;
  auto* self = static_cast<KafkaClient*>(rd_kafka_opaque(client));
  if (self != nullptr) self->NoteLog(level, text);
}

void OnRebalance(rd_kafka_t* /*client*/, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* partitions,
                 void* opaque) {
  static_cast<KafkaClient*>(opaque)->hooks().rebalance(error, partitions);
}

void OnDelivery(rd_kafka_t* /*client*/, const rd_kafka_message_t* message, void* opaque) {
  const ClientHooks& hooks = static_cast<KafkaClient*>(opaque)->hooks();
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    hooks.undelivered(*message);
  } else if (hooks.delivered) {
    hooks.delivered(*message);
  }
}

rd_kafka_resp_err_t OnRequest(rd_kafka_t* /*client*/, int socket, const char* /*broker*/, int32_t /*broker_id*/,
                              int16_t api, int16_t /*version*/, int32_t /*correlation*/, size_t /*size*/,
                              void* opaque) {
  auto* const client = static_cast<KafkaClient*>(opaque);
  client->NoteRequest(api);
  if (client->hooks().reach) client->hooks().reach->Sent(socket);
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t OnNew(rd_kafka_t* client, const rd_kafka_conf_t* /*conf*/, void* opaque, char* /*text*/,
                          size_t /*size*/) {
  return rd_kafka_interceptor_add_on_request_sent(client, kWatch, OnRequest, opaque);
}

int OnClose(int socket, void* opaque) {
  const auto* const client = static_cast<KafkaClient*>(opaque);
  if (client->hooks().reach) client->hooks().reach->Closed(socket);
  return close(socket) == 0 ? 0 : errno;
}

int OnCertificate(rd_kafka_t* /*client*/, const char* broker, int32_t /*broker_id*/, int* x509_error, int /*depth*/,
                  const char* /*der*/, size_t /*size*/, char* text, size_t text_size, void* opaque) {
  if (*x509_error == 0) return 1;
  static_cast<KafkaClient*>(opaque)->NoteCertificate(*x509_error, broker);
  std::snprintf(text, text_size, "OpenSSL's error %d", *x509_error);
  return 0;
}

// By OpenSSL's X509_V_ERR numbers, which never change.
std::string CertificateFault(int x509_error, const std::string& broker) {
  switch (x509_error) {
    case 62:
    case 64:
      return "the certificate of broker " + broker +
             " was made for another name; in \"bootstrap.servers\" use a name that is in the certificate, and have the "
             "broker advertise such a name (advertised.listeners)";
    case 10: return "the certificate of broker " + broker + " has expired; renew it on the broker";
    case 9:
      return "the certificate of broker " + broker +
             " is not valid yet; check the clock of this machine and of the broker";
    case 2:
    case 18:
    case 19:
    case 20:
    case 21:
      return "the certificate of broker " + broker +
             " was signed by an authority that is not trusted here; set \"ssl.ca.location\" of the connection to the "
             "file "
             "with that authority's certificate";
    case 23: return "the certificate of broker " + broker + " was revoked; replace it on the broker";
    default:
      return "the certificate of broker " + broker + " is not accepted (OpenSSL's error " + std::to_string(x509_error) +
             ", see openssl-verification-options(1))";
  }
}

std::atomic<bool> any_abandoned{false};

Status Apply(rd_kafka_conf_t* conf, const std::string& name, const std::string& value, bool ours) {
  char text[512];
  if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), text, sizeof text) == RD_KAFKA_CONF_OK) return Status::Ok();
  // The library's text repeats the value, which may be a secret.
  return {ours ? Code::kInternal : Code::kInvalid, "the value of Kafka property \"" + name + "\" is not accepted"};
}

bool ForKind(PropertyScope scope, KafkaClient::Kind kind) {
  if (scope == PropertyScope::kConsumer) return kind == KafkaClient::Kind::kConsumer;
  if (scope == PropertyScope::kProducer) return kind == KafkaClient::Kind::kProducer;
  return true;
}

// Nothing yet while the brokers do not answer.
struct TopicLook {
  int error = RD_KAFKA_RESP_ERR__TRANSPORT;
  TopicFacts facts;
};

TopicFacts FactsOf(const rd_kafka_metadata_topic_t& topic) {
  TopicFacts facts{.partitions = topic.partition_cnt};
  for (int i = 0; i < topic.partition_cnt; ++i) {
    const rd_kafka_metadata_partition_t& partition = topic.partitions[i];
    facts.replicas = i == 0 ? partition.replica_cnt : std::min(facts.replicas, partition.replica_cnt);
    if (partition.leader < 0) ++facts.leaderless;
  }
  return facts;
}

TopicLook LookAt(const KafkaClient& client, const std::string& topic, int wait_ms) {
  TopicLook look;
  const KafkaTopic handle = client.Topic(topic);
  const rd_kafka_metadata_t* metadata = nullptr;
  look.error = rd_kafka_metadata(client.get(), 0, handle.get(), &metadata, wait_ms);
  if (look.error == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topic_cnt == 1) {
    look.error = metadata->topics[0].err;
    look.facts = FactsOf(metadata->topics[0]);
  }
  if (metadata != nullptr) rd_kafka_metadata_destroy(metadata);
  return look;
}

// Its consumers have no "fetch.queue.backoff.ms".
bool SleepsWhenFull() { return rd_kafka_version() < 0x020200ff; }

std::string SettingOf(rd_kafka_t* handle, const char* name) {
  char value[64] = "";
  size_t size = sizeof value;
  const bool known = rd_kafka_conf_get(rd_kafka_conf(handle), name, value, &size) == RD_KAFKA_CONF_OK;
  return known ? value : "";
}

bool LogsInByTicket(rd_kafka_t* handle) {
  return SettingOf(handle, "security.protocol").starts_with("sasl") && SettingOf(handle, "sasl.mechanism") == "GSSAPI";
}

bool IsMissing(int error) {
  return error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
}

}  // namespace

bool Patience::over() {
  if (interrupted_.load(std::memory_order_relaxed)) return true;
  if (cancel_ == nullptr || !cancel_->draining()) return false;
  const int64_t now = Clock::Real().NowNs();
  if (draining_since_ns_ == 0) draining_since_ns_ = now;
  return cancel_->now() || now - draining_since_ns_ >= kDrainWaitNs;
}

void Patience::Pause(int64_t ns) {
  const int64_t until = Clock::Real().NowNs() + ns;
  for (int64_t left = ns; left > 0 && !over(); left = until - Clock::Real().NowNs()) {
    std::this_thread::sleep_for(std::chrono::nanoseconds(std::min(left, kNapNs)));
  }
}

Status Patience::Over(const std::string& undone) const {
  if (cancel_ != nullptr && cancel_->now()) return {Code::kCancelled, "stopped"};
  return {Code::kRetry, "given up while the brokers were away: " + undone};
}

void KafkaDeleter::operator()(rd_kafka_conf_s* conf) const { rd_kafka_conf_destroy(conf); }
void KafkaDeleter::operator()(rd_kafka_topic_s* topic) const { rd_kafka_topic_destroy(topic); }
void KafkaDeleter::operator()(rd_kafka_error_s* error) const { rd_kafka_error_destroy(error); }
void KafkaDeleter::operator()(rd_kafka_topic_partition_list_s* list) const {
  rd_kafka_topic_partition_list_destroy(list);
}
void KafkaDeleter::operator()(rd_kafka_consumer_group_metadata_s* metadata) const {
  rd_kafka_consumer_group_metadata_destroy(metadata);
}

std::string ErrorText(int error) {
  const auto code = static_cast<rd_kafka_resp_err_t>(error);
  return std::string(rd_kafka_err2name(code)) + ": " + rd_kafka_err2str(code);
}

KafkaClient::KafkaClient(Kind kind, const ClientOptions& options, ClientHooks hooks)
    : kind_(kind),
      hooks_(std::move(hooks)),
      servers_(options.Servers()),
      mechanism_(options.Value("sasl.mechanism", options.Value("sasl.mechanisms", "GSSAPI"))),
      protocol_(options.Value("security.protocol", "plaintext")),
      user_(options.Value("sasl.username")),
      password_(options.Value("sasl.password")) {}

Result<std::shared_ptr<KafkaClient>> KafkaClient::Make(Kind kind, const ClientOptions& options,
                                                       const Settings& defaults, const Settings& fixed,
                                                       ClientHooks hooks) {
  RETURN_IF_ERROR(CheckLibraryVersion());
  std::shared_ptr<KafkaClient> client(new KafkaClient(kind, options, std::move(hooks)), End);
  std::unique_ptr<rd_kafka_conf_s, KafkaDeleter> conf(rd_kafka_conf_new());
  for (const auto& [name, value] : defaults) RETURN_IF_ERROR(Apply(conf.get(), name, value, true));
  if (kind == Kind::kConsumer && !SleepsWhenFull()) {
    RETURN_IF_ERROR(Apply(conf.get(), "fetch.queue.backoff.ms", "5", true));
  }
  for (const ClientOptions::Property& property : options.properties) {
    if (ForKind(property.scope, kind)) RETURN_IF_ERROR(Apply(conf.get(), property.name, property.value, false));
  }
  for (const auto& [name, value] : fixed) RETURN_IF_ERROR(Apply(conf.get(), name, value, true));
  RETURN_IF_ERROR(Apply(conf.get(), "log.queue", "true", true));
  rd_kafka_conf_set_opaque(conf.get(), client.get());
  rd_kafka_conf_set_error_cb(conf.get(), OnError);
  rd_kafka_conf_interceptor_add_on_new(conf.get(), kWatch, OnNew, client.get());
  rd_kafka_conf_set_log_cb(conf.get(), OnLog);
  rd_kafka_conf_set_closesocket_cb(conf.get(), OnClose);
  rd_kafka_conf_set_ssl_cert_verify_cb(conf.get(), OnCertificate);
  if (client->hooks_.rebalance) rd_kafka_conf_set_rebalance_cb(conf.get(), OnRebalance);
  if (client->hooks_.undelivered) rd_kafka_conf_set_dr_msg_cb(conf.get(), OnDelivery);
  char text[512];
  const auto type = kind == Kind::kConsumer ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER;
  client->handle_ = rd_kafka_new(type, conf.get(), text, sizeof text);
  if (client->handle_ == nullptr) {
    return Status(Code::kInvalid,
                  "connection \"" + options.connection + "\": the Kafka client refuses its properties: " + text);
  }
  conf.release();  // the client owns it now
  client->can_fetch_on_ = SleepsWhenFull() && !LogsInByTicket(client->handle_);
  rd_kafka_set_log_queue(client->handle_, nullptr);
  return client;
}

void KafkaClient::End(KafkaClient* client) {
  const bool consumer = client->kind_ == Kind::kConsumer;
  const auto warn = client->hooks_.warn;
  const std::string servers = client->servers_;
  const auto end = [client] {
    if (client->handle_ != nullptr) rd_kafka_destroy_flags(client->handle_, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    delete client;
  };
  std::packaged_task<void()> task(end);
  const std::future<void> ended = task.get_future();
  try {
    std::thread(std::move(task)).detach();
  } catch (const std::system_error&) {
    return end();
  }
  if (ended.wait_for(consumer ? kEndConsumerWait : kEndProducerWait) == std::future_status::ready) return;
  if (!consumer) {
    std::fputs(
        "anabranch: a Kafka producer did not end within 30 s, so this process ends. Nothing is lost: run it again.\n",
        stderr);
    _exit(75);
  }
  any_abandoned = true;
  if (warn) warn("kafka " + servers + ": a client did not end within 2 s and is abandoned; the run goes on without it");
}

bool KafkaClient::AnyAbandoned() { return any_abandoned; }

void KafkaClient::NoteRequest(int api) {
  if (api == kMetadata) asked_metadata_.store(true, std::memory_order_relaxed);
  if (api == kEndTxn) ++ends_;
  if (api == kTxnOffsetCommit) ++positions_;
}

bool KafkaClient::TakeSentAgain() {
  const int ends = ends_.exchange(0);
  const int positions = positions_.exchange(0);
  return ends > 1 || positions > 1;
}

// The one public call that wakes the threads of a consumer's brokers and does nothing else: the credentials are those
// they have.
void KafkaClient::FetchOn() {
#if RD_KAFKA_VERSION >= 0x020000ff
  if (!can_fetch_on_) return;
  const KafkaError error(rd_kafka_sasl_set_credentials(handle_, user_.c_str(), password_.c_str()));
#endif
}

KafkaTopic KafkaClient::Topic(const std::string& name) const {
  return KafkaTopic(rd_kafka_topic_new(handle_, name.c_str(), nullptr));
}

int KafkaClient::FatalError(std::string* text) const {
  char buffer[512];
  const int error = rd_kafka_fatal_error(handle_, buffer, sizeof buffer);
  if (error != 0 && text != nullptr) *text = buffer;
  return error;
}

void KafkaClient::NoteError(int error, const char* reason) {
  const int64_t now = Clock::Real().NowNs();
  std::string line;
  {
    const MutexLock lock(mutex_);
    // "All brokers down" follows the reason why and says less.
    if (error != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || reason_.empty()) {
      error_ = error;
      reason_ = reason == nullptr ? rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(error)) : reason;
    }
    if (error == RD_KAFKA_RESP_ERR__AUTHENTICATION || error == RD_KAFKA_RESP_ERR__SSL) refused_ = true;
    if (error == RD_KAFKA_RESP_ERR__SSL && !certificate_.empty()) reason_ = certificate_;
    if (now < next_warning_ns_) return;
    next_warning_ns_ = now + kWarningGapNs;
    line = reason_;
  }
  if (hooks_.warn) hooks_.warn("kafka " + servers_ + ": " + line);
}

void KafkaClient::NoteCertificate(int x509_error, const char* broker) {
  const MutexLock lock(mutex_);
  certificate_ = CertificateFault(x509_error, broker);
}

void KafkaClient::NoteLog(int level, const char* text) {
  constexpr int kError = 3;
  // Of a transaction that failed its owner says more.
  if (level > kError || !hooks_.warn || std::strstr(text, kFailedTransaction) != nullptr) return;
  {
    const MutexLock lock(mutex_);
    const int64_t now = Clock::Real().NowNs();
    if (now < next_warning_ns_) return;
    next_warning_ns_ = now + kWarningGapNs;
  }
  hooks_.warn("kafka " + servers_ + ": " + text);
}

std::string KafkaClient::Complaint() const {
  const MutexLock lock(mutex_);
  switch (error_) {
    case 0: return "no answer";
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
      return "the log-in with \"sasl.mechanism\" " + mechanism_ + " was refused (" + reason_ +
             "); look at \"sasl.mechanism\", \"sasl.username\" and \"sasl.password\" of the connection" +
             (mechanism_.starts_with("SCRAM") && rd_kafka_version() < kScramOnKafka4
                  ? std::string(". Brokers of Kafka 4 refuse SCRAM from this librdkafka ") + rd_kafka_version_str() +
                        ": use 2.6.1 or newer, or another mechanism"
                  : std::string());
    case RD_KAFKA_RESP_ERR__SSL:
      if (!certificate_.empty()) return certificate_;
      return "TLS failed (" + reason_ + "); look at \"security.protocol\" and \"ssl.ca.location\" of the connection";
    case RD_KAFKA_RESP_ERR__RESOLVE: return reason_ + "; look at \"bootstrap.servers\" of the connection";
    default:
      if (reason_.find("Connection refused") != std::string::npos) {
        return "nobody listens there (" + reason_ +
               "); start the broker, or correct \"bootstrap.servers\" of the connection";
      }
      // A broker that expects no TLS hangs up in the middle of it.
      if (reason_.find("SSL_HANDSHAKE") != std::string::npos) {
        return "TLS failed (" + reason_ +
               "); the listener may not speak TLS: look at \"security.protocol\" of the connection, "
               "it is \"" +
               protocol_ + "\"";
      }
      return reason_ + (reason_.find("security.protocol") == std::string::npos
                            ? std::string()
                            : " (it is \"" + protocol_ + "\" in the connection)");
  }
}

std::string KafkaTool(const std::string& tool, const ClientOptions& options) {
  const std::string servers = options.Servers();
  return tool + " --bootstrap-server " + servers.substr(0, servers.find(','));
}

std::string CreateTopicCommand(const std::string& topic, const ClientOptions& options) {
  return KafkaTool("kafka-topics.sh", options) + " --create --topic " + topic + " --partitions 4";
}

std::string HowToMakeTopic(const std::string& topic, const ClientOptions& options, const std::string& make_command) {
  return (make_command.empty() ? "" : make_command + ", or ") + CreateTopicCommand(topic, options);
}

Result<std::vector<int>> CountPartitions(const ClientOptions& options, std::span<const std::string> topics,
                                         int64_t wait_ns, const LaneContext& lane) {
  ASSIGN_OR_RETURN(const std::vector<TopicFacts> found, FindTopics(options, topics, wait_ns, lane.cancel, lane.warn));
  std::vector<int> counts;
  std::string missing;
  for (size_t i = 0; i < found.size(); ++i) {
    counts.push_back(found[i].partitions);
    if (counts[i] != 0) continue;
    missing += (missing.empty() ? "" : "; ") + ("topic \"" + topics[i] + "\" does not exist on " + options.Servers()) +
               "; make it: " + HowToMakeTopic(topics[i], options, lane.make_command);
  }
  return missing.empty() ? Result<std::vector<int>>(counts) : Status(Code::kUnavailable, missing);
}

Result<std::vector<TopicFacts>> FindTopics(const ClientOptions& options, std::span<const std::string> topics,
                                           int64_t wait_ns, const CancelToken* cancel,
                                           const std::function<void(const std::string&)>& warn,
                                           int64_t missing_wait_ns) {
  // A consumer, as a producer's look at a topic may make it.
  ClientHooks hooks;
  hooks.warn = warn;
  ASSIGN_OR_RETURN(const std::shared_ptr<KafkaClient> client,
                   KafkaClient::Make(KafkaClient::Kind::kConsumer, options, {{"reconnect.backoff.max.ms", "500"}},
                                     {{"allow.auto.create.topics", "false"}}, std::move(hooks)));
  const int64_t deadline = Clock::Real().NowNs() + wait_ns;
  const int64_t missing_until = Clock::Real().NowNs() + missing_wait_ns;
  std::vector<TopicFacts> found;
  while (found.size() < topics.size()) {
    if (cancel != nullptr && cancel->draining()) return Status(Code::kCancelled, "stopped while connecting");
    const std::string& topic = topics[found.size()];
    const TopicLook look = LookAt(*client, topic, 250);
    rd_kafka_poll(client->get(), 0);
    if (look.error == RD_KAFKA_RESP_ERR_NO_ERROR && look.facts.partitions > 0) {
      found.push_back(look.facts);
    } else if (IsMissing(look.error) && Clock::Real().NowNs() < missing_until) {
      rd_kafka_poll(client->get(), kLookAgainMs);  // perhaps it is just being made
    } else if (IsMissing(look.error)) {
      found.emplace_back();
    } else if (look.error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
      return Status(Code::kUnavailable, "topic \"" + topic + "\" may not be seen by this user on " + options.Servers() +
                                            "; grant DESCRIBE, READ and WRITE on it as needed");
    } else if (client->refused() || Clock::Real().NowNs() >= deadline) {
      return BrokersAway(*client, options);
    }
  }
  return found;
}

Status BrokersAway(const KafkaClient& client, const ClientOptions& options) {
  return {Code::kUnavailable, "Kafka brokers " + options.Servers() + " (connection \"" + options.connection +
                                  "\") cannot be used: " + client.Complaint()};
}

bool IsTopicMissing(const KafkaClient& client, const std::string& topic, int wait_ms) {
  return IsMissing(LookAt(client, topic, wait_ms).error);
}

Status CheckLibraryVersion() {
  struct Bad {
    int version;
    const char* why;
  };
  constexpr Bad kBad[] = {
      {0x020500ff, "it stops the program when brokers ask for telemetry"},
      {0x020600ff, "it cannot read from brokers below 2.7"},
      {0x020a00ff, "it connects anew for ever when no broker answers"},
  };
  const int version = rd_kafka_version();
  for (const Bad& bad : kBad) {
    if (bad.version == version) {
      return {Code::kUnavailable, std::string("librdkafka ") + rd_kafka_version_str() + " cannot be used: " + bad.why +
                                      "; install the next patch release"};
    }
  }
  return Status::Ok();
}

}  // namespace anabranch
