#pragma once

#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "connectors/kafka/kafka_positions.h"
#include "connectors/kafka/kafka_producer.h"
#include "connectors/kafka/kafka_source.h"
#include "engine/committer.h"
#include "engine/lane_context.h"

namespace anabranch {

// Exactly once: one transaction per epoch carries rows and positions, under the transactional id
// name.instance.lane. Positions of a Kafka source go to its group, under the membership that the consumer had
// when it took its partitions; those of a file go to a group without members, anabranch.NAME.SOURCE, stored on
// partition 0 of the unit's first topic, with the source's description and mark as the offset's metadata.
//
// At least once: an idempotent producer; Commit waits until all is delivered. It stores no positions: other targets
// may not have the rows yet.
//
// When a broker refuses a batch of records for what is in it, both find out which rows are to blame (RefusedRow):
// exactly once in transactions that are aborted, at least once by writing the others.
//
// `lane`, the programs of `targets`, `source_program` and `source` must outlive the committer.
Result<std::unique_ptr<Committer>> OpenKafkaCommitter(const LaneContext& lane, KafkaTargets targets,
                                                      const SourceProgram& source_program, Source& source);

class KafkaTransactionCommitter : public Committer {
 public:
  KafkaTransactionCommitter(const LaneContext& lane, KafkaTargets targets, const SourceProgram& source_program,
                            Source& source);
  ~KafkaTransactionCommitter() override;

  Status Open() override;
  Result<std::vector<TargetProgress>> Progress(std::span<const PartitionId> partitions) override;
  Status MoveProgress(std::span<const PartitionId> partitions, std::span<const int64_t> next) override;
  Status Write(const EncodedBatch& batch) override;
  Status Prepare() override;
  Status Commit(const EpochEnd& end) override;
  std::vector<RefusedRow> TakeRefused() override { return producer_.TakeRefused(); }
  std::optional<TargetId> FailedTarget() const override { return producer_.failed_target(); }
  Status Abort() override;
  std::string WhyAway() const override { return producer_.WhyAway(); }
  void Interrupt() override { producer_.patience().Interrupt(); }
  void Resume() override { producer_.patience().Resume(); }
  bool CarriesPositions() const override { return true; }
  CommitOrder commit_order() const override { return CommitOrder::kDistributedTransaction; }
  void Close() override;

 private:
  enum class Verdict : uint8_t { kDone, kAbort, kFatal, kUnknown };

  Status CloseStaleIds();
  Status RecordId();
  bool Repeated(const PositionRange& range) const;
  Status InitTransactions(KafkaProducer& producer, const std::string& id, bool patiently);
  Status StartProducer(bool patiently);
  Status StartAgain(const Status& cause);
  Status Renew();
  Status JudgeFence(const Status& cause);
  Status Fenced(const Status& cause) const;
  Status Begin();
  Verdict SendPositions(const EpochEnd& end, Status* cause);
  Verdict EndTransaction(Status* cause);
  Verdict Judge(const rd_kafka_error_s& error, Status* cause) const;
  Status AbortNow(const Status& cause);
  Status AbortTransaction(const Status& cause);
  Status JudgeRows(const std::vector<KafkaProducer::Sent>& suspects);
  Status Rebuild(const Status& cause);
  Status Resolve(const EpochEnd& end, const Status& cause);
  Status Settle(Verdict verdict, const Status& cause, const EpochEnd& end);
  Status Aborted(const Status& cause);
  void ExplainAbort(const Status& cause) const;
  bool TimedOutByBroker() const;

  const LaneContext& lane_;
  const KafkaTargets targets_;
  const std::string transactional_id_;
  const int64_t timeout_ns_;
  KafkaPositions positions_;
  KafkaProducer producer_;
  std::vector<int64_t> progress_;  // by PartitionId, as of the last Progress()
  bool in_transaction_ = false;
  int64_t began_ns_ = 0;
  int64_t fenced_ns_ = 0;  // when the producer was last made anew after a fence
  int aborted_ = 0;        // since the last commit
  int in_vain_ = 0;        // times since then that records were refused and none was to blame
};

class KafkaAtLeastOnceCommitter : public Committer {
 public:
  KafkaAtLeastOnceCommitter(const LaneContext& lane, KafkaTargets targets, const SourceProgram& source_program,
                            Source& source);
  ~KafkaAtLeastOnceCommitter() override;

  Status Open() override;
  Result<std::vector<TargetProgress>> Progress(std::span<const PartitionId> partitions) override;
  Status MoveProgress(std::span<const PartitionId> partitions, std::span<const int64_t> next) override;
  Status Write(const EncodedBatch& batch) override;
  Status Prepare() override;
  Status Commit(const EpochEnd& end) override;
  std::vector<RefusedRow> TakeRefused() override;
  std::optional<TargetId> FailedTarget() const override { return producer_.failed_target(); }
  Status Abort() override;
  bool ShowsAtCommit() const override { return false; }
  void SendNow() override;
  std::string WhyAway() const override { return producer_.WhyAway(); }
  void Interrupt() override { producer_.patience().Interrupt(); }
  void Resume() override { producer_.patience().Resume(); }
  CommitOrder commit_order() const override { return CommitOrder::kDistributedTransaction; }
  void Close() override;

 private:
  Status Flush();
  Status JudgeRows();
  KafkaProducer::Skip Delivered(const EncodedBatch& batch);
  Status StartAgain(const Status& cause);

  const LaneContext& lane_;
  const KafkaTargets targets_;
  KafkaSource* const consumer_;
  KafkaProducer producer_;
  // An epoch with refused rows is made again without them. What it had delivered is not delivered twice: everything
  // below delivered_ (by PartitionId), but for the letters of refused_.
  std::vector<PositionRange> written_;  // since the last commit
  std::vector<int64_t> delivered_;
  std::set<std::pair<SourcePartition, int64_t>> refused_;
  const bool lingers_;  // the connection says for how long
  int failed_ = 0;      // times since the last commit
};

}  // namespace anabranch
