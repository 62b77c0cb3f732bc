#include "connectors/kafka/kafka_options.h"

namespace anabranch {

namespace {

struct Refusal {
  std::string_view name;
  std::string_view why;
};

constexpr std::string_view kRunsCode = "it runs a command or loads a library";
constexpr std::string_view kCallback = "it is a hook for programs, not a setting";

constexpr Refusal kRefusals[] = {
    {"plugin.library.paths", kRunsCode},
    {"sasl.kerberos.kinit.cmd", kRunsCode},
    {"ssl.engine.location", kRunsCode},
    {"ssl.engine.id", kRunsCode},
    {"ssl_engine_callback_data", kRunsCode},
    {"ssl.providers", kRunsCode},
    {"interceptors", kRunsCode},
    {"enable.sasl.oauthbearer.unsecure.jwt", "it lets a client log in with a token that nobody signed"},
    {"debug", "its output holds secrets"},
    {"enable.auto.commit", "positions are committed with the results they belong to"},
    {"enable.auto.offset.store", "positions are committed with the results they belong to"},
    {"auto.commit.enable", "positions are committed with the results they belong to"},
    {"auto.commit.interval.ms", "positions are committed with the results; set \"epoch\": {\"commit_ms\": …}"},
    {"offset.store.method", "positions are committed with the results they belong to"},
    {"isolation.level", "only committed records are read"},
    {"auto.offset.reset", "a lost position is an error, never a silent jump; set \"start\" of the source"},
    {"enable.partition.eof", "\"--once\" and \"end\" decide it"},
    {"check.crcs", "it is always on"},
    {"group.id", "set \"group\" of the source"},
    {"group.instance.id", "it is the topology's name, the instance and the lane"},
    {"group.protocol.type", "the group protocol is fixed"},
    {"partition.assignment.strategy", "the client library's other strategies have known faults"},
    {"allow.auto.create.topics", "topics are never created automatically"},
    {"transactional.id", "it is the topology's name, the instance and the lane"},
    {"enable.idempotence", "it is always on"},
    {"enable.gapless.guarantee", "it stops the producer for good"},
    {"acks", "every replica in sync acknowledges"},
    {"request.required.acks", "every replica in sync acknowledges"},
    {"max.in.flight", "the order of records depends on it"},
    {"max.in.flight.requests.per.connection", "the order of records depends on it"},
    {"produce.offset.report", "nobody reads it"},
    {"delivery.report.only.error", "deliveries are counted here"},
    {"statistics.interval.ms", "metrics are made here"},
    {"log_level", "the log is this program's"},
    {"log.queue", "the log is this program's"},
    {"log.thread.name", "the log is this program's"},
    {"log.connection.close", "the log is this program's"},
    {"queuing.strategy", "the order of records depends on it"},
    {"builtin.features", "it only tells what the library can do"},
    {"internal.termination.signal", "signals are this program's"},
    {"test.mock.num.brokers", "it replaces the brokers by a mock"},
    {"opaque", kCallback},
    {"default_topic_conf", kCallback},
};

}  // namespace

std::string_view WhyRefused(std::string_view property) {
  for (const Refusal& refusal : kRefusals) {
    if (refusal.name == property) return refusal.why;
  }
  if (property.ends_with("_cb") || property.ends_with("_callback")) return kCallback;
  return {};
}

const std::vector<PropertyRule>& AllowedProperties() {
  constexpr auto kWho = PropertyScope::kConnection;
  constexpr auto kAny = PropertyScope::kClient;
  constexpr auto kIn = PropertyScope::kConsumer;
  constexpr auto kOut = PropertyScope::kProducer;
  static const std::vector<PropertyRule> rules = {
      {"bootstrap.servers", kWho, false, "Brokers to begin with, host:port, separated by commas."},
      {"metadata.broker.list", kWho, false, "Another name of bootstrap.servers."},
      {"client.id", kWho, false, "Name of this client in the brokers' logs."},
      {"client.rack", kWho, false, "Rack of this client, to read from the nearest replica."},
      {"security.protocol", kWho, false, "plaintext, ssl, sasl_plaintext or sasl_ssl."},
      {"ssl.cipher.suites", kWho, false, "Cipher suites of TLS."},
      {"ssl.curves.list", kWho, false, "Curves of TLS."},
      {"ssl.sigalgs.list", kWho, false, "Signature algorithms of TLS."},
      {"ssl.key.location", kWho, false, "File of the client's private key (PEM)."},
      {"ssl.key.password", kWho, true, "Password of the private key."},
      {"ssl.key.pem", kWho, true, "The client's private key itself (PEM)."},
      {"ssl.certificate.location", kWho, false, "File of the client's certificate (PEM)."},
      {"ssl.certificate.pem", kWho, true, "The client's certificate itself (PEM)."},
      {"ssl.ca.location", kWho, false, "File or folder of the authorities' certificates."},
      {"ssl.ca.pem", kWho, true, "The authorities' certificates themselves (PEM)."},
      {"ssl.crl.location", kWho, false, "File of revoked certificates."},
      {"ssl.keystore.location", kWho, false, "File of a PKCS#12 key store."},
      {"ssl.keystore.password", kWho, true, "Password of the key store."},
      {"enable.ssl.certificate.verification", kWho, false, "Checks the broker's certificate; off needs \"insecure\"."},
      {"ssl.endpoint.identification.algorithm", kWho, false,
       "https checks the broker's name; none needs \"insecure\"."},
      {"sasl.mechanism", kWho, false, "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, GSSAPI or OAUTHBEARER."},
      {"sasl.mechanisms", kWho, false, "Another name of sasl.mechanism."},
      {"sasl.username", kWho, false, "User name for PLAIN and SCRAM."},
      {"sasl.password", kWho, true, "Password for PLAIN and SCRAM."},
      {"sasl.kerberos.service.name", kWho, false, "Kerberos name of the brokers."},
      {"sasl.kerberos.principal", kWho, false, "Kerberos name of this client."},
      {"sasl.kerberos.keytab", kWho, false, "Kerberos key table file."},
      {"sasl.kerberos.min.time.before.relogin", kWho, false, "Milliseconds between key renewals."},
      {"sasl.oauthbearer.method", kWho, false, "default or oidc."},
      {"sasl.oauthbearer.client.id", kWho, false, "Client id for OIDC."},
      {"sasl.oauthbearer.client.secret", kWho, true, "Client secret for OIDC."},
      {"sasl.oauthbearer.scope", kWho, false, "Scope for OIDC."},
      {"sasl.oauthbearer.extensions", kWho, false, "Extensions for OIDC, key=value, separated by commas."},
      {"sasl.oauthbearer.token.endpoint.url", kWho, false, "Where OIDC tokens come from."},
      {"sasl.oauthbearer.config", kWho, true, "Configuration of SASL/OAUTHBEARER."},
      {"broker.address.family", kWho, false, "any, v4 or v6."},
      {"broker.address.ttl", kAny, false, "Milliseconds for which an address is kept."},
      {"message.max.bytes", kAny, false,
       "Largest record that a producer hands to a broker, in bytes before compression; 33554432. What a topic takes is "
       "its "
       "own limit (max.message.bytes, by default 1048588 after compression), which the broker judges: a record above "
       "it "
       "is a record error."},
      {"message.copy.max.bytes", kAny, false, "Records up to this size are copied into a request."},
      {"receive.message.max.bytes", kAny, false, "Largest answer of a broker, in bytes."},
      {"topic.metadata.refresh.interval.ms", kAny, false, "How often topics are looked at."},
      {"topic.metadata.refresh.fast.interval.ms", kAny, false, "How often while a leader is missing."},
      {"topic.metadata.propagation.max.ms", kAny, false, "How long a new topic may take to be known."},
      {"metadata.max.age.ms", kAny, false, "How long topics are remembered."},
      {"api.version.request.timeout.ms", kAny, false, "Wait for a broker to say what it can do."},
      {"socket.timeout.ms", kAny, false, "Wait for a broker's answer."},
      {"socket.send.buffer.bytes", kAny, false, "Send buffer of a socket; 0 = the system's."},
      {"socket.receive.buffer.bytes", kAny, false, "Receive buffer of a socket; 0 = the system's."},
      {"socket.keepalive.enable", kAny, false, "TCP keep-alive."},
      {"socket.nagle.disable", kAny, false, "Sends small requests at once."},
      {"socket.max.fails", kAny, false, "Timeouts until a connection is made anew."},
      {"socket.connection.setup.timeout.ms", kAny, false, "Wait for a connection to be set up."},
      {"connections.max.idle.ms", kAny, false, "Idle connections are closed after this."},
      {"reconnect.backoff.ms", kAny, false, "First wait before a connection is made anew."},
      {"reconnect.backoff.max.ms", kAny, false, "Longest wait before a connection is made anew."},
      {"session.timeout.ms", kIn, false, "A silent member of the group is given up after this; 10000."},
      {"heartbeat.interval.ms", kIn, false, "How often a member tells that it is alive; 1000."},
      {"max.poll.interval.ms", kIn, false, "A member that takes no records for this long is given up."},
      {"coordinator.query.interval.ms", kIn, false, "How often a missing coordinator is looked for."},
      {"queued.min.messages", kIn, false, "Records that are fetched ahead, per lane; 8000."},
      {"queued.max.messages.kbytes", kIn, false,
       "Memory for records fetched ahead, per lane; its share of limits.memory_bytes / 4, at most 32768."},
      {"fetch.wait.max.ms", kIn, false, "How long a broker waits for fetch.min.bytes."},
      {"fetch.min.bytes", kIn, false, "A broker answers when this much is there."},
      {"fetch.max.bytes", kIn, false, "Largest answer to a fetch."},
      {"fetch.message.max.bytes", kIn, false, "Largest answer per partition."},
      {"max.partition.fetch.bytes", kIn, false, "Another name of fetch.message.max.bytes."},
      {"fetch.error.backoff.ms", kIn, false, "Wait after a fetch that failed."},
      {"transaction.timeout.ms", kOut, false, "A transaction open for longer is aborted by the broker; 10000."},
      {"message.timeout.ms", kOut, false, "A record not delivered by then fails; below transaction.timeout.ms."},
      {"delivery.timeout.ms", kOut, false, "Another name of message.timeout.ms."},
      {"request.timeout.ms", kOut, false, "How long brokers may take to have a record replicated."},
      {"queue.buffering.max.messages", kOut, false, "Records that wait to be sent, per lane."},
      {"queue.buffering.max.kbytes", kOut, false, "Bytes that wait to be sent, per lane."},
      {"queue.buffering.max.ms", kOut, false, "Another name of linger.ms."},
      {"queue.buffering.backpressure.threshold", kOut, false, "Requests in flight beyond which records are gathered."},
      {"linger.ms", kOut, false,
       "How long records are gathered into one request. Unset: 5, and "
       "with at_least_once what was gathered is sent as soon as nothing more is available. A commit waits for no "
       "linger."},
      {"message.send.max.retries", kOut, false, "Another name of retries."},
      {"retries", kOut, false, "How often sending a record is tried again."},
      {"retry.backoff.ms", kOut, false, "Wait before sending is tried again."},
      {"compression.codec", kOut, false, "Another name of compression.type."},
      {"compression.type", kOut, false, "none, gzip, snappy, lz4 or zstd."},
      {"compression.level", kOut, false, "Level of the compression."},
      {"batch.num.messages", kOut, false, "Most records in one request per partition."},
      {"batch.size", kOut, false, "Most bytes in one request per partition."},
      {"sticky.partitioning.linger.ms", kOut, false, "How long records without a key go to the same partition."},
      {"partitioner", kOut, false, "How a key picks its partition; murmur2_random as Java clients do."},
  };
  return rules;
}

}  // namespace anabranch
