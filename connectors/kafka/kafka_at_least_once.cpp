#include <librdkafka/rdkafka.h>

#include <algorithm>

#include "connectors/kafka/kafka_committer.h"

namespace anabranch {

namespace {

constexpr int64_t kQueueWaitNs = int64_t{365} * 86'400 * 1'000'000'000;  // until there is room
constexpr int kFlushMs = 500;
constexpr int kSendMs = 1;  // the library sends during a flush, so some time it must be given
constexpr int64_t kBackoffNs = 200'000'000;
constexpr int kMostBackoffs = 10;

bool SetsLinger(const ClientOptions& options) {
  return !options.Value("linger.ms").empty() || !options.Value("queue.buffering.max.ms").empty();
}

}  // namespace

KafkaAtLeastOnceCommitter::KafkaAtLeastOnceCommitter(const LaneContext& lane, KafkaTargets targets,
                                                     const SourceProgram& source_program, Source& source)
    : lane_(lane),
      targets_(std::move(targets)),
      consumer_(dynamic_cast<const KafkaSourceProgram*>(&source_program) != nullptr ? static_cast<KafkaSource*>(&source)
                                                                                    : nullptr),
      producer_(lane, targets_),
      lingers_(SetsLinger(targets_.front().second->settings().options)) {}

KafkaAtLeastOnceCommitter::~KafkaAtLeastOnceCommitter() { Close(); }

Status KafkaAtLeastOnceCommitter::Open() {
  const std::vector<std::string> topics = TopicsOf(targets_);
  RETURN_IF_ERROR(CountPartitions(targets_.front().second->settings().options, topics, kConnectWaitNs, lane_).status());
  return producer_.Start({});
}

Result<std::vector<TargetProgress>> KafkaAtLeastOnceCommitter::Progress(std::span<const PartitionId> partitions) {
  if (consumer_ == nullptr) return ForEach(targets_, std::vector<int64_t>(partitions.size(), kNoPosition));
  ASSIGN_OR_RETURN(const std::vector<int64_t> stored, consumer_->StoredPositions(partitions));
  std::vector<Scoring> scoring;
  for (const PartitionId partition : partitions) scoring.push_back(consumer_->StoredScoring(partition));
  return ForEach(targets_, stored, scoring);
}

// What was delivered below the old position says nothing of what is read from the new one on.
Status KafkaAtLeastOnceCommitter::MoveProgress(std::span<const PartitionId> partitions,
                                               std::span<const int64_t> /*next*/) {
  for (const PartitionId partition : partitions) {
    if (partition < delivered_.size()) delivered_[partition] = kNoPosition;
    const SourcePartition& from = lane_.partitions->at(partition);
    refused_.erase(refused_.lower_bound({from, 0}), refused_.upper_bound({from, INT64_MAX}));
  }
  return Status::Ok();
}

// The rows of `batch` that this producer delivered before.
KafkaProducer::Skip KafkaAtLeastOnceCommitter::Delivered(const EncodedBatch& batch) {
  const bool any = std::ranges::any_of(batch.positions, [this](const PositionRange& range) {
    return range.partition < delivered_.size() && range.first < delivered_[range.partition];
  });
  if (!any) return {};
  return [this, &batch](TargetId target, const EncodedRows::Row& row) {
    const auto [partition, offset] = batch.ReadAt(row);
    if (partition >= delivered_.size() || offset >= delivered_[partition]) return false;
    const SourceTable& table = batch.replayed != nullptr ? batch.replayed->record : *lane_.partitions;
    const auto is_target = [target](const auto& each) { return each.first == target; };
    const auto at = std::ranges::find_if(targets_, is_target);
    const bool letter = at != targets_.end() && at->second->settings().dead_letters;
    return !letter || !refused_.contains({table.at(row.partition), row.offset});
  };
}

Status KafkaAtLeastOnceCommitter::Write(const EncodedBatch& batch) {
  if (!producer_.running()) return {Code::kUnavailable, "the Kafka producer is closed"};
  Status written = producer_.Write(batch, Delivered(batch), kQueueWaitNs);
  const bool whole = producer_.wrote_all();
  if (whole) written_.insert(written_.end(), batch.positions.begin(), batch.positions.end());
  if (producer_.suspects() || producer_.refuses()) {
    if (Status judged = JudgeRows(); !judged.ok() || whole) return judged;
  }
  return written.ok() ? written : StartAgain(written);
}

Status KafkaAtLeastOnceCommitter::Prepare() {
  if (!producer_.running()) return {Code::kUnavailable, "the Kafka producer is closed"};
  const Status delivered = Flush();
  if (producer_.suspects()) return JudgeRows();
  return delivered.ok() ? delivered : StartAgain(delivered);
}

Status KafkaAtLeastOnceCommitter::Commit(const EpochEnd& end) {
  RETURN_IF_ERROR(Prepare());
  failed_ = 0;
  written_.clear();
  producer_.ForgetRows();
  for (const PositionRange& range : end.positions) {
    const SourcePartition& from = lane_.partitions->at(range.partition);
    refused_.erase(refused_.lower_bound({from, 0}), refused_.lower_bound({from, range.next}));
  }
  return Status::Ok();
}

std::vector<RefusedRow> KafkaAtLeastOnceCommitter::TakeRefused() {
  std::vector<RefusedRow> rows = producer_.TakeRefused();
  for (const RefusedRow& row : rows) refused_.emplace(row.partition, row.offset);
  return rows;
}

// Whatever was written is delivered, but for the suspects; those are written again until it is known which of them are
// refused.
Status KafkaAtLeastOnceCommitter::JudgeRows() {
  std::vector<KafkaProducer::Sent> suspects;
  do {
    for (const KafkaProducer::Sent& sent : producer_.TakeSuspects()) suspects.push_back(sent);
    const Status flushed = Flush();
    if (!flushed.ok() && !producer_.suspects()) return StartAgain(flushed);
  } while (producer_.suspects());
  const auto send = [this](std::span<const KafkaProducer::Sent> rows, size_t step) {
    return producer_.SendInParts(rows, step);
  };
  const Result<bool> all = producer_.Judge(suspects, send);
  if (!all.ok()) return StartAgain(all.status());
  if (*all && !producer_.refuses()) return producer_.ShrinkBatches() ? producer_.Start({}) : Status::Ok();
  for (const PositionRange& range : *all ? written_ : std::vector<PositionRange>()) {
    if (delivered_.size() <= range.partition) delivered_.resize(range.partition + size_t{1}, kNoPosition);
    delivered_[range.partition] = std::max(delivered_[range.partition], range.next);
  }
  written_.clear();
  producer_.ForgetRows();
  return {Code::kAborted, "records were refused"};
}

// Not waited for: whoever owns the partitions now writes these rows.
Status KafkaAtLeastOnceCommitter::Abort() {
  producer_.TakeSuspects();
  producer_.TakeRefused();
  written_.clear();
  producer_.ForgetRows();  // the caller frees them
  if (producer_.running() && rd_kafka_outq_len(producer_.handle()) == 0) return Status::Ok();
  return producer_.Start({});
}

void KafkaAtLeastOnceCommitter::SendNow() {
  if (producer_.running() && !lingers_) producer_.Flush(kSendMs);
}

Status KafkaAtLeastOnceCommitter::Flush() {
  while (rd_kafka_outq_len(producer_.handle()) > 0 && producer_.failure().ok()) {
    if (producer_.patience().over()) {
      return {Code::kTimedOut,
              "records were not written to " + producer_.servers() + ": " + producer_.client().Complaint()};
    }
    producer_.Flush(kFlushMs);
  }
  std::string text;
  if (producer_.client().FatalError(&text) != 0) return {Code::kAborted, "the Kafka producer failed for good: " + text};
  return producer_.failure();
}

// The client may still refer to rows: it has to go before the caller sees the failure.
Status KafkaAtLeastOnceCommitter::StartAgain(const Status& cause) {
  Status kept = cause;  // may be the producer's own
  const std::string gone = failed_ == 0 ? WhichIsGone(producer_.client(), targets_, lane_.make_command) : std::string();
  if (!gone.empty() && lane_.warn) lane_.warn(gone);
  producer_.Stop();
  if (kept.code() == Code::kStage) return kept;
  if (producer_.patience().over()) return producer_.patience().Over(kept.message());
  producer_.patience().Pause(kBackoffNs * std::min(failed_++, kMostBackoffs));
  RETURN_IF_ERROR(producer_.Start({}));
  return {Code::kAborted, kept.message()};
}

void KafkaAtLeastOnceCommitter::Close() {
  if (!producer_.running()) return;
  (void)Flush();
  producer_.Stop();
}

}  // namespace anabranch
