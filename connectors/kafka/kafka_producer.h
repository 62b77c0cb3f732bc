#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "connectors/kafka/kafka_client.h"
#include "connectors/kafka/kafka_target.h"
#include "engine/committer.h"
#include "engine/lane_context.h"

struct rd_kafka_headers_s;

namespace anabranch {

using KafkaTargets = std::vector<std::pair<TargetId, const KafkaTargetProgram*>>;

// The producer of one lane: turns encoded rows into records of the client library. Values are not copied:
// their bytes must stay until they are delivered, or until Stop() returned.
// Used by one thread at a time.
class KafkaProducer {
 public:
  // `lane` and the programs of `targets` must outlive this.
  KafkaProducer(const LaneContext& lane, KafkaTargets targets);

  // Makes a client; idempotent, transactional when `transactional_id` is not empty.
  Status Start(const std::string& transactional_id);
  // Asks where the topics are, half a second each at most. Without it the first record of a client waits up to a second
  // (librdkafka below 2.10.1). After the brokers have answered something else.
  void LearnTopics();
  // Ends the client and with it every record that is not delivered.
  void Stop();
  bool running() const { return client_ != nullptr; }

  // Of everything that waits for this producer's brokers.
  Patience& patience() { return patience_; }

  // Produces the rows of `batch` for this unit's targets, but not those that `skip` names (may be empty). Waits while
  // the queue is full, at most `wait_ns`. A row that the client itself refuses is omitted: TakeRefused() has it.
  // kAborted: the client will take no more until the transaction is aborted or the client made anew;
  // kStage: nothing can be written to a topic; kTimedOut: the queue stayed full.
  using Skip = std::function<bool(TargetId, const EncodedRows::Row&)>;
  Status Write(const EncodedBatch& batch, const Skip& skip, int64_t wait_ns);

  // The last Write() came to the end of its batch.
  bool wrote_all() const { return wrote_all_; }

  // Sends what is gathered at once, whatever the linger is, and waits at most `wait_ms` until nothing is under way (the
  // answer; a failed delivery is not under way either). The library's own flush looks every 10 ms only.
  bool Flush(int wait_ms);

  // Why records were not delivered since ForgetFailure(); Ok = none known.
  // kStage when trying again is of no use, kAborted otherwise.
  const Status& failure() const { return failure_; }
  void ForgetFailure() { failure_ = Status::Ok(); }
  // Whose topic cannot be written at all, when that was found.
  std::optional<TargetId> failed_target() const { return failed_target_; }

  // A row that was written. Its bytes must still be where they were.
  struct Sent {
    size_t target = 0;  // index
    const EncodedRows* rows = nullptr;
    const EncodedRows::Row* row = nullptr;
    const SourceTable* replayed = nullptr;  // of its batch; null: the lane's
  };
  // Rows whose batch of records a broker refused for what is in it: one of them may be to blame, or the size of the
  // batch. Empties the list; failure() does not tell of them any more, only of others.
  std::vector<Sent> TakeSuspects();
  bool suspects() const { return !suspects_.empty(); }
  // Which of `suspects` the broker refuses when it gets them alone: they go to the refused rows. `send` has the rows
  // written and answers the place of the first part (of `step` rows) that was refused; no place: all were taken.
  // Bounded in time and number: false = not all of them are judged, the others are when they are written again.
  using Send = std::function<Result<std::optional<size_t>>(std::span<const Sent> rows, size_t step)>;
  Result<bool> Judge(const std::vector<Sent>& suspects, const Send& send);
  // Sends `rows`, `step` at a time; each part waits for the broker's word on the one before. As Send of Judge().
  Result<std::optional<size_t>> SendInParts(std::span<const Sent> rows, size_t step);

  // The rows that can never be written. Empties the list.
  std::vector<RefusedRow> TakeRefused();
  bool refuses() const { return !refused_.empty(); }
  // The rows of Write() may go now.
  void ForgetRows() { written_.clear(); }
  // From the next Start() on a request holds half as many bytes per partition as the suspects that were judged last.
  // False: it is small already, or they were not too large.
  bool ShrinkBatches();

  // Any thread: why the brokers cannot be reached; empty: they can.
  std::string WhyAway() const { return reach_->WhyAway(); }

  KafkaClient& client() const { return *client_; }
  rd_kafka_s* handle() const { return client_->get(); }
  const std::string& servers() const { return servers_; }

 private:
  struct Target {
    TargetId id;
    const KafkaTargetProgram* program;
    KafkaTopic topic;
    std::vector<std::string> id_prefix;  // by PartitionId of the lane's table: "topic/partition/"
  };

  Status Produce(size_t index, const EncodedRows& rows, const EncodedRows::Row& row, int64_t deadline_ns);
  void Refuse(const Sent& sent, int error);
  rd_kafka_headers_s* MakeHeaders(Target& target, const EncodedRows& rows, const EncodedRows::Row& row);
  std::string_view RecordId(Target& target, const EncodedRows::Row& row);
  void NoteUndelivered(const rd_kafka_message_s& message);

  const LaneContext& lane_;
  const ClientOptions options_;
  const std::string servers_;
  std::vector<Target> targets_;
  const std::shared_ptr<KafkaReach> reach_;
  std::shared_ptr<KafkaClient> client_;
  Patience patience_;
  Status failure_;
  bool failure_of_suspects_ = false;
  const SourceTable* replayed_ = nullptr;  // of the batch that is being written
  std::optional<TargetId> failed_target_;
  std::vector<Sent> written_;   // per batch and target, without a row
  std::vector<Sent> suspects_;  // of one error
  int suspected_of_ = 0;        // that error
  size_t suspected_bytes_ = 0;  // of those that were judged last
  bool wrote_all_ = true;
  std::vector<RefusedRow> refused_;
  size_t batch_bytes_ = 0;  // 0: as the connection says
  std::string id_;          // scratch
};

// The same progress for each of `targets`: they commit together.
std::vector<TargetProgress> ForEach(const KafkaTargets& targets, const std::vector<int64_t>& next,
                                    const std::vector<Scoring>& scoring = {});

// Topics of `targets`, each once.
std::vector<std::string> TopicsOf(const KafkaTargets& targets);

// A topic of theirs that does not exist any more, in words, with the commands that make it; empty: none, or brokers do
// not answer at once.
std::string WhichIsGone(const KafkaClient& client, const KafkaTargets& targets, const std::string& make_command);

// The broker aborts a transaction that is open for longer.
int64_t TransactionTimeoutNs(const ClientOptions& options);

}  // namespace anabranch
