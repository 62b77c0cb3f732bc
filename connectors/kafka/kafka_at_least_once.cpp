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
  RETURN_IF_ERROR(
      CountPartitions(targets_.front().second->settings().options, topics, kConnectWaitNs, lane_.cancel, lane_.warn)
          .status());
  return producer_.Start({});
}

Result<std::vector<int64_t>> KafkaAtLeastOnceCommitter::Progress(std::span<const PartitionId> partitions) {
  if (consumer_ != nullptr) return consumer_->StoredPositions(partitions);
  return std::vector<int64_t>(partitions.size(), kNoPosition);
}

Status KafkaAtLeastOnceCommitter::Write(const EncodedBatch& batch) {
  if (!producer_.running()) return {Code::kUnavailable, "the Kafka producer is closed"};
  const Status written = producer_.Write(batch, {}, kQueueWaitNs);
  return written.ok() ? written : StartAgain(written);
}

Status KafkaAtLeastOnceCommitter::Commit(const EpochEnd& /*end*/) {
  if (!producer_.running()) return {Code::kUnavailable, "the Kafka producer is closed"};
  const Status delivered = Flush();
  if (!delivered.ok()) return StartAgain(delivered);
  failed_ = 0;
  return Status::Ok();
}

// Not waited for: whoever owns the partitions now writes these rows.
Status KafkaAtLeastOnceCommitter::Abort() {
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

// The client may still refer to rows: it has to go before the caller hears of the failure.
Status KafkaAtLeastOnceCommitter::StartAgain(const Status& cause) {
  const Status kept = cause;  // may be the producer's own
  const std::string gone = failed_ == 0 ? WhichIsGone(producer_.client(), targets_) : std::string();
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
