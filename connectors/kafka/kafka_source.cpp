#include "connectors/kafka/kafka_source.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "engine/clock.h"

namespace anabranch {

namespace {

constexpr int64_t kSettleNs = 1'000'000'000;
constexpr int64_t kJoinWaitNs = 60'000'000'000;
constexpr int kMostUnpackFailures = 3;
constexpr int64_t kSuspiciousNapNs = 10 * kNsPerMs;
constexpr int64_t kWakeGapNs = 5 * kNsPerMs;
constexpr uint32_t kMostPassedOver = 4096;  // records of one poll that become no row: then the lane has its turn

// Rounded up, so that what is left is over after the wait.
int WaitMs(int64_t ns) { return static_cast<int>(std::min<int64_t>((ns - 1) / kNsPerMs + 1, 60'000)); }

}  // namespace

// The messages whose bytes a batch shows. Keeps their client alive.
struct KafkaSource::MessageHold {
  MessageHold(std::shared_ptr<KafkaClient> owner, size_t rows) : client(std::move(owner)) { messages.reserve(rows); }
  ~MessageHold() { Release(); }
  MessageHold(const MessageHold&) = delete;
  MessageHold& operator=(const MessageHold&) = delete;
  void Release() {
    for (rd_kafka_message_t* message : messages) rd_kafka_message_destroy(message);
    messages.clear();
  }
  std::shared_ptr<KafkaClient> client;
  std::vector<rd_kafka_message_t*> messages;
};

KafkaSource::KafkaSource(std::shared_ptr<const KafkaSourceSettings> settings, const LaneContext& lane)
    : settings_(std::move(settings)),
      lane_(lane),
      group_(GroupOf(*settings_, lane.topology)),
      bounded_(lane.once || settings_->end.kind != PositionRule::Kind::kNone),
      reach_(std::make_shared<KafkaReach>(settings_->options.Servers())) {}

KafkaSource::~KafkaSource() { Close(); }

Status KafkaSource::Open() {
  ASSIGN_OR_RETURN(const std::vector<int> counts,
                   CountPartitions(settings_->options, settings_->topics, kConnectWaitNs, lane_));
  for (size_t i = 0; i < counts.size(); ++i) counts_[settings_->topics[i]] = counts[i];
  for (const int count : counts) fair_share_ += static_cast<size_t>(count / std::max(lane_.lanes, 1));
  RETURN_IF_ERROR(Connect());
  if (!settings_->read_back) return Join();
  TakeAll(counts);
  joined_ = true;
  return Status::Ok();
}

void KafkaSource::TakeAll(const std::vector<int>& counts) {
  for (size_t topic = 0; topic < counts.size(); ++topic) {
    for (int partition = 0; partition < counts[topic]; ++partition) {
      event_partitions_.push_back({settings_->topics[topic], partition});
    }
  }
  event_ = SourceEvent::kAssigned;
}

void KafkaSource::OnRebalance(int error, rd_kafka_topic_partition_list_t* partitions) {
  if (closing_ || (error != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS && error != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS)) {
    rd_kafka_assign(client_->get(), nullptr);
    return;
  }
  taking_ = false;
  if (error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    event_ = SourceEvent::kAssigned;
  } else {
    event_ = rd_kafka_assignment_lost(client_->get()) != 0 ? SourceEvent::kLost : SourceEvent::kRevoked;
  }
  event_partitions_.clear();
  for (int i = 0; i < partitions->cnt; ++i) {
    event_partitions_.push_back({partitions->elems[i].topic, partitions->elems[i].partition});
  }
  rd_kafka_yield(client_->get());  // out of the poll: the lane sees it at once
}

Result<SourceEvent> KafkaSource::TakeEvent() {
  told_partitions_.clear();
  for (const SourcePartition& partition : event_partitions_) {
    ASSIGN_OR_RETURN(const PartitionId id, lane_.partitions->Find(partition));
    told_partitions_.push_back(id);
  }
  const SourceEvent event = *event_;
  event_.reset();
  awaits_assign_ = event == SourceEvent::kAssigned;
  lost_ = event == SourceEvent::kLost;
  if (awaits_assign_) {
    holds_ = true;
    unassigned_since_ns_ = 0;
    // From here on: kept results of these partitions may be committed before they are read.
    RememberMembership();
  }
  return event;
}

std::vector<PartitionId> KafkaSource::partitions() const { return told_partitions_; }

Result<SourceEvent> KafkaSource::Poll(RecordBatch& batch, const BatchLimits& limits, int64_t wait_ns) {
  if (!stop_.ok()) return stop_;
  batch.partitions = lane_.partitions;
  if (awaits_assign_) RETURN_IF_ERROR(Hold());
  if (joined_ && !event_) Watch();
  if (!stop_.ok()) return stop_;
  if (joined_ && !event_ && suspicious_) {
    std::this_thread::sleep_for(std::chrono::nanoseconds(std::min(wait_ns, kSuspiciousNapNs)));
    return SourceEvent::kIdle;
  }
  if (!joined_) {
    RETURN_IF_ERROR(TryJoin(wait_ns));
  } else if (!event_) {
    auto hold = std::make_shared<MessageHold>(client_, limits.max_rows);
    Fill(batch, *hold, limits, wait_ns);
    FetchOn();
    if (batch.rows() > 0) {
      missing_since_ns_ = 0;
      ReportPositions(batch);
      batch.release = [hold = std::move(hold)] { hold->Release(); };
      return SourceEvent::kRows;
    }
  }
  if (!stop_.ok()) return stop_;
  if (fenced_ && !event_) RETURN_IF_ERROR(OnFence());
  if (event_) return TakeEvent();
  if (PositionsAreDue()) {
    ReportPositions(batch);
    return SourceEvent::kPositions;
  }
  if (AtEnd()) {
    end_told_ = true;  // from now on a poll waits: other lanes may still hand partitions over
    return SourceEvent::kEnd;
  }
  if (bounded_ && unassigned_since_ns_ != 0 && Clock::Real().NowNs() - unassigned_since_ns_ > kJoinWaitNs) {
    return Status(Code::kUnavailable, "group \"" + group_ + "\" on " + settings_->options.Servers() +
                                          " gave no partitions within 60 s: " + client_->Complaint());
  }
  return SourceEvent::kIdle;
}

void KafkaSource::Fill(RecordBatch& batch, MessageHold& hold, const BatchLimits& limits, int64_t wait_ns) {
  const Clock& clock = Clock::Real();
  int64_t until = 0;  // first when the first record is awaited, then when the batch closes
  bool lingering = false;
  const uint32_t most_taken = limits.max_rows + kMostPassedOver;
  for (uint32_t taken = 0;
       taken < most_taken && batch.rows() < limits.max_rows && batch.payload_bytes < limits.max_bytes && stop_.ok() &&
       !event_ && !client_->asked_metadata();
       ++taken) {
    rd_kafka_message_t* message = rd_kafka_consume_queue(queue_, 0);
    if (message == nullptr && !event_) {
      const int64_t now = clock.NowNs();
      if (until == 0 || (batch.rows() > 0 && !lingering)) {
        lingering = batch.rows() > 0;
        until = now + (lingering ? limits.linger_ns : wait_ns);
      }
      // The library waits whole milliseconds; lingering is never longer than allowed.
      const int64_t left = lingering ? (until - now) / kNsPerMs * kNsPerMs : until - now;
      if (left <= 0 || (AtEnd() && !end_told_)) return;
      message = rd_kafka_consume_queue(queue_, WaitMs(std::min(left, FetchOn())));
      waited_ns_ += clock.NowNs() - now;
    }
    if (message != nullptr) TakeMessage(message, batch, hold);
  }
}

// Fetching stops while the queue is full. That is not reported: a queue that was anywhere near it counts as full, and
// once half of it is gone there is room again. Returns how long to wait at most before the next look.
int64_t KafkaSource::FetchOn() {
  if (!client_->can_fetch_on()) return INT64_MAX;
  const int64_t queued = static_cast<int64_t>(rd_kafka_queue_length(queue_));
  most_queued_ = std::max(most_queued_, queued + taken_);
  if (taken_bytes_ > 0) mean_bytes_ = taken_bytes_ / taken_;
  taken_ = taken_bytes_ = 0;
  const bool was_full = most_queued_ * 4 >= full_records_ || most_queued_ * mean_bytes_ * 4 >= full_bytes_;
  if (!was_full || queued > most_queued_ / 2) return INT64_MAX;
  const int64_t now = Clock::Real().NowNs();
  const int64_t gap = woken_ns_ + kWakeGapNs - now;
  if (gap > 0) return gap;
  woken_ns_ = now;
  most_queued_ = queued;
  client_->FetchOn();
  return INT64_MAX;
}

void KafkaSource::TakeMessage(rd_kafka_message_t* message, RecordBatch& batch, MessageHold& hold) {
  Partition* partition = nullptr;
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    TakeError(*message);
  } else {
    ++taken_;
    taken_bytes_ += static_cast<int64_t>(message->len);
    if (taking_) partition = Find(*message);
  }
  const bool wanted = partition != nullptr && message->offset >= partition->next && message->offset < partition->end;
  const bool tombstone = message->payload == nullptr && !settings_->read_back;  // a letter without a value is one too
  if (!wanted || tombstone) {
    if (wanted) {
      partition->next = message->offset + 1;
      tombstones_.fetch_add(1, std::memory_order_relaxed);  // reported at the end
    } else if (partition != nullptr && message->offset < partition->next) {
      repeated_.fetch_add(1, std::memory_order_relaxed);
    }
  } else {
    partition->next = message->offset + 1;
    partition->unpack_failures = 0;
    AddHeaders(*message, batch);
    rd_kafka_timestamp_type_t type;
    const int64_t timestamp = rd_kafka_message_timestamp(message, &type);
    batch.AddRow(partition->id, message->offset, type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : timestamp,
                 {static_cast<const char*>(message->key), message->key_len}, message->key != nullptr,
                 {static_cast<const char*>(message->payload), message->len});
    hold.messages.push_back(message);
  }
  // Behind the end there may be no record at end - 1: a transaction's marker, or one that was compacted.
  if (partition != nullptr && std::max(partition->next, message->offset) >= partition->end) partition->done = true;
  if (hold.messages.empty() || hold.messages.back() != message) rd_kafka_message_destroy(message);
}

void KafkaSource::TakeError(const rd_kafka_message_t& message) {
  const std::string servers = settings_->options.Servers();
  const std::string reason = message.payload != nullptr ? rd_kafka_message_errstr(&message) : ErrorText(message.err);
  Partition* partition = taking_ && message.rkt != nullptr ? Find(message) : nullptr;
  const std::string where = partition != nullptr ? Describe(partition->name) : "group \"" + group_ + "\" on " + servers;
  switch (message.err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
      if (partition == nullptr) return;
      partition->done = true;
      // What lies before the end and came as no record is a transaction's marker, or was deleted.
      if (!settings_->read_back) partition->next = std::max(partition->next, std::min(message.offset, partition->end));
      return;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
      if (partition != nullptr) LoseRange(*partition, reason);
      return;
    case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
    case RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE:  // no memory to unpack into
      if (partition != nullptr && ++partition->unpack_failures >= kMostUnpackFailures) LoseBatch(*partition, reason);
      return;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
      suspicious_ = true;
      watch_at_ns_ = 0;
      if (missing_since_ns_ == 0) missing_since_ns_ = Clock::Real().NowNs();
      return;
    case RD_KAFKA_RESP_ERR__FATAL: {
      std::string text;
      const int fatal = client_->FatalError(&text);
      fenced_ = fatal == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID;
      if (!fenced_) stop_ = {Code::kStage, "the Kafka consumer failed for good: " + text};
      return;
    }
    case RD_KAFKA_RESP_ERR__BAD_MSG:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
      if (partition != nullptr) LoseBatch(*partition, reason);  // the client would go on behind it
      return;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT:
    case RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL:
      stop_ = {Code::kUnavailable, where + " cannot be read: " + reason};
      return;
    default: client_->NoteError(message.err, reason.c_str());
  }
}

void KafkaSource::AddHeaders(const rd_kafka_message_t& message, RecordBatch& batch) const {
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  const char* name;
  const void* value;
  size_t size;
  for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
    batch.headers.push_back({name, {static_cast<const char*>(value), size}});
  }
}

KafkaSource::Partition* KafkaSource::Find(const rd_kafka_message_t& message) {
  if (message.rkt == last_topic_ && message.partition == last_partition_) return &assigned_[last_found_];
  const std::string_view topic = rd_kafka_topic_name(message.rkt);
  for (size_t i = 0; i < assigned_.size(); ++i) {
    if (assigned_[i].name.partition != message.partition || assigned_[i].name.topic != topic) continue;
    last_topic_ = message.rkt;
    last_partition_ = message.partition;
    last_found_ = i;
    return &assigned_[i];
  }
  return nullptr;
}

// Records that become no row, and what is no record, move a position too. It is stored when rows follow, and after a
// second without any: a group that is behind by nothing but markers must not look as if it were behind.
bool KafkaSource::PositionsAreDue() {
  const auto moved = [](const Partition& partition) { return partition.next != partition.reported; };
  if (!taking_ || settings_->read_back || std::ranges::none_of(assigned_, moved)) {
    unreported_since_ns_ = 0;
    return false;
  }
  const int64_t now = Clock::Real().NowNs();
  if (unreported_since_ns_ == 0) unreported_since_ns_ = now;
  return AtEnd() || now - unreported_since_ns_ >= kSettleNs;
}

std::vector<PartitionEnd> KafkaSource::Ends() const {
  std::vector<PartitionEnd> ends;
  for (const Partition& partition : assigned_) {
    int64_t low = 0, high = 0;
    const rd_kafka_resp_err_t error = rd_kafka_get_watermark_offsets(client_->get(), partition.name.topic.c_str(),
                                                                     partition.name.partition, &low, &high);
    const bool known = error == RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0;
    ends.push_back({partition.id, known ? high : kNoPosition});
  }
  return ends;
}

void KafkaSource::ReportPositions(RecordBatch& batch) {
  unreported_since_ns_ = 0;
  for (Partition& partition : assigned_) {
    if (partition.next == partition.reported) continue;
    batch.positions.push_back({partition.id, partition.reported, partition.next});
    partition.reported = partition.next;
  }
}

bool KafkaSource::AtEnd() const {
  return bounded_ && taking_ && !AwaitsMore() &&
         std::all_of(assigned_.begin(), assigned_.end(), [](const Partition& partition) { return partition.done; });
}

// A lane of an earlier run keeps its partitions until its session runs out: an end before that would leave them unread.
bool KafkaSource::AwaitsMore() const {
  if (settings_->read_back || assigned_.size() >= fair_share_) return false;
  return Clock::Real().NowNs() - assigned_since_ns_ < ForgottenNs();
}

std::string KafkaSource::Describe(const SourcePartition& partition) const {
  return "topic " + partition.topic + "/" + std::to_string(partition.partition) + " on " + settings_->options.Servers();
}

// The lane polls before it assigns: it feeds rows that were kept. A member that never takes its partitions would not
// hear of a rebalance, so they are taken at their end, and what comes from there is left for later.
Status KafkaSource::Hold() {
  awaits_assign_ = false;
  const KafkaPartitions list = MakeList(told_partitions_);
  for (int i = 0; i < list->cnt; ++i) list->elems[i].offset = RD_KAFKA_OFFSET_END;
  const rd_kafka_resp_err_t error = rd_kafka_assign(client_->get(), list.get());
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return Status::Ok();
  return {Code::kUnavailable, "group \"" + group_ + "\": partitions cannot be taken: " + ErrorText(error)};
}

// Letters that their topic has let go can be replayed no more; those behind them can.
Status KafkaSource::PassOverExpired(Partition* partition) const {
  ASSIGN_OR_RETURN(const int64_t low, Resolve(partition->name, PositionRule::Earliest(), false));
  if (partition->next >= low) return Status::Ok();
  if (lane_.warn) {
    lane_.warn(Describe(partition->name) + ": the topic has deleted the records from offset " +
               std::to_string(partition->next) + " to " + std::to_string(low - 1) + "; they are passed over");
  }
  partition->next = low;
  return Status::Ok();
}

Status KafkaSource::Assign(std::span<const PartitionId> partitions, std::span<const int64_t> next) {
  std::vector<Partition> assigned;
  const KafkaPartitions list = MakeList(partitions);
  for (size_t i = 0; i < partitions.size(); ++i) {
    Partition partition{.id = partitions[i], .name = lane_.partitions->at(partitions[i])};
    partition.next = next[i];
    if (next[i] == kNoPosition) {
      ASSIGN_OR_RETURN(const std::vector<int64_t> start, StartPositions(partitions.subspan(i, 1)));
      partition.next = start.front();
    }
    if (settings_->read_back) RETURN_IF_ERROR(PassOverExpired(&partition));
    if (bounded_) {
      ASSIGN_OR_RETURN(partition.end, Resolve(partition.name, settings_->end, true));
    }
    partition.reported = partition.next;
    partition.done = partition.next >= partition.end;
    list->elems[i].offset = partition.next;
    assigned.push_back(std::move(partition));
  }
  const rd_kafka_resp_err_t error = rd_kafka_assign(client_->get(), list.get());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return {Code::kUnavailable, "group \"" + group_ + "\": partitions cannot be taken: " + ErrorText(error)};
  }
  assigned_ = std::move(assigned);
  if (!assigned_.empty()) watched_.clear();
  for (const Partition& partition : assigned_) watched_.push_back({.id = partition.id});
  watch_at_ns_ = 0;
  awaits_assign_ = false;
  last_topic_ = nullptr;
  unassigned_since_ns_ = 0;
  assigned_since_ns_ = Clock::Real().NowNs();
  taking_ = !event_;
  end_told_ = false;
  return Status::Ok();
}

Status KafkaSource::Release() {
  taking_ = awaits_assign_ = holds_ = false;
  assigned_.clear();
  last_topic_ = nullptr;
  unassigned_since_ns_ = Clock::Real().NowNs();
  const bool given_up = lost_ || fenced_ || MemberId().empty();
  if (given_up && !settings_->read_back) return StartOver();
  ForgetMembership();
  const rd_kafka_resp_err_t error = rd_kafka_assign(client_->get(), nullptr);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return Status::Ok();
  return {Code::kUnavailable, "group \"" + group_ + "\": partitions cannot be given back: " + ErrorText(error)};
}

void KafkaSource::Close() {
  if (client_ == nullptr) return;
  if (tombstones() > 0 && lane_.warn) {
    lane_.warn("source \"" + lane_.source_id + "\", lane " + std::to_string(lane_.lane) + ": " +
               std::to_string(tombstones()) + " without a value (tombstones) dropped");
  }
  closing_ = true;
  taking_ = false;
  // A client that gives lost partitions back joins anew, under a name that may be another's by now.
  if (joined_ && !fenced_ && rd_kafka_assignment_lost(client_->get()) == 0) LeaveGroup();
  CloseClient();
  const MutexLock lock(mutex_);
  metadata_.reset();
}

}  // namespace anabranch
