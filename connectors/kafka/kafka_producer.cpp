#include "connectors/kafka/kafka_producer.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "engine/clock.h"

namespace anabranch {

namespace {

constexpr int kFullQueuePollMs = 1;
constexpr int kLookMs = 500;
constexpr int kQuickFlushMs = 20;  // then brokers are slow or away, and looking often is of no use
constexpr int kSlowFlushMs = 10;

constexpr char kBatchBytes[] = "1000000";
constexpr size_t kLeastBatchBytes = 4096;
constexpr size_t kMostRefused = 64;  // of one judgement
constexpr int64_t kJudgeNs = 5'000'000'000;
constexpr int kPartMs = 10'000;
constexpr int kLearnMs = 500;

bool TooLarge(int error) {
  return error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || error == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE;
}

// It is about what is in the records, not about their topic or the brokers.
bool OfRecords(int error) {
  return TooLarge(error) || error == RD_KAFKA_RESP_ERR_INVALID_RECORD || error == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP;
}

// Trying again, with this record or another, gives the same answer. A topic that is gone may come back, as it was there
// at the start.
bool Hopeless(int error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE: return true;
    default: return false;
  }
}

std::string Cure(int error) {
  if (TooLarge(error)) return "; raise max.message.bytes of the topic, or write fewer fields";
  if (error == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP) {
    return "; message.timestamp.before.max.ms and message.timestamp.after.max.ms of the topic say which it takes";
  }
  if (error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) return "; grant WRITE on it to this user";
  return {};
}

std::string PrefixOf(const SourcePartition& partition) {
  return partition.topic + "/" + std::to_string(partition.partition) + "/";
}

KafkaClient::Settings Defaults(const LaneContext& lane, bool transactional) {
  KafkaClient::Settings settings = {
      {"client.id", "anabranch-" + lane.topology + "." + lane.instance + "." + std::to_string(lane.lane)},
      {"linger.ms", "5"},
      {"batch.num.messages", "10000"},
      {"batch.size", kBatchBytes},
      // Only a bound of one record: the topic's own limit is judged by the broker, after compression.
      {"message.max.bytes", "33554432"},
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

std::vector<TargetProgress> ForEach(const KafkaTargets& targets, const std::vector<int64_t>& next,
                                    const std::vector<Scoring>& scoring) {
  std::vector<TargetProgress> progress;
  for (const auto& [id, program] : targets) progress.push_back({id, next, scoring});
  return progress;
}

std::string WhichIsGone(const KafkaClient& client, const KafkaTargets& targets, const std::string& make_command) {
  const ClientOptions& options = targets.front().second->settings().options;
  for (const std::string& topic : TopicsOf(targets)) {
    if (!IsTopicMissing(client, topic, kLookMs)) continue;
    return "topic " + topic + " on " + options.Servers() +
           " is gone, waiting for it. Make it again: " + HowToMakeTopic(topic, options, make_command);
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
      reach_(std::make_shared<KafkaReach>(servers_)),
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
  hooks.reach = reach_;
  hooks.undelivered = [this](const rd_kafka_message_t& message) { NoteUndelivered(message); };
  if (batch_bytes_ > 0) fixed.emplace_back("batch.size", std::to_string(batch_bytes_));
  ASSIGN_OR_RETURN(client_, KafkaClient::Make(KafkaClient::Kind::kProducer, options_,
                                              Defaults(lane_, !transactional_id.empty()), fixed, std::move(hooks)));
  for (Target& target : targets_) target.topic = client_->Topic(target.program->settings().topic);
  return Status::Ok();
}

void KafkaProducer::LearnTopics() {
  for (const Target& target : targets_) {
    const rd_kafka_metadata_t* metadata = nullptr;
    if (rd_kafka_metadata(handle(), 0, target.topic.get(), &metadata, kLearnMs) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
    rd_kafka_metadata_destroy(metadata);
  }
}

void KafkaProducer::Stop() {
  for (Target& target : targets_) target.topic.reset();
  client_.reset();
  failure_ = Status::Ok();
  suspects_.clear();
  written_.clear();
}

void KafkaProducer::NoteUndelivered(const rd_kafka_message_t& message) {
  // What is purged by an abort was no failure.
  const int error = message.err;
  if (error == RD_KAFKA_RESP_ERR__PURGE_QUEUE || error == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT) return;
  const auto* row = static_cast<const EncodedRows::Row*>(message._private);
  const auto holds = [row](const Sent& batch) {
    const std::vector<EncodedRows::Row>& rows = batch.rows->rows;
    return !rows.empty() && row >= rows.data() && row <= &rows.back();
  };
  const bool of_records = OfRecords(error), hopeless = Hopeless(error);
  const auto batch = of_records || hopeless ? std::ranges::find_if(written_, holds) : written_.end();
  if (of_records) suspected_of_ = error;
  if (of_records && batch != written_.end()) suspects_.push_back({batch->target, batch->rows, row, batch->replayed});
  // The first reason is the one that explains the rest; but what befell others than suspects is not theirs.
  const bool suspect = of_records && batch != written_.end();
  if (!failure_.ok() && (suspect || !failure_of_suspects_)) return;
  failure_of_suspects_ = suspect;
  if (hopeless && batch != written_.end()) failed_target_ = targets_[batch->target].id;
  failure_ = {hopeless ? Code::kStage : Code::kAborted,
              std::string("a record for topic ") + rd_kafka_topic_name(message.rkt) + " on " + servers_ +
                  " was not written: " + rd_kafka_err2str(message.err) + Cure(error)};
}

std::vector<KafkaProducer::Sent> KafkaProducer::TakeSuspects() {
  if (!suspects_.empty() && failure_of_suspects_ && failure_.code() == Code::kAborted) failure_ = Status::Ok();
  return std::exchange(suspects_, {});
}

std::vector<RefusedRow> KafkaProducer::TakeRefused() { return std::exchange(refused_, {}); }

bool KafkaProducer::ShrinkBatches() {
  if (!TooLarge(suspected_of_)) return false;
  if (batch_bytes_ == 0) batch_bytes_ = std::strtoul(options_.Value("batch.size", kBatchBytes).c_str(), nullptr, 10);
  if (batch_bytes_ <= kLeastBatchBytes) return false;
  batch_bytes_ = std::max(std::min(batch_bytes_, suspected_bytes_) / 2, kLeastBatchBytes);
  return true;
}

void KafkaProducer::Refuse(const Sent& sent, int error) {
  Target& target = targets_[sent.target];
  replayed_ = sent.replayed;
  const SourceTable& table = sent.replayed != nullptr ? *sent.replayed : *lane_.partitions;
  RefusedRow refused{target.id, table.at(sent.row->partition), sent.row->offset, RefusedRow::Why::kContent, {}};
  if (TooLarge(error)) refused.why = RefusedRow::Why::kSize;
  if (error == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP) refused.why = RefusedRow::Why::kTimestamp;
  refused.reason = "topic " + target.program->settings().topic + " on " + servers_ + " refuses record " +
                   std::string(RecordId(target, *sent.row)) + ": " + ErrorText(error) + Cure(error);
  refused_.push_back(std::move(refused));
}

// First in parts of about the root of their number, then one by one within a part that was refused: of n suspects a
// single bad one is found in two transactions and about twice the root of n round trips.
Result<bool> KafkaProducer::Judge(const std::vector<Sent>& suspects, const Send& send) {
  const int64_t deadline = Clock::Real().NowNs() + kJudgeNs;
  const std::span<const Sent> all(suspects);
  suspected_bytes_ = 0;
  for (const Sent& sent : all) {
    const EncodedRows::Row& row = *sent.row;
    for (const uint32_t size : {row.key_size, row.value_size, row.headers_size}) {
      if (size != EncodedRows::kNone) suspected_bytes_ += size;
    }
  }
  const auto step = std::max<size_t>(1, static_cast<size_t>(std::sqrt(all.size())));
  const size_t before = refused_.size();
  // At least one is found, however slow the brokers are: the next try would be as slow.
  const auto enough = [&] {
    const bool late = refused_.size() > before && Clock::Real().NowNs() > deadline;
    return refused_.size() >= before + kMostRefused || late || patience_.over();
  };
  size_t at = 0;  // everything before it is judged
  while (at < all.size() && !enough()) {
    ASSIGN_OR_RETURN(const std::optional<size_t> part, send(all.subspan(at), step));
    if (!part) return true;
    at += *part * step;
    const size_t end = std::min(at + step, all.size());
    while (at < end && !enough()) {
      ASSIGN_OR_RETURN(const std::optional<size_t> one, send(all.subspan(at, end - at), 1));
      at = one ? at + *one + 1 : end;
      if (one) Refuse(all[at - 1], suspected_of_);
    }
  }
  return at == all.size();
}

Result<std::optional<size_t>> KafkaProducer::SendInParts(std::span<const Sent> rows, size_t step) {
  for (size_t begin = 0; begin < rows.size(); begin += step) {
    const auto part = rows.subspan(begin, std::min(step, rows.size() - begin));
    written_.assign(part.begin(), part.end());
    for (const Sent& sent : part) {
      replayed_ = sent.replayed;
      const Status produced = Produce(sent.target, *sent.rows, *sent.row, INT64_MAX);
      if (!produced.ok()) return Status(Code::kAborted, produced.message());
    }
    const bool answered = Flush(kPartMs);
    if (!TakeSuspects().empty()) return std::optional<size_t>(begin / step);
    RETURN_IF_ERROR(failure_);
    if (!answered) return Status(Code::kAborted, "brokers " + servers_ + " do not answer");
  }
  return std::optional<size_t>();
}

Status KafkaProducer::Write(const EncodedBatch& batch, const Skip& skip, int64_t wait_ns) {
  const int64_t deadline = Clock::Real().NowNs() + wait_ns;
  wrote_all_ = false;
  replayed_ = batch.replayed == nullptr ? nullptr : &batch.replayed->record;
  for (size_t index = 0; index < targets_.size(); ++index) {
    const TargetId id = targets_[index].id;
    if (id >= batch.targets.size() || batch.targets[id].rows.empty()) continue;
    const EncodedRows& rows = batch.targets[id];
    written_.push_back({index, &rows, nullptr, replayed_});
    for (const EncodedRows::Row& row : rows.rows) {
      if (skip && skip(id, row)) continue;
      RETURN_IF_ERROR(Produce(index, rows, row, deadline));
    }
  }
  wrote_all_ = true;
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

Status KafkaProducer::Produce(size_t index, const EncodedRows& rows, const EncodedRows::Row& row, int64_t deadline_ns) {
  Target& target = targets_[index];
  rd_kafka_topic_t* topic = target.topic.get();
  const bool has_key = row.key_size != EncodedRows::kNone;
  const bool has_value = row.value_size != EncodedRows::kNone;
  // Variables, as the library's macros cast their arguments without parentheses.
  const char* key = has_key ? rows.bytes.data() + row.key : nullptr;
  const size_t key_size = has_key ? row.key_size : 0;
  char* value = has_value ? const_cast<char*>(rows.bytes.data()) + row.value : nullptr;
  const size_t value_size = has_value ? row.value_size : 0;
  const int64_t timestamp = std::max<int64_t>(row.timestamp_ms, 0);
  void* opaque = const_cast<EncodedRows::Row*>(&row);
  rd_kafka_headers_t* headers = MakeHeaders(target, rows, row);
  while (true) {
    const rd_kafka_resp_err_t error =
        rd_kafka_producev(handle(), RD_KAFKA_V_RKT(topic), RD_KAFKA_V_MSGFLAGS(0), RD_KAFKA_V_KEY(key, key_size),
                          RD_KAFKA_V_VALUE(value, value_size), RD_KAFKA_V_TIMESTAMP(timestamp),
                          RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(opaque), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return Status::Ok();
    const bool full = error == RD_KAFKA_RESP_ERR__QUEUE_FULL;
    if (full && Clock::Real().NowNs() < deadline_ns && failure_.ok() && !patience_.over()) {
      rd_kafka_poll(handle(), kFullQueuePollMs);
      continue;
    }
    if (headers != nullptr) rd_kafka_headers_destroy(headers);
    if (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
      Refuse({index, &rows, &row, replayed_}, error);
      return Status::Ok();
    }
    if (!failure_.ok()) return failure_;
    const std::string text = "record " + std::string(RecordId(target, row)) + " was not taken for topic " +
                             target.program->settings().topic + " on " + servers_ + ": " + ErrorText(error) +
                             Cure(error);
    if (Hopeless(error)) failed_target_ = target.id;
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
