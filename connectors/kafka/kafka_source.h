#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "connectors/kafka/kafka_client.h"
#include "engine/lane_context.h"
#include "engine/mutex.h"
#include "engine/source.h"

struct rd_kafka_queue_s;
struct rd_kafka_topic_partition_s;

namespace anabranch {

// Where reading begins (no position stored) or ends: `start` and `end` of a source.
struct PositionRule {
  enum class Kind : uint8_t { kNone, kEarliest, kLatest, kTimestamp, kOffsets };
  Kind kind = Kind::kNone;
  int64_t timestamp_ms = 0;
  std::map<SourcePartition, int64_t> offsets;  // partitions not named: start earliest, end latest

  static PositionRule Of(Kind kind) {
    PositionRule rule;
    rule.kind = kind;
    return rule;
  }
  static PositionRule Earliest() { return Of(Kind::kEarliest); }
  static PositionRule Latest() { return Of(Kind::kLatest); }
};

// What a source of a topology says, checked. Immutable, shared by its lanes.
struct KafkaSourceSettings {
  ClientOptions options;
  std::vector<std::string> topics;
  std::string group;  // empty = anabranch.NAME
  PositionRule start;
  PositionRule end;
  bool read_back = false;  // all partitions, without joining the group; its stored positions count all the same
};

// The group that stores the positions of a source; `topology` is the identity that LaneContext names.
std::string GroupOf(const KafkaSourceSettings& settings, const std::string& topology);

// One lane's consumer: a static member of the group with the range strategy. The group's events come out of
// Poll; nothing is assigned or given up before the lane says so. Positions are always explicit: the client
// never resets one, and records below the expected position are dropped.
//
// A member that the group gave up, or that missed its session while brokers were away, is reported as kLost. Release()
// then makes a new client, which joins under the same name, unless the group says that another process has it by now. A
// lane that was pushed out while it joined does the same, and stops when another still has its name after a session.
//
// CommitPositions, StoredPositions, StoredScoring, GroupMetadata and CheckName may be called on the writer thread while
// the lane polls; all else belongs to the lane's thread. Release() is called while the writer is idle.
class KafkaSource : public Source {
 public:
  KafkaSource(std::shared_ptr<const KafkaSourceSettings> settings, const LaneContext& lane);
  ~KafkaSource() override;

  Status Open() override;
  // kEnd is given again as long as it holds. Keep polling until all lanes are at their end: other members
  // may still hand partitions over. Errors: kFenced (another process took this member's name, see CheckName), kStage (a
  // position that the broker no longer has; a record that fails its checksum), kUnavailable.
  Result<SourceEvent> Poll(RecordBatch& batch, const BatchLimits& limits, int64_t wait_ns) override;
  std::vector<PartitionId> partitions() const override;
  // A partition that was made after the group first read its topic starts at its beginning, whatever `start` says.
  Result<std::vector<int64_t>> StartPositions(std::span<const PartitionId> partitions) override;
  std::string position_owner() const override { return group_; }
  std::string SetPositionCommand(PartitionId partition, int64_t position) const override;
  std::vector<LostPosition> lost() const override { return lost_positions_; }
  Result<int64_t> FirstReadable(const LostPosition& lost, int64_t stored) override;
  Result<std::vector<int64_t>> StoredPositions(std::span<const PartitionId> partitions) override;
  Scoring StoredScoring(PartitionId partition) const override;
  Result<std::vector<PositionRange>> Readable(std::span<const PartitionId> partitions) override;
  Status Assign(std::span<const PartitionId> partitions, std::span<const int64_t> next) override;
  Status Release() override;
  // kRetry when the group is just changing hands, kFenced, kUnavailable.
  Status CommitPositions(std::span<const PositionRange> positions) override;
  void Close() override;
  std::string WhyAway() const override { return reach_->WhyAway(); }

  // Member, generation and instance as of Assign(): what an epoch's positions are sent under, so that a
  // broker refuses them once the partitions have gone to another member. Null before Assign().
  KafkaGroupMetadata GroupMetadata() const;
  // What goes with each position that is stored: how many partitions the topic had when the group first read it, and
  // how rows from there are scored.
  std::string PositionNote(const std::string& topic, const Scoring& scoring) const;
  // Asks the group's coordinator whether another process took this member's name: kFenced. kRetry: no answer.
  // Proof is a member of that name with an id that this lane did not have when it took the partitions that it holds:
  // it asks for no other id before it released them. Ok while it holds none. Stores nothing.
  Status CheckName();

  int64_t waited_ns() const override { return waited_ns_; }
  std::vector<PartitionEnd> Ends() const override;
  uint64_t tombstones() const override { return tombstones_.load(std::memory_order_relaxed); }
  uint64_t repeated() const { return repeated_.load(std::memory_order_relaxed); }  // dropped: below position

 private:
  struct Partition {
    PartitionId id;
    SourcePartition name;
    int64_t next = 0;      // where to go on: behind the last record, and what is no record behind that
    int64_t reported = 0;  // up to where batches have reported
    int64_t end = INT64_MAX;
    bool done = false;
    int unpack_failures = 0;  // at `next`
  };
  // A partition whose stored position is looked after: once seen, it stays until the topic is deleted.
  struct Watched {
    PartitionId id;
    int64_t stored = kNoPosition;
  };
  struct MessageHold;

  void TakeAll(const std::vector<int>& counts);
  void OnRebalance(int error, rd_kafka_topic_partition_list_s* partitions);
  Result<SourceEvent> TakeEvent();
  void RememberMembership();
  void ForgetMembership();
  Status Connect();
  Status Join();
  Status TryJoin(int64_t wait_ns);
  Status OnFence();
  Status StartOver();
  void CloseClient();
  Status NameTaken() const;
  std::string HeldId() const;
  int64_t ForgottenNs() const;
  Status Hold();
  void Fill(RecordBatch& batch, MessageHold& hold, const BatchLimits& limits, int64_t wait_ns);
  void TakeMessage(rd_kafka_message_s* message, RecordBatch& batch, MessageHold& hold);
  void TakeError(const rd_kafka_message_s& message);
  void Watch();
  void LoseTopics(const std::vector<std::string>& topics);
  void LoseRange(const Partition& partition, const std::string& reason);
  Status PassOverExpired(Partition* partition) const;
  void LoseBatch(const Partition& partition, const std::string& reason);
  void CheckMissing(int64_t now_ns);
  Result<int64_t> FirstUnpackable(const SourcePartition& partition, int64_t from, int64_t high) const;
  Status LearnCounts();
  Result<int> FirstCount(const std::string& topic, int count) const;
  int64_t FetchOn();
  void AddHeaders(const rd_kafka_message_s& message, RecordBatch& batch) const;
  Partition* Find(const rd_kafka_message_s& message);
  void ReportPositions(RecordBatch& batch);
  bool PositionsAreDue();
  bool AtEnd() const;
  bool AwaitsMore() const;
  Result<int64_t> Resolve(const SourcePartition& partition, const PositionRule& rule, bool is_end) const;
  Result<int64_t> OffsetAt(const SourcePartition& partition, int64_t timestamp_ms, int64_t otherwise) const;
  KafkaPartitions MakeList(std::span<const PartitionId> partitions) const;
  Result<std::string> HolderOfName() const;
  std::string MemberId() const;
  std::string MemberName() const;
  void LeaveGroup();
  int Store(rd_kafka_topic_partition_list_s* list);
  Status CommitList(rd_kafka_topic_partition_list_s* list);
  std::string Describe(const SourcePartition& partition) const;
  KafkaClient::Settings FixedSettings() const;

  const std::shared_ptr<const KafkaSourceSettings> settings_;
  const LaneContext& lane_;
  const std::string group_;
  const bool bounded_;  // ends by itself: --once or `end`

  const std::shared_ptr<KafkaReach> reach_;
  std::shared_ptr<KafkaClient> client_;  // also held by the batches that use its messages
  rd_kafka_queue_s* queue_ = nullptr;

  std::optional<SourceEvent> event_;  // came, not reported yet
  std::vector<SourcePartition> event_partitions_;
  std::vector<PartitionId> told_partitions_;  // of the event reported last
  std::vector<Partition> assigned_;
  bool joined_ = false;           // asked the group for partitions
  bool holds_ = false;            // between kAssigned and Release()
  bool lost_ = false;             // kLost was reported, Release() was not called yet
  bool fenced_ = false;           // the client's last word: brokers took it for replaced
  int64_t name_taken_by_ns_ = 0;  // another that still has this name then is alive; 0 = none was seen
  bool awaits_assign_ = false;    // the lane knows its partitions and has not assigned them
  bool taking_ = false;           // between Assign() and the next event
  bool closing_ = false;
  bool end_told_ = false;
  int64_t unassigned_since_ns_ = 0;
  int64_t assigned_since_ns_ = 0;
  size_t fair_share_ = 0;  // partitions that a lane has at least when this process is the whole group
  int64_t full_records_ = 0, full_bytes_ = 0;  // either of them queued: the client stops fetching
  int64_t taken_ = 0, taken_bytes_ = 0;        // off the queue since FetchOn() last looked, rows or not
  int64_t mean_bytes_ = 0;                     // of the records that came last
  int64_t most_queued_ = 0;                    // records fetched and not polled, since FetchOn() last woke the client
  int64_t woken_ns_ = 0;
  int64_t waited_ns_ = 0;
  int64_t unreported_since_ns_ = 0;  // positions moved on without a row; 0: none did
  Status stop_;                      // reported once the rows taken before it are out
  std::vector<LostPosition> lost_positions_;
  std::vector<Watched> watched_;  // of the last assignment that had any
  int64_t watch_at_ns_ = 0;
  bool suspicious_ = false;            // no row is handed out before the group was asked
  int64_t missing_since_ns_ = 0;       // a broker said that a topic does not exist
  std::map<std::string, int> counts_;  // partitions per topic at Open()
  const void* last_topic_ = nullptr;   // the partition found last: records come in runs
  int32_t last_partition_ = -1;
  size_t last_found_ = 0;

  mutable Mutex mutex_;
  KafkaGroupMetadata metadata_ GUARDED_BY(mutex_);
  std::string member_id_ GUARDED_BY(mutex_);                    // of the partitions that are held, else empty
  std::map<std::string, int> first_counts_ GUARDED_BY(mutex_);  // partitions per topic when the group first read it
  std::map<PartitionId, Scoring> scorings_ GUARDED_BY(mutex_);  // as last asked
  std::atomic<uint64_t> tombstones_{0}, repeated_{0};
};

// Sets what is stored along with a position.
void SetMetadata(rd_kafka_topic_partition_s* element, std::string_view text);

// Fills in the positions of `list` that `group`, the client's, has stored. While a transaction that may change them is
// open, nobody can read them: one that a dead process left ends with its timeout (TransactionTimeoutNs), and so long
// this waits; for brokers that are away as long as Patience allows, then kCancelled. Otherwise kUnavailable.
Status AskStored(const KafkaClient& client, const std::string& group, const ClientOptions& options,
                 const CancelToken* cancel, rd_kafka_topic_partition_list_s* list);

class KafkaSourceProgram : public SourceProgram {
 public:
  explicit KafkaSourceProgram(std::shared_ptr<const KafkaSourceSettings> settings);

  // Asks the brokers how many partitions there are (bounded; once). If they do not answer: 1, and OpenLane() says why.
  int Lanes(int workers) const override;
  Result<std::unique_ptr<Source>> OpenLane(const LaneContext& lane) const override;
  bool bounded() const override { return settings_->end.kind != PositionRule::Kind::kNone; }
  std::string Describe() const override;
  bool KeepsPosition() const override { return true; }
  bool ForgetsUnderNewIdentity() const override { return settings_->group.empty(); }
  std::shared_ptr<const SourceProgram> Reader() const override;
  bool NumbersRecords() const override { return true; }

  const KafkaSourceSettings& settings() const { return *settings_; }

 private:
  const std::shared_ptr<const KafkaSourceSettings> settings_;
  mutable Mutex mutex_;
  mutable int partitions_ GUARDED_BY(mutex_) = 0;  // 0 = not asked yet
  mutable Status unavailable_ GUARDED_BY(mutex_);  // what Lanes() heard last
};

}  // namespace anabranch
