#include "connectors/kafka/kafka_producer.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <charconv>

#include "engine/clock.h"

namespace anabranch {

namespace {

constexpr int kFullQueuePollMs = 1;
constexpr int kLookMs = 500;
constexpr int kQuickFlushMs = 20;  // then brokers are slow or away, and looking often is of no use
constexpr int kSlowFlushMs = 10;

// Trying the same record again gives the same answer. A topic that is gone may come back, as it was there at the start.
bool Hopeless(int error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE: return true;
    default: return false;
  }
}

std::string Cure(int error) {
  if (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || error == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE) {
    return "; raise \"message.max.bytes\" of the connection and max.message.bytes of the topic, or write fewer fields";
  }
  if (error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) return "; grant WRITE on it to this user";
  return {};
}

// A dead letter that goes without its value still says where the record is and how long it was.
rd_kafka_headers_t* NoteValueBytes(rd_kafka_headers_t* headers, size_t bytes) {
  if (headers == nullptr) headers = rd_kafka_headers_new(1);
  const std::string text = std::to_string(bytes);
  rd_kafka_header_add(headers, kHeaderValueBytes.data(), static_cast<ssize_t>(kHeaderValueBytes.size()), text.data(),
                      static_cast<ssize_t>(text.size()));
  return headers;
}

std::string PrefixOf(const SourcePartition& partition) {
  return partition.topic + "/" + std::to_string(partition.partition) + "/";
}

KafkaClient::Settings Defaults(const LaneContext& lane, bool transactional) {
  KafkaClient::Settings settings = {
      {"client.id", "anabranch-" + lane.topology + "." + lane.instance + "." + std::to_string(lane.lane)},
      {"linger.ms", "5"},
      {"batch.num.messages", "10000"},
      {"batch.size", "1000000"},
      {"queue.buffering.max.messages", "1000000"},
      {"queue.buffering.max.kbytes", "262144"},
      {"partitioner", "murmur2_random"},
      {"reconnect.backoff.max.ms", "1000"},
      {"socket.nagle.disable", "true"}};
  if (transactional) {
    settings.emplace_back("transaction.timeout.ms", "10000");
    settings.emplace_back("message.timeout.ms", "8000");
    // A broker that still ends the last transaction refuses the positions of the next: at 100 every commit would wait.
    settings.emplace_back("retry.backoff.ms", "10");
  } else {
    settings.emplace_back("message.timeout.ms", "0");  // none: brokers may be away for long
  }
  return settings;
}

}  // namespace

std::vector<std::string> TopicsOf(const KafkaTargets& targets) {
  std::vector<std::string> topics;
  for (const auto& [id, program] : targets) {
    const std::string& topic = program->settings().topic;
    if (std::find(topics.begin(), topics.end(), topic) == topics.end()) topics.push_back(topic);
  }
  return topics;
}

std::string WhichIsGone(const KafkaClient& client, const KafkaTargets& targets) {
  const ClientOptions& options = targets.front().second->settings().options;
  for (const std::string& topic : TopicsOf(targets)) {
    if (!IsTopicMissing(client, topic, kLookMs)) continue;
    return "topic " + topic + " on " + options.Servers() +
           " is gone, waiting for it. Make it again: " + CreateTopicCommand(topic, options);
  }
  return {};
}

int64_t TransactionTimeoutNs(const ClientOptions& options) {
  int64_t ms = 10'000;
  const std::string text = options.Value("transaction.timeout.ms");
  std::from_chars(text.data(), text.data() + text.size(), ms);
  return ms * 1'000'000;
}

KafkaProducer::KafkaProducer(const LaneContext& lane, KafkaTargets targets)
    : lane_(lane),
      options_(targets.front().second->settings().options),
      servers_(options_.Servers()),
      patience_(lane.cancel) {
  for (const auto& [id, program] : targets) targets_.push_back({id, program, nullptr, {}});
}

Status KafkaProducer::Start(const std::string& transactional_id) {
  Stop();
  // Reports of every record, though only failures are looked at: a record and its headers are then freed by the thread
  // that made them. Freed by the client's threads they cost about twice the CPU, in both threads.
  KafkaClient::Settings fixed = {
      {"acks", "all"}, {"enable.idempotence", "true"}, {"delivery.report.only.error", "false"}};
  if (!transactional_id.empty()) fixed.emplace_back("transactional.id", transactional_id);
  ClientHooks hooks;
  hooks.warn = lane_.warn;
  hooks.undelivered = [this](const rd_kafka_message_t& message) {
    NoteFailure(message.err, std::string("a record for topic ") + rd_kafka_topic_name(message.rkt) + " on " + servers_ +
                                 " was not written: " + rd_kafka_err2str(message.err));
  };
  ASSIGN_OR_RETURN(client_, KafkaClient::Make(KafkaClient::Kind::kProducer, options_,
                                              Defaults(lane_, !transactional_id.empty()), fixed, std::move(hooks)));
  for (Target& target : targets_) target.topic = client_->Topic(target.program->settings().topic);
  return Status::Ok();
}

void KafkaProducer::Stop() {
  for (Target& target : targets_) target.topic.reset();
  client_.reset();
  failure_ = Status::Ok();
}

void KafkaProducer::NoteFailure(int error, std::string text) {
  // What is purged by an abort was no failure, and the first reason is the one that explains the rest.
  if (!failure_.ok() || error == RD_KAFKA_RESP_ERR__PURGE_QUEUE || error == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT) return;
  failure_ = {Hopeless(error) ? Code::kStage : Code::kAborted, std::move(text) + Cure(error)};
}

Status KafkaProducer::Write(const EncodedBatch& batch, std::span<const int64_t> progress, int64_t wait_ns) {
  const int64_t deadline = Clock::Real().NowNs() + wait_ns;
  replayed_ = batch.replayed == nullptr ? nullptr : &batch.replayed->record;
  for (Target& target : targets_) {
    if (target.id >= batch.targets.size()) continue;
    const EncodedRows& rows = batch.targets[target.id];
    for (const EncodedRows::Row& row : rows.rows) {
      if (!progress.empty()) {
        const auto [partition, offset] = batch.ReadAt(row);
        if (partition < progress.size() && AlreadyWritten(offset, progress[partition])) continue;
      }
      RETURN_IF_ERROR(Produce(target, rows, row, deadline));
    }
  }
  rd_kafka_poll(handle(), 0);
  return failure_;
}

bool KafkaProducer::Flush(int wait_ms) {
  for (int waited = 0; rd_kafka_outq_len(handle()) > 0; ++waited) {
    if (waited >= wait_ms) return false;
    const int step = waited < kQuickFlushMs ? 1 : std::min(kSlowFlushMs, wait_ms - waited);
    rd_kafka_flush(handle(), step);
    waited += step - 1;
  }
  return true;
}

Status KafkaProducer::Produce(Target& target, const EncodedRows& rows, const EncodedRows::Row& row,
                              int64_t deadline_ns) {
  rd_kafka_topic_t* topic = target.topic.get();
  const bool has_key = row.key_size != EncodedRows::kNone;
  const bool has_value = row.value_size != EncodedRows::kNone;
  // Variables, as the library's macros cast their arguments without parentheses.
  const char* key = has_key ? rows.bytes.data() + row.key : nullptr;
  const size_t key_size = has_key ? row.key_size : 0;
  char* value = has_value ? const_cast<char*>(rows.bytes.data()) + row.value : nullptr;
  size_t value_size = has_value ? row.value_size : 0;
  const int64_t timestamp = std::max<int64_t>(row.timestamp_ms, 0);
  rd_kafka_headers_t* headers = MakeHeaders(target, rows, row);
  while (true) {
    const rd_kafka_resp_err_t error =
        rd_kafka_producev(handle(), RD_KAFKA_V_RKT(topic), RD_KAFKA_V_MSGFLAGS(0), RD_KAFKA_V_KEY(key, key_size),
                          RD_KAFKA_V_VALUE(value, value_size), RD_KAFKA_V_TIMESTAMP(timestamp),
                          RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return Status::Ok();
    if (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE && target.program->settings().dead_letters && value_size > 0) {
      headers = NoteValueBytes(headers, value_size);
      value_size = 0;
      continue;
    }
    const bool full = error == RD_KAFKA_RESP_ERR__QUEUE_FULL;
    if (full && Clock::Real().NowNs() < deadline_ns && failure_.ok() && !patience_.over()) {
      rd_kafka_poll(handle(), kFullQueuePollMs);
      continue;
    }
    if (headers != nullptr) rd_kafka_headers_destroy(headers);
    if (!failure_.ok()) return failure_;
    const std::string text = "record " + std::string(RecordId(target, row)) + " was not taken for topic " +
                             target.program->settings().topic + " on " + servers_ + ": " + ErrorText(error) +
                             Cure(error);
    return {full ? Code::kTimedOut : Hopeless(error) ? Code::kStage : Code::kAborted, text};
  }
}

rd_kafka_headers_t* KafkaProducer::MakeHeaders(Target& target, const EncodedRows& rows, const EncodedRows::Row& row) {
  if (target.program->settings().headers == ResultHeaders::kNone) return nullptr;
  rd_kafka_headers_t* headers = rd_kafka_headers_new(8);
  const auto add = [headers](std::string_view name, std::string_view value) {
    rd_kafka_header_add(headers, name.data(), static_cast<ssize_t>(name.size()), value.data(),
                        static_cast<ssize_t>(value.size()));
  };
  if (!target.program->settings().dead_letters) {
    const std::string_view id = RecordId(target, row);
    add(kHeaderId, id);
    if (target.program->settings().envelope == "cloudevents") add(kHeaderCloudEventId, id);
  }
  rows.ForEachHeader(row, add);
  return headers;
}

std::string_view KafkaProducer::RecordId(Target& target, const EncodedRows::Row& row) {
  if (replayed_ != nullptr) {
    id_ = PrefixOf(replayed_->at(row.partition));
  } else {
    if (target.id_prefix.size() <= row.partition) target.id_prefix.resize(row.partition + size_t{1});
    std::string& prefix = target.id_prefix[row.partition];
    if (prefix.empty()) prefix = PrefixOf(lane_.partitions->at(row.partition));
    id_.assign(prefix);
  }
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, row.offset).ptr;
  id_.append(digits, end);
  id_.push_back('/');
  id_.append(target.program->settings().node_id);
  return id_;
}

}  // namespace anabranch
