#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "connectors/kafka/kafka_client.h"
#include "connectors/kafka/kafka_target.h"
#include "engine/connector.h"

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
  // Ends the client and with it every record that is not delivered.
  void Stop();
  bool running() const { return client_ != nullptr; }

  // Of everything that waits for this producer's brokers.
  Patience& patience() { return patience_; }

  // Produces the rows of `batch` for this unit's targets, but not those that were read below `progress` (by
  // PartitionId, may be empty). Waits while the queue is full, at most `wait_ns`.
  // kAborted: the client will take no more until the transaction is aborted or the client made anew;
  // kStage: a record can never be written; kTimedOut: the queue stayed full.
  Status Write(const EncodedBatch& batch, std::span<const int64_t> progress, int64_t wait_ns);

  // Sends what is gathered at once, whatever the linger is, and waits at most `wait_ms` until nothing is under way (the
  // answer; a failed delivery is not under way either). The library's own flush looks every 10 ms only.
  bool Flush(int wait_ms);

  // Why records were not delivered since ForgetFailure(); Ok = none known.
  // kStage when trying again is of no use, kAborted otherwise.
  const Status& failure() const { return failure_; }
  void ForgetFailure() { failure_ = Status::Ok(); }

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

  Status Produce(Target& target, const EncodedRows& rows, const EncodedRows::Row& row, int64_t deadline_ns);
  rd_kafka_headers_s* MakeHeaders(Target& target, const EncodedRows& rows, const EncodedRows::Row& row);
  std::string_view RecordId(Target& target, const EncodedRows::Row& row);
  void NoteFailure(int error, std::string text);

  const LaneContext& lane_;
  const ClientOptions options_;
  const std::string servers_;
  std::vector<Target> targets_;
  std::shared_ptr<KafkaClient> client_;
  Patience patience_;
  Status failure_;
  const SourceTable* replayed_ = nullptr;  // of the batch that is being written
  std::string id_;                         // scratch
};

// Topics of `targets`, each once.
std::vector<std::string> TopicsOf(const KafkaTargets& targets);

// A topic of theirs that does not exist any more, in words, with the command that makes it; empty: none, or brokers do
// not answer at once.
std::string WhichIsGone(const KafkaClient& client, const KafkaTargets& targets);

// The broker aborts a transaction that is open for longer.
int64_t TransactionTimeoutNs(const ClientOptions& options);

}  // namespace anabranch
