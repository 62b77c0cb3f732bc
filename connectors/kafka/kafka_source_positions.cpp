// The part of a Kafka source that asks brokers about positions.
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "connectors/kafka/kafka_producer.h"
#include "connectors/kafka/kafka_source.h"
#include "engine/clock.h"
#include "engine/scoring_note.h"

namespace anabranch {

namespace {

constexpr int kAskMs = 10'000;
constexpr int kAskAgainMs = 50;
constexpr int kAskStoredMs = 2'000;                 // then a look at the cancel token
constexpr int64_t kEndedWithinNs = 15'000'000'000;  // brokers look for late transactions every 10 s
constexpr int kCommitMs = 10'000;
constexpr std::string_view kCountNote = "partitions=";

struct QueueDeleter {
  void operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }
};
struct EventDeleter {
  void operator()(rd_kafka_event_t* event) const { rd_kafka_event_destroy(event); }
};

bool GroupChanges(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION || error == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
         error == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS || error == RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST ||
         error == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID || error == RD_KAFKA_RESP_ERR__FATAL ||
         error == RD_KAFKA_RESP_ERR__TIMED_OUT;
}

// The first error of a list of partitions.
rd_kafka_resp_err_t FirstError(const rd_kafka_topic_partition_list_t& list) {
  for (int i = 0; i < list.cnt; ++i) {
    if (list.elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR) return list.elems[i].err;
  }
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

std::string_view NoteOf(const rd_kafka_topic_partition_t& stored) {
  return {static_cast<const char*>(stored.metadata), stored.metadata_size};
}

// The number of partitions that is noted with a stored position; 0: none is.
int NotedCount(const rd_kafka_topic_partition_t& stored) {
  const std::string_view note = NoteOf(stored);
  return note.starts_with(kCountNote) ? std::atoi(std::string(note.substr(kCountNote.size())).c_str()) : 0;
}

// A leader that moves or a topic that is just being made: the same question gets an answer soon.
bool Passing(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION || error == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE ||
         error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || error == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
         error == RD_KAFKA_RESP_ERR__TRANSPORT;
}

// A transaction that is still open, or a coordinator that moves or is not reached yet.
bool StoredSoon(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT || error == RD_KAFKA_RESP_ERR__TIMED_OUT ||
         error == RD_KAFKA_RESP_ERR__TRANSPORT || error == RD_KAFKA_RESP_ERR__WAIT_COORD ||
         error == RD_KAFKA_RESP_ERR_NOT_COORDINATOR || error == RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE ||
         error == RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS;
}

// Asks again while the trouble is passing, at most kAskMs.
template <typename Ask>
rd_kafka_resp_err_t AskPatiently(const Ask& ask) {
  const int64_t deadline = Clock::Real().NowNs() + int64_t{kAskMs} * 1'000'000;
  while (true) {
    const rd_kafka_resp_err_t error = ask();
    if (!Passing(error) || Clock::Real().NowNs() >= deadline) return error;
    std::this_thread::sleep_for(std::chrono::milliseconds(kAskAgainMs));
  }
}

}  // namespace

void SetMetadata(rd_kafka_topic_partition_t* element, std::string_view text) {
  if (text.empty()) return;
  element->metadata = rd_kafka_mem_malloc(nullptr, text.size());
  element->metadata_size = text.size();
  __builtin_memcpy(element->metadata, text.data(), text.size());
}

Status AskStored(const KafkaClient& client, const std::string& group, const ClientOptions& options,
                 const CancelToken* cancel, rd_kafka_topic_partition_list_t* list) {
  const int64_t deadline = Clock::Real().NowNs() + TransactionTimeoutNs(options) + kEndedWithinNs;
  Patience patience(cancel);
  while (true) {
    rd_kafka_resp_err_t error = rd_kafka_committed(client.get(), list, kAskStoredMs);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) error = FirstError(*list);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return Status::Ok();
    if (patience.over()) {
      return {Code::kCancelled, "stopped while waiting for the positions of group \"" + group + "\""};
    }
    const bool hidden = error == RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT;
    if (!StoredSoon(error) || client.refused() || (hidden && Clock::Real().NowNs() >= deadline)) {
      return {Code::kUnavailable, "the positions of group \"" + group + "\" on " + options.Servers() +
                                      " cannot be read: " + ErrorText(error) + "; " + client.Complaint()};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(kAskAgainMs));
  }
}

KafkaPartitions KafkaSource::MakeList(std::span<const PartitionId> partitions) const {
  KafkaPartitions list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const PartitionId id : partitions) {
    const SourcePartition& partition = lane_.partitions->at(id);
    rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.partition);
  }
  return list;
}

Result<std::vector<int64_t>> KafkaSource::StartPositions(std::span<const PartitionId> partitions) {
  if (!settings_->read_back) RETURN_IF_ERROR(LearnCounts());
  std::vector<int64_t> start;
  for (const PartitionId id : partitions) {
    const SourcePartition& partition = lane_.partitions->at(id);
    PositionRule rule = settings_->start;
    {
      const MutexLock lock(mutex_);
      const auto first = first_counts_.find(partition.topic);
      if (first != first_counts_.end() && partition.partition >= first->second) rule = PositionRule::Earliest();
    }
    ASSIGN_OR_RETURN(const int64_t offset, Resolve(partition, rule, false));
    start.push_back(offset);
  }
  return start;
}

Result<std::vector<PositionRange>> KafkaSource::Readable(std::span<const PartitionId> partitions) {
  std::vector<PositionRange> ranges;
  for (const PartitionId id : partitions) {
    ASSIGN_OR_RETURN(const int64_t low, Resolve(lane_.partitions->at(id), PositionRule::Earliest(), false));
    ASSIGN_OR_RETURN(const int64_t high, Resolve(lane_.partitions->at(id), PositionRule::Latest(), true));
    ranges.push_back({id, low, high});
  }
  return ranges;
}

Status KafkaSource::LearnCounts() {
  for (const auto& [topic, count] : counts_) {
    {
      const MutexLock lock(mutex_);
      if (first_counts_.contains(topic)) continue;
    }
    ASSIGN_OR_RETURN(const int first, FirstCount(topic, count));
    const MutexLock lock(mutex_);
    first_counts_[topic] = first;
  }
  return Status::Ok();
}

// Partition by partition, as one note is enough and transactions of other members hide positions all the time. A group
// that has positions without a note is older than the notes: what it does not have was found later.
Result<int> KafkaSource::FirstCount(const std::string& topic, int count) const {
  const int64_t deadline = Clock::Real().NowNs() + int64_t{kAskMs} * 1'000'000;
  Patience patience(lane_.cancel);
  while (true) {
    bool any = false, hidden = false;
    for (int partition = 0; partition < count; ++partition) {
      const KafkaPartitions list(rd_kafka_topic_partition_list_new(1));
      rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition);
      const rd_kafka_topic_partition_t& stored = list->elems[0];
      rd_kafka_resp_err_t error = rd_kafka_committed(client_->get(), list.get(), kAskStoredMs);
      if (error == RD_KAFKA_RESP_ERR_NO_ERROR) error = stored.err;
      if (StoredSoon(error)) hidden = true;
      if (StoredSoon(error)) continue;
      if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return Status(Code::kUnavailable, "the positions of group \"" + group_ + "\" on " +
                                              settings_->options.Servers() + " cannot be read: " + ErrorText(error));
      }
      if (stored.offset < 0) continue;
      any = true;
      if (const int noted = NotedCount(stored); noted > 0) return noted;
    }
    if (!hidden) return any ? 0 : count;
    if (Clock::Real().NowNs() >= deadline) return 0;
    if (patience.over()) return Status(Code::kCancelled, "stopped while waiting for group \"" + group_ + "\"");
    patience.Pause(int64_t{kAskAgainMs} * 1'000'000);
  }
}

std::string KafkaSource::PositionNote(const std::string& topic, const Scoring& scoring) const {
  const MutexLock lock(mutex_);
  const auto count = first_counts_.find(topic);
  const bool counted = count != first_counts_.end();
  return WithScoring(counted ? std::string(kCountNote) + std::to_string(count->second) : std::string(), scoring);
}

Scoring KafkaSource::StoredScoring(PartitionId partition) const {
  const MutexLock lock(mutex_);
  const auto scoring = scorings_.find(partition);
  return scoring == scorings_.end() ? Scoring() : scoring->second;
}

Result<std::vector<int64_t>> KafkaSource::StoredPositions(std::span<const PartitionId> partitions) {
  std::vector<int64_t> stored;
  if (partitions.empty()) return stored;
  const KafkaPartitions list = MakeList(partitions);
  RETURN_IF_ERROR(AskStored(*client_, group_, settings_->options, lane_.cancel, list.get()));
  if (!settings_->read_back) RETURN_IF_ERROR(LearnCounts());
  const MutexLock lock(mutex_);
  for (int i = 0; i < list->cnt; ++i) {
    std::string_view note = NoteOf(list->elems[i]);
    scorings_[partitions[static_cast<size_t>(i)]] = list->elems[i].offset < 0 ? Scoring() : TakeScoring(&note);
    stored.push_back(list->elems[i].offset < 0 ? kNoPosition : list->elems[i].offset);
  }
  return stored;
}

Result<int64_t> KafkaSource::Resolve(const SourcePartition& partition, const PositionRule& rule, bool is_end) const {
  if (rule.kind == PositionRule::Kind::kOffsets) {
    const auto found = rule.offsets.find(partition);
    if (found != rule.offsets.end()) return found->second;
  }
  int64_t low = 0;
  int64_t high = 0;
  const rd_kafka_resp_err_t error = AskPatiently([&] {
    return rd_kafka_query_watermark_offsets(client_->get(), partition.topic.c_str(), partition.partition, &low, &high,
                                            kAskMs);
  });
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return Status(Code::kUnavailable, Describe(partition) + " does not say what it holds: " + ErrorText(error));
  }
  switch (rule.kind) {
    case PositionRule::Kind::kEarliest: return low;
    case PositionRule::Kind::kLatest: return high;
    case PositionRule::Kind::kTimestamp: return OffsetAt(partition, rule.timestamp_ms, high);
    default: return is_end ? high : low;
  }
}

Result<int64_t> KafkaSource::OffsetAt(const SourcePartition& partition, int64_t timestamp_ms, int64_t otherwise) const {
  const KafkaPartitions list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.partition);
  const rd_kafka_resp_err_t error = AskPatiently([&] {
    list->elems[0].offset = timestamp_ms;
    const rd_kafka_resp_err_t asked = rd_kafka_offsets_for_times(client_->get(), list.get(), kAskMs);
    return asked == RD_KAFKA_RESP_ERR_NO_ERROR ? FirstError(*list) : asked;
  });
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return Status(Code::kUnavailable, Describe(partition) + " does not say what it held at " +
                                          std::to_string(timestamp_ms) + " ms: " + ErrorText(error));
  }
  return list->elems[0].offset < 0 ? otherwise : list->elems[0].offset;
}

// The library's error code.
int KafkaSource::Store(rd_kafka_topic_partition_list_t* list) {
  const std::unique_ptr<rd_kafka_queue_t, QueueDeleter> queue(rd_kafka_queue_new(client_->get()));
  const rd_kafka_resp_err_t error = rd_kafka_commit_queue(client_->get(), list, queue.get(), nullptr, nullptr);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return error;
  const std::unique_ptr<rd_kafka_event_t, EventDeleter> event(rd_kafka_queue_poll(queue.get(), kCommitMs));
  if (event == nullptr) return RD_KAFKA_RESP_ERR__TIMED_OUT;
  const rd_kafka_resp_err_t answered = rd_kafka_event_error(event.get());
  return answered != RD_KAFKA_RESP_ERR_NO_ERROR ? answered
                                                : FirstError(*rd_kafka_event_topic_partition_list(event.get()));
}

Status KafkaSource::CommitList(rd_kafka_topic_partition_list_t* list) {
  const auto error = static_cast<rd_kafka_resp_err_t>(Store(list));
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return Status::Ok();
  if (error == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID || error == RD_KAFKA_RESP_ERR__FATAL) {
    const Status name = CheckName();
    if (name.code() == Code::kFenced) return name;
  }
  return {GroupChanges(error) || StoredSoon(error) ? Code::kRetry : Code::kUnavailable,
          "the positions of group \"" + group_ + "\" on " + settings_->options.Servers() +
              " were not stored: " + ErrorText(error)};
}

Status KafkaSource::CommitPositions(std::span<const PositionRange> positions) {
  if (positions.empty()) return Status::Ok();
  const KafkaPartitions list(rd_kafka_topic_partition_list_new(static_cast<int>(positions.size())));
  for (const PositionRange& range : positions) {
    const SourcePartition& partition = lane_.partitions->at(range.partition);
    rd_kafka_topic_partition_t* element =
        rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.partition);
    element->offset = range.next;
    SetMetadata(element, PositionNote(partition.topic, range.scoring));
  }
  return CommitList(list.get());
}

}  // namespace anabranch
