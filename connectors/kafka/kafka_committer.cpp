#include "connectors/kafka/kafka_committer.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <sstream>

#include "engine/clock.h"
#include "engine/fault_point.h"
#include "engine/state_store.h"

namespace anabranch {

namespace {

constexpr int kCallMs = 2'000;                    // one library call: then a look at the deadline
constexpr int64_t kStartWaitNs = 30'000'000'000;  // a coordinator may have to load first
constexpr int64_t kSettleWaitNs = 15'000'000'000;
constexpr int64_t kAbortBackoffNs = 100 * kNsPerMs;
constexpr int kMostAbortBackoffs = 20;
constexpr int kMostInVain = 10;  // from 1 MB to the smallest batch are four steps
constexpr int64_t kFencedAgainNs = 30'000'000'000;
constexpr char kRecordedIds[] = "transactional_ids";  // of the ledger: one per line

int64_t Now() { return Clock::Real().NowNs(); }

constexpr char kUndone[] = "the last epoch may not be committed; what is missing is read again by the next run";

bool IsFence(int error) {
  return error == RD_KAFKA_RESP_ERR__FENCED || error == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
         error == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
}

std::string TransactionalId(const LaneContext& lane) {
  return lane.topology + "." + lane.instance + "." + std::to_string(lane.lane);
}

}  // namespace

KafkaTransactionCommitter::KafkaTransactionCommitter(const LaneContext& lane, KafkaTargets targets,
                                                     const SourceProgram& source_program, Source& source)
    : lane_(lane),
      targets_(std::move(targets)),
      transactional_id_(TransactionalId(lane)),
      timeout_ns_(TransactionTimeoutNs(targets_.front().second->settings().options)),
      positions_(lane, targets_, source_program, source),
      producer_(lane, targets_) {}

KafkaTransactionCommitter::~KafkaTransactionCommitter() { Close(); }

Status KafkaTransactionCommitter::Open() {
  const std::vector<std::string> topics = TopicsOf(targets_);
  RETURN_IF_ERROR(CountPartitions(targets_.front().second->settings().options, topics, kConnectWaitNs, lane_).status());
  RETURN_IF_ERROR(positions_.Open());
  if (lane_.lane == 0) RETURN_IF_ERROR(CloseStaleIds());
  RETURN_IF_ERROR(RecordId());
  return StartProducer(false);
}

// Ends what lanes that are no more left open: until the broker does, readers of those topics stand still. The lanes
// that are still there do it for their own ids.
Status KafkaTransactionCommitter::CloseStaleIds() {
  if (lane_.store == nullptr) return Status::Ok();
  ASSIGN_OR_RETURN(const auto recorded, lane_.store->Get(kRecordedIds));
  std::string kept;
  std::istringstream lines(recorded.value_or(""));
  for (std::string id; std::getline(lines, id);) {
    LaneContext of = lane_;
    for (of.lane = 0; of.lane < lane_.lanes && TransactionalId(of) != id;) ++of.lane;
    if (of.lane < lane_.lanes) {
      kept += id + "\n";
      continue;
    }
    KafkaProducer producer(lane_, targets_);
    RETURN_IF_ERROR(InitTransactions(producer, id, false));
  }
  return lane_.store->Put({{kRecordedIds, kept}});
}

Status KafkaTransactionCommitter::RecordId() {
  if (lane_.store == nullptr) return Status::Ok();
  ASSIGN_OR_RETURN(const auto recorded, lane_.store->Get(kRecordedIds));
  const std::string ids = recorded.value_or("");
  if (("\n" + ids).find("\n" + transactional_id_ + "\n") != std::string::npos) return Status::Ok();
  return lane_.store->Put({{kRecordedIds, ids + transactional_id_ + "\n"}});
}

// Fences every earlier producer of this id, and ends what it left open.
Status KafkaTransactionCommitter::InitTransactions(KafkaProducer& producer, const std::string& id, bool patiently) {
  RETURN_IF_ERROR(producer.Start(id));
  const int64_t deadline = Now() + kStartWaitNs;
  while (true) {
    const KafkaError error(rd_kafka_init_transactions(producer.handle(), kCallMs));
    rd_kafka_poll(producer.handle(), 0);
    if (error == nullptr) return Status::Ok();
    const bool again = rd_kafka_error_is_retriable(error.get()) != 0 && !producer.client().refused();
    if (lane_.cancel != nullptr && lane_.cancel->now()) return {Code::kCancelled, "stopped while connecting"};
    if (again && (patiently ? !producer.patience().over() : Now() < deadline)) continue;
    const std::string text = "transactional id \"" + id + "\" on " + producer.servers() +
                             " cannot be used: " + rd_kafka_error_string(error.get());
    const bool fenced = IsFence(rd_kafka_error_code(error.get()));
    producer.Stop();
    if (again && patiently) return producer.patience().Over(text + "; " + kUndone);
    return {fenced ? Code::kFenced : Code::kUnavailable, text};
  }
}

Status KafkaTransactionCommitter::StartProducer(bool patiently) {
  in_transaction_ = false;
  RETURN_IF_ERROR(InitTransactions(producer_, transactional_id_, patiently));
  producer_.LearnTopics();
  return Status::Ok();
}

Result<std::vector<TargetProgress>> KafkaTransactionCommitter::Progress(std::span<const PartitionId> partitions) {
  // Ends what the last producer left open: until then nobody can read the positions.
  if (!producer_.running()) RETURN_IF_ERROR(StartAgain({Code::kAborted, "it was closed"}));
  ASSIGN_OR_RETURN(std::vector<int64_t> stored, positions_.Stored(partitions));
  for (size_t i = 0; i < partitions.size(); ++i) {
    if (progress_.size() <= partitions[i]) progress_.resize(partitions[i] + size_t{1}, kNoPosition);
    progress_[partitions[i]] = stored[i];
  }
  std::vector<Scoring> scoring;
  for (const PartitionId partition : partitions) scoring.push_back(positions_.StoredScoring(partition));
  return ForEach(targets_, stored, scoring);
}

// The source's group has the positions; here is what was last seen of them.
Status KafkaTransactionCommitter::MoveProgress(std::span<const PartitionId> partitions, std::span<const int64_t> next) {
  for (size_t i = 0; i < partitions.size(); ++i) {
    if (partitions[i] < progress_.size()) progress_[partitions[i]] = next[i];
  }
  return Status::Ok();
}

// Whether all rows of `range` were written before: other targets were behind.
bool KafkaTransactionCommitter::Repeated(const PositionRange& range) const {
  return range.partition < progress_.size() && range.next <= progress_[range.partition];
}

Status KafkaTransactionCommitter::Begin() {
  if (in_transaction_) return Status::Ok();
  if (!producer_.running()) {
    RETURN_IF_ERROR(StartAgain({Code::kAborted, "it was closed"}));
  } else if (producer_.client().TakeSentAgain()) {
    RETURN_IF_ERROR(Rebuild({Code::kAborted, "a request of its last transaction may still be on its way"}));
  }
  FaultPoint("kafka.begin", transactional_id_);
  const KafkaError error(rd_kafka_begin_transaction(producer_.handle()));
  if (error != nullptr) {
    const Status cause(Code::kAborted, std::string("no transaction begun: ") + rd_kafka_error_string(error.get()));
    RETURN_IF_ERROR(Rebuild(cause));
    return Aborted(cause);
  }
  in_transaction_ = true;
  began_ns_ = Now();
  return Status::Ok();
}

Status KafkaTransactionCommitter::Write(const EncodedBatch& batch) {
  RETURN_IF_ERROR(Begin());
  Status written = producer_.Write(batch, {}, timeout_ns_);
  FaultPoint("kafka.produced", transactional_id_);
  if (written.ok() && !producer_.refuses()) return written;
  const bool fatal = producer_.client().FatalError(nullptr) != 0;
  return Settle(fatal ? Verdict::kFatal : Verdict::kAbort, written, {.epoch = 0, .positions = batch.positions});
}

Status KafkaTransactionCommitter::Prepare() {
  if (!in_transaction_) return Status::Ok();
  bool answered = false;
  while (!(answered = producer_.Flush(kCallMs)) && producer_.failure().ok()) {
    if (Now() >= began_ns_ + timeout_ns_ || producer_.patience().over()) break;
  }
  if (answered && producer_.failure().ok()) return Status::Ok();
  return AbortNow({Code::kAborted, producer_.failure().ok() ? "brokers " + producer_.servers() + " do not answer"
                                                            : producer_.failure().message()});
}

Status KafkaTransactionCommitter::Commit(const EpochEnd& end) {
  if (!in_transaction_ && end.positions.empty()) return Status::Ok();
  RETURN_IF_ERROR(Begin());
  producer_.Flush(1);  // the last records go out while the positions do
  Status cause;
  Verdict verdict = SendPositions(end, &cause);
  if (verdict == Verdict::kDone) {
    FaultPoint("kafka.positions_sent", transactional_id_);
    verdict = EndTransaction(&cause);
  }
  return Settle(verdict, cause, end);
}

KafkaTransactionCommitter::Verdict KafkaTransactionCommitter::Judge(const rd_kafka_error_s& error,
                                                                    Status* cause) const {
  *cause = {Code::kAborted, std::string(rd_kafka_error_name(&error)) + ": " + rd_kafka_error_string(&error)};
  if (rd_kafka_error_code(&error) == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID && positions_.consumer() != nullptr) {
    const Status name = positions_.consumer()->CheckName();
    if (name.code() == Code::kFenced) *cause = name;
  }
  if (rd_kafka_error_is_fatal(&error) != 0) return Verdict::kFatal;
  if (rd_kafka_error_txn_requires_abort(&error) != 0) return Verdict::kAbort;
  return rd_kafka_error_is_retriable(&error) != 0 ? Verdict::kUnknown : Verdict::kFatal;
}

// Again with the same arguments until the transaction would be timed out by the broker.
KafkaTransactionCommitter::Verdict KafkaTransactionCommitter::SendPositions(const EpochEnd& end, Status* cause) {
  if (end.positions.empty()) return Verdict::kDone;
  const KafkaPartitions list = positions_.ToSend(end, progress_);
  const KafkaGroupMetadata metadata = positions_.Metadata();
  if (metadata == nullptr) {
    *cause = {Code::kAborted, "the group gave this consumer's partitions to others"};
    return Verdict::kAbort;
  }
  while (true) {
    const KafkaError error(
        rd_kafka_send_offsets_to_transaction(producer_.handle(), list.get(), metadata.get(), kCallMs));
    if (error == nullptr) return Verdict::kDone;
    const Verdict verdict = Judge(*error, cause);
    if (verdict != Verdict::kUnknown) return verdict;
    // EndTxn is not out yet: an abort is definite.
    if (Now() >= began_ns_ + timeout_ns_ || producer_.patience().over()) return Verdict::kAbort;
  }
}

KafkaTransactionCommitter::Verdict KafkaTransactionCommitter::EndTransaction(Status* cause) {
  producer_.Flush(kCallMs);
  FaultPoint("kafka.commit", transactional_id_);
  const int64_t deadline = Now() + kSettleWaitNs;
  while (true) {
    const KafkaError error(rd_kafka_commit_transaction(producer_.handle(), kCallMs));
    rd_kafka_poll(producer_.handle(), 0);
    if (error == nullptr) return Verdict::kDone;
    const Verdict verdict = Judge(*error, cause);
    if (verdict != Verdict::kUnknown || Now() >= deadline || producer_.patience().over()) return verdict;
  }
}

Status KafkaTransactionCommitter::Settle(Verdict verdict, const Status& cause, const EpochEnd& end) {
  if (verdict == Verdict::kDone) {
    FaultPoint("kafka.committed", transactional_id_);
    in_transaction_ = false;
    aborted_ = in_vain_ = 0;
    producer_.ForgetRows();
    return Status::Ok();
  }
  if (verdict == Verdict::kAbort) return AbortNow(cause);
  // The commit may be out: only the stored positions tell what became of it.
  RETURN_IF_ERROR(Rebuild(cause));
  return Resolve(end, cause);
}

Status KafkaTransactionCommitter::Abort() {
  const Status aborted = in_transaction_ ? AbortTransaction({Code::kAborted, "dropped"}) : Status::Ok();
  producer_.TakeSuspects();
  producer_.TakeRefused();
  producer_.ForgetFailure();
  return aborted;
}

// Afterwards it is known which rows are to blame, if any are.
Status KafkaTransactionCommitter::AbortNow(const Status& cause) {
  Status failure = producer_.failure();
  RETURN_IF_ERROR(AbortTransaction(cause));
  if (failure.ok()) failure = producer_.failure();  // some reports come with the abort
  const std::vector<KafkaProducer::Sent> suspects = producer_.TakeSuspects();
  producer_.ForgetFailure();
  if (cause.code() == Code::kFenced || cause.code() == Code::kStage) return cause;
  if (failure.code() == Code::kStage) return failure;
  if (!suspects.empty()) {
    RETURN_IF_ERROR(Renew());
    const Status judged = JudgeRows(suspects);
    if (!judged.ok() && judged.code() != Code::kAborted) return judged;
  }
  if (!suspects.empty() && !producer_.refuses() && ++in_vain_ >= kMostInVain) {
    return {Code::kStage, failure.message() + "; no single record of the batch is to blame"};
  }
  if (!producer_.refuses()) return Aborted(cause);
  aborted_ = in_vain_ = 0;
  return {Code::kAborted, cause.message()};
}

// Takes everything back that was produced. Afterwards the client refers to no row any more.
Status KafkaTransactionCommitter::AbortTransaction(const Status& cause) {
  const int64_t deadline = Now() + kSettleWaitNs;
  FaultPoint("kafka.abort", transactional_id_);
  bool aborted = false;
  while (!aborted) {
    const KafkaError error(rd_kafka_abort_transaction(producer_.handle(), kCallMs));
    rd_kafka_poll(producer_.handle(), 0);
    aborted = error == nullptr;
    if (aborted || rd_kafka_error_is_retriable(error.get()) == 0) break;
    if (Now() >= deadline || producer_.patience().over()) break;
  }
  if (!aborted || rd_kafka_outq_len(producer_.handle()) > 0) RETURN_IF_ERROR(Rebuild(cause));
  FaultPoint("kafka.aborted", transactional_id_);
  in_transaction_ = false;
  producer_.ForgetRows();
  return Status::Ok();
}

// Each question is a transaction of its own, which is aborted.
Status KafkaTransactionCommitter::JudgeRows(const std::vector<KafkaProducer::Sent>& suspects) {
  const auto send = [this](std::span<const KafkaProducer::Sent> rows, size_t step) -> Result<std::optional<size_t>> {
    RETURN_IF_ERROR(Begin());
    Result<std::optional<size_t>> refused = producer_.SendInParts(rows, step);
    FaultPoint("kafka.judged", transactional_id_);
    RETURN_IF_ERROR(AbortTransaction({Code::kAborted, "records were judged"}));
    producer_.TakeSuspects();
    producer_.ForgetFailure();
    if (refused.ok() && refused->has_value()) RETURN_IF_ERROR(Renew());
    return refused;
  };
  const Result<bool> judged = producer_.Judge(suspects, send);
  if (!judged.ok()) return judged.status();
  if (producer_.refuses() || !producer_.ShrinkBatches()) return Status::Ok();
  return StartAgain({Code::kAborted, "the topic takes smaller batches of records only"});
}

Status KafkaTransactionCommitter::Aborted(const Status& cause) {
  in_transaction_ = false;
  ExplainAbort(cause);
  if (aborted_++ > 0) producer_.patience().Pause(kAbortBackoffNs * std::min(aborted_, kMostAbortBackoffs));
  return {Code::kAborted, cause.message()};
}

// The usual reason is a topic that was deleted; the client only says that records timed out. To look is also how the
// client learns that it is back. Reported once per row of aborts.
void KafkaTransactionCommitter::ExplainAbort(const Status& cause) const {
  if (!producer_.running()) return;
  const std::string gone = WhichIsGone(producer_.client(), targets_, lane_.make_command);
  if (aborted_ > 0 || !lane_.warn) return;
  lane_.warn(gone.empty() ? "a transaction was aborted, its records are written again: " + cause.message() : gone);
}

bool KafkaTransactionCommitter::TimedOutByBroker() const {
  return in_transaction_ && Now() - began_ns_ >= timeout_ns_ * 8 / 10;
}

// A new client under the same id. Nothing refers to the rows from here on.
Status KafkaTransactionCommitter::Rebuild(const Status& cause) {
  const int fatal = producer_.client().FatalError(nullptr);
  const bool timed_out = TimedOutByBroker();
  producer_.Stop();
  in_transaction_ = false;
  if (IsFence(fatal) && !timed_out) RETURN_IF_ERROR(JudgeFence(cause));
  return StartAgain(cause);
}

// The broker had not timed the transaction out, so somebody fenced it. Who owns the work is for the group to tell; a
// source without a group has nobody to ask.
Status KafkaTransactionCommitter::JudgeFence(const Status& cause) {
  const bool again = fenced_ns_ != 0 && Now() - fenced_ns_ < kFencedAgainNs;
  fenced_ns_ = Now();
  return again || positions_.consumer() == nullptr ? Fenced(cause) : Status::Ok();
}

Status KafkaTransactionCommitter::Fenced(const Status& cause) const {
  return {Code::kFenced, "another process uses the transactional id \"" + transactional_id_ + "\" on " +
                             producer_.servers() + ": give each process of this topology its own --instance (" +
                             cause.message() + ")"};
}

// To start a producer is to fence all others of its id, so not before the group has said that this is no process which
// was given up and replaced. Brokers that are away are waited for.
Status KafkaTransactionCommitter::StartAgain(const Status& cause) {
  if (lane_.warn) lane_.warn("the Kafka producer \"" + transactional_id_ + "\" is made anew: " + cause.message());
  return Renew();
}

// A client whose records were refused has lost count of its sequence numbers (librdkafka 2.0.2): it goes this way, too.
Status KafkaTransactionCommitter::Renew() {
  producer_.Stop();
  in_transaction_ = false;
  if (producer_.patience().over()) return producer_.patience().Over(kUndone);
  while (positions_.consumer() != nullptr) {
    const Status name = positions_.consumer()->CheckName();
    if (name.code() == Code::kFenced) return Fenced(name);
    if (name.ok()) break;
    if (producer_.patience().over()) return producer_.patience().Over(name.message() + "; " + kUndone);
    producer_.patience().Pause(kAbortBackoffNs);
  }
  RETURN_IF_ERROR(StartProducer(true));
  FaultPoint("kafka.rebuilt", transactional_id_);
  return Status::Ok();
}

Status KafkaTransactionCommitter::Resolve(const EpochEnd& end, const Status& cause) {
  std::vector<PartitionId> ids;
  std::vector<int64_t> ends;
  for (const PositionRange& range : end.positions) {
    if (range.next <= range.first || Repeated(range)) continue;  // tells nothing
    ids.push_back(range.partition);
    ends.push_back(range.next);
  }
  Result<std::vector<int64_t>> found = positions_.Stored(ids);
  if (found.status().code() == Code::kCancelled) return producer_.patience().Over(kUndone);
  ASSIGN_OR_RETURN(const std::vector<int64_t> stored, std::move(found));
  FaultPoint("kafka.resolved", transactional_id_);
  size_t reached = 0;
  for (size_t i = 0; i < ids.size(); ++i) reached += stored[i] >= ends[i] ? 1 : 0;
  if (!ids.empty() && reached == ids.size()) {
    aborted_ = 0;
    return Status::Ok();
  }
  if (reached == 0) return Aborted(cause);
  return {Code::kFenced, "another member of group \"" + positions_.group() + "\" went on with " +
                             std::to_string(reached) + " of " + std::to_string(ids.size()) +
                             " partitions of this epoch"};
}

void KafkaTransactionCommitter::Close() {
  if (!producer_.running()) return;
  // When this fails, the next start of this id or the broker's timeout does it.
  if (in_transaction_) const KafkaError error(rd_kafka_abort_transaction(producer_.handle(), kCallMs));
  in_transaction_ = false;
  producer_.Stop();
}

Result<std::unique_ptr<Committer>> OpenKafkaCommitter(const LaneContext& lane, KafkaTargets targets,
                                                      const SourceProgram& source_program, Source& source) {
  if (targets.empty()) return Status(Code::kInternal, "a Kafka commit unit without targets");
  if (lane.delivery == Delivery::kExactlyOnce) {
    return std::unique_ptr<Committer>(
        std::make_unique<KafkaTransactionCommitter>(lane, std::move(targets), source_program, source));
  }
  return std::unique_ptr<Committer>(
      std::make_unique<KafkaAtLeastOnceCommitter>(lane, std::move(targets), source_program, source));
}

}  // namespace anabranch
