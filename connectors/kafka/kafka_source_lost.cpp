// The part of a Kafka source that finds out that it reads on where it must not, and where to go on then.
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <set>

#include "connectors/kafka/kafka_source.h"
#include "engine/clock.h"

namespace anabranch {

namespace {

constexpr int64_t kWatchGapNs = 5'000 * kNsPerMs;
constexpr int64_t kWatchAgainNs = 100 * kNsPerMs;
constexpr int64_t kMissingNs = 15'000 * kNsPerMs;
constexpr int kWatchAskMs = 500;
constexpr int kWatchLookMs = 5'000;

}  // namespace

std::string KafkaSource::SetPositionCommand(PartitionId partition, int64_t position) const {
  const SourcePartition& of = lane_.partitions->at(partition);
  return "kafka-consumer-groups.sh --bootstrap-server " + settings_->options.Servers() + " --group " + group_ +
         " --topic " + of.topic + ":" + std::to_string(of.partition) + " --reset-offsets --to-offset " +
         std::to_string(position) + " --execute";
}

// Brokers delete a topic's positions, of all groups, with the topic. Made again under its name, it looks like the same
// one, and the client would read on in the middle of it. So the group is asked whether it still has our positions:
// every few seconds, and before another row is handed out once the client had to ask where a partition is.
void KafkaSource::Watch() {
  const bool asked = client_->TakeAskedMetadata();
  if (settings_->read_back || watched_.empty() || awaits_assign_) return;
  const int64_t now = Clock::Real().NowNs();
  suspicious_ = suspicious_ || asked;
  if (now < watch_at_ns_ && !asked) return;
  std::vector<PartitionId> ids;
  for (const Watched& each : watched_) ids.push_back(each.id);
  const KafkaPartitions list = MakeList(ids);
  rd_kafka_resp_err_t error = rd_kafka_committed(client_->get(), list.get(), kWatchAskMs);
  for (int i = 0; i < list->cnt && error == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) error = list->elems[i].err;
  watch_at_ns_ = now + (error == RD_KAFKA_RESP_ERR_NO_ERROR ? kWatchGapNs : kWatchAgainNs);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  suspicious_ = false;
  std::set<std::string> gone;
  for (size_t i = 0; i < watched_.size(); ++i) {
    const int64_t stored = list->elems[i].offset;
    if (stored < 0 && watched_[i].stored != kNoPosition) gone.insert(list->elems[i].topic);
    if (stored >= 0) watched_[i].stored = stored;
  }
  if (!gone.empty()) return LoseTopics({gone.begin(), gone.end()});
  if (missing_since_ns_ != 0) CheckMissing(now);
}

void KafkaSource::LoseTopics(const std::vector<std::string>& topics) {
  for (const Watched& each : watched_) {
    const std::string& topic = lane_.partitions->at(each.id).topic;
    if (std::ranges::find(topics, topic) == topics.end()) continue;
    lost_positions_.push_back({.partition = each.id, .position = each.stored, .why = LostPosition::Why::kGone});
  }
  std::string names;
  for (const std::string& topic : topics) names += (names.empty() ? "" : ", ") + topic;
  stop_ = {Code::kStage, "topic " + names + " on " + settings_->options.Servers() +
                             " was deleted while it was read: group \"" + group_ +
                             "\" has no position of it any more. What was made again under its name is another topic"};
}

// Brokers that do not know the topic but keep the group's positions: perhaps they only just started.
void KafkaSource::CheckMissing(int64_t now_ns) {
  if (now_ns - missing_since_ns_ < kMissingNs) return;
  missing_since_ns_ = 0;
  for (const std::string& topic : settings_->topics) {
    if (IsTopicMissing(*client_, topic, kWatchAskMs)) {
      stop_ = {Code::kUnavailable, "topic " + topic + " on " + settings_->options.Servers() + " is gone"};
    }
  }
}

void KafkaSource::LoseRange(const Partition& partition, const std::string& reason) {
  int64_t low = 0, high = 0;
  const bool known =
      rd_kafka_query_watermark_offsets(client_->get(), partition.name.topic.c_str(), partition.name.partition, &low,
                                       &high, kWatchLookMs) == RD_KAFKA_RESP_ERR_NO_ERROR;
  const bool above = known && partition.next > high;
  lost_positions_.push_back({.partition = partition.id,
                             .position = partition.next,
                             .why = above ? LostPosition::Why::kGone : LostPosition::Why::kOutOfRange});
  std::string text = Describe(partition.name) + " no longer has position " + std::to_string(partition.next) + ": ";
  if (above) {
    text += "it ends at " + std::to_string(high) + ". It was deleted and made again, or its brokers lost records";
  } else if (known) {
    text += "it begins at " + std::to_string(low) + ". What lies between was deleted before it was read";
  } else {
    text += reason;
  }
  stop_ = {Code::kStage, std::move(text)};
}

void KafkaSource::LoseBatch(const Partition& partition, const std::string& reason) {
  lost_positions_.push_back(
      {.partition = partition.id, .position = partition.next, .why = LostPosition::Why::kUnreadable});
  stop_ = {Code::kStage, Describe(partition.name) + " at offset " + std::to_string(partition.next) +
                             ": the batch that begins there cannot be unpacked (" + reason +
                             "). If it is only large, raise \"receive.message.max.bytes\" in the \"properties\" of "
                             "the source, and restart"};
}

Result<int64_t> KafkaSource::FirstReadable(const LostPosition& lost, int64_t stored) {
  const SourcePartition& partition = lane_.partitions->at(lost.partition);
  ASSIGN_OR_RETURN(const int64_t low, Resolve(partition, PositionRule::Earliest(), false));
  ASSIGN_OR_RETURN(const int64_t high, Resolve(partition, PositionRule::Latest(), false));
  if (stored != kNoPosition && stored >= low && stored <= high) return stored;
  if (lost.why != LostPosition::Why::kUnreadable || lost.position < low) return low;
  return FirstUnpackable(partition, lost.position, high);
}

namespace {

// What makes the source say that a batch cannot be unpacked.
bool IsUnreadable(int error) {
  return error == RD_KAFKA_RESP_ERR__BAD_COMPRESSION || error == RD_KAFKA_RESP_ERR__BAD_MSG ||
         error == RD_KAFKA_RESP_ERR_INVALID_MSG || error == RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE;
}

// Whether what begins at `offset` can be unpacked; nothing is there from `high` on.
Result<bool> CanUnpack(const KafkaClient& client, const SourcePartition& partition, int64_t offset) {
  const KafkaPartitions list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.partition)->offset = offset;
  if (rd_kafka_assign(client.get(), list.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return Status(Code::kUnavailable, "topic " + partition.topic + " cannot be looked at");
  }
  const int64_t deadline = Clock::Real().NowNs() + kWatchLookMs * kNsPerMs;
  while (Clock::Real().NowNs() < deadline) {
    rd_kafka_message_t* message = rd_kafka_consumer_poll(client.get(), 100);
    if (message == nullptr) continue;
    const rd_kafka_resp_err_t error = message->err;
    rd_kafka_message_destroy(message);
    if (IsUnreadable(error)) return false;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR__PARTITION_EOF) return true;
  }
  return Status(Code::kUnavailable, "topic " + partition.topic + " gives no records: " + client.Complaint());
}

}  // namespace

// A batch begins to be readable behind its last record, wherever that is: found by halving.
Result<int64_t> KafkaSource::FirstUnpackable(const SourcePartition& partition, int64_t from, int64_t high) const {
  ASSIGN_OR_RETURN(const auto client, KafkaClient::Make(KafkaClient::Kind::kConsumer, settings_->options,
                                                        {{"fetch.error.backoff.ms", "10"}},
                                                        {{"group.id", group_},
                                                         {"enable.auto.commit", "false"},
                                                         {"isolation.level", "read_committed"},
                                                         {"enable.partition.eof", "true"},
                                                         {"check.crcs", "true"},
                                                         {"allow.auto.create.topics", "false"}},
                                                        {}));
  rd_kafka_poll_set_consumer(client->get());
  int64_t bad = from - 1, good = high;
  for (int64_t step = 1; from + step < high; step *= 2) {
    ASSIGN_OR_RETURN(const bool can, CanUnpack(*client, partition, from + step));
    if (can) good = from + step;
    if (can) break;
    bad = from + step;
  }
  while (good - bad > 1) {
    const int64_t middle = bad + (good - bad) / 2;
    ASSIGN_OR_RETURN(const bool can, CanUnpack(*client, partition, middle));
    (can ? good : bad) = middle;
  }
  return good;
}

}  // namespace anabranch
