#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/cancel.h"
#include "engine/codec/csv_dialect.h"
#include "engine/config.h"
#include "engine/encoded.h"
#include "engine/fault.h"
#include "engine/ids.h"
#include "engine/node.h"
#include "engine/record_batch.h"
#include "engine/spec.h"
#include "engine/status.h"

namespace anabranch {

class Ledger;

enum class Delivery : uint8_t { kExactlyOnce, kAtLeastOnce };

// ---------------------------------------------------------------------------------------- sources

// When a batch is complete.
struct BatchLimits {
  uint32_t max_rows = 256;
  size_t max_bytes = size_t{4} << 20;
  int64_t linger_ns = 0;  // 0: complete as soon as nothing more is at hand
  // Of a plan: rows and linger are to be found at run time so that a record is through within this. 0 = as they stand.
  int64_t latency_target_ns = 0;
};

// What one call of Source::Poll brought.
enum class SourceEvent : uint8_t {
  kRows,      // the batch holds rows; it is complete (rows, bytes, or nothing more within linger)
  kIdle,      // nothing within the wait; the batch is empty
  kAssigned,  // partitions() came: find out where to go on and call Assign()
  kRevoked,   // partitions() will go: finish and commit their rows, then call Release()
  kLost,      // partitions() are gone already: drop their rows uncommitted, then call Release()
  kEnd,       // the input ended (file; Kafka with --once): nothing more will come
};

// A position at which the outside can no longer be read.
struct LostPosition {
  enum class Why : uint8_t {
    kGone,        // it is stored no more, or behind what was committed: what it counted in may have been made anew
    kOutOfRange,  // the records there are deleted
    kUnreadable,  // the records there cannot be unpacked
  };
  PartitionId partition;
  int64_t position = 0;
  Why why = Why::kGone;
};

// One lane's road in. Used by the lane's thread only, except where said. Every wait is bounded.
class Source {
 public:
  virtual ~Source() = default;

  // Connects and checks that what it reads exists. kUnavailable names the cure.
  virtual Status Open() = 0;
  // Fills `batch` (cleared by the caller) with up to the limits; sets batch.positions and
  // batch.partitions. Waits at most `wait_ns` for the first row, then at most linger for more.
  virtual Result<SourceEvent> Poll(RecordBatch& batch, const BatchLimits& limits, int64_t wait_ns) = 0;
  // The partitions that the last kAssigned / kRevoked / kLost is about.
  virtual std::vector<PartitionId> partitions() const = 0;
  // Where the outside keeps this source's position: committed offsets of a group. kNoPosition when
  // nothing was ever stored or the source stores none (files).
  virtual Result<std::vector<int64_t>> StoredPositions(std::span<const PartitionId> partitions) = 0;
  // Where the source's `start` rule begins, as things are now. The lane remembers the answer: "latest" moves on.
  virtual Result<std::vector<int64_t>> StartPositions(std::span<const PartitionId> partitions) {
    return std::vector<int64_t>(partitions.size(), 0);
  }
  // The name under which the outside keeps this source's positions (a Kafka group); empty when it keeps none.
  virtual std::string position_owner() const { return {}; }
  // The command that sets the stored position of a partition by hand; empty when there is none.
  virtual std::string SetPositionCommand(PartitionId /*partition*/, int64_t /*position*/) const { return {}; }
  // What the last Poll or Assign found lost: it ended with kStage because of it. Others of the same topic may be lost
  // too.
  virtual std::vector<LostPosition> lost() const { return {}; }
  // Where to go on when an operator accepts the loss: at `stored` where that can be read (kNoPosition: it does not
  // count), else at the first record that can.
  virtual Result<int64_t> FirstReadable(const LostPosition& /*lost*/, int64_t /*stored*/) { return 0; }
  // Begins reading the assigned partitions. kNoPosition = the source's `start` rule. Until it is called, Poll answers
  // kIdle (kRevoked, kLost): a lane may first feed rows that were kept.
  virtual Status Assign(std::span<const PartitionId> partitions, std::span<const int64_t> next) = 0;
  virtual Status Release() = 0;
  // Stores positions where no committer carries them (commit thread; the lane waits meanwhile or
  // polls: implementations lock). Files: no effect.
  virtual Status CommitPositions(std::span<const PositionRange> positions) = 0;
  // The connector's own source, beneath one that only changes what its rows are.
  virtual Source& origin() { return *this; }
  // Stops taking rows in; positions stay. Then Close() leaves the group. Idempotent.
  virtual void Close() = 0;
};

// A bound source of a topology. Immutable, shared.
class SourceProgram {
 public:
  virtual ~SourceProgram() = default;
  // How many lanes can share the work, given `workers` compute threads (a file: 1).
  virtual int Lanes(int workers) const = 0;
  virtual Result<std::unique_ptr<Source>> OpenLane(const struct LaneContext& lane) const = 0;
  // Bounded input ends by itself (files); unbounded ends with --once only.
  virtual bool bounded() const = 0;
  virtual std::string Describe() const = 0;  // "kafka topics payments on localhost:9092"
  // The same for what is stored outside and must hold after the project folder was moved: paths as the topology sees
  // them.
  virtual std::string PlaceInProject() const { return Describe(); }
  // The connector's own program, as Source::origin().
  virtual const SourceProgram& origin() const { return *this; }
  // The outside stores how far this source was read (a Kafka group), whatever becomes of the state folder.
  virtual bool KeepsPosition() const { return false; }
  // Whether a new identity makes it forget: false when the position has a name of its own (an explicit group).
  virtual bool ForgetsUnderNewIdentity() const { return true; }
  // How CSV input is written, with the names of its header row, read when the source was bound; no names for other
  // formats.
  virtual CsvDialect csv() const { return {}; }
  // What was read once can be read again after a crash. False for a stream that passes by, such as standard input: it
  // is assigned behind what every target has.
  virtual bool CanRepeat() const { return true; }
  // What tells this bounded input from another one ("size=120;prefix=9f…"), as it is now; empty = it has no such mark.
  virtual Result<std::string> Identity() const { return std::string(); }
  // Whether the input is still the one that `stored_identity` describes; `grown` = data came after its end.
  virtual Result<bool> SameInput(const std::string& /*stored_identity*/, bool* grown) const {
    *grown = false;
    return true;
  }
};

// ---------------------------------------------------------------------------------------- targets

// What a persist node writes.
struct TargetFields {
  struct Field {
    std::string name;
    ColumnId column;
    Type type;
    bool nullable = true;
    const ConfigValue* at = nullptr;
  };
  std::string node_id;
  std::vector<Field> fields;
  std::string envelope;                 // "", "plain", "raw", "cloudevents": judged by the connector
  const ConfigValue* config = nullptr;  // the persist node's object
};

// Encodes rows of a batch for one target; one per compute thread.
class RowEncoder {
 public:
  virtual ~RowEncoder() = default;
  // Appends one encoded row per active row, in row order, to `out`.
  virtual Status Encode(const RecordBatch& batch, std::span<const uint8_t> active, EncodedRows* out) = 0;
};

// Constants that encoders put on every record.
struct ResultIdentity {
  // A model above the persist node. It scored the rows whose outcome in its stage is kOk, and no others.
  struct Model {
    StageId stage;
    std::string name;  // name@version
  };
  std::string topology;       // name@hash
  std::vector<Model> models;  // in plan order
};

// A bound target. Immutable, shared.
class TargetProgram {
 public:
  virtual ~TargetProgram() = default;
  // Targets of one connector with the same unit commit atomically together, e.g. "kafka:main",
  // "sqlite:/path/scores.db". One Committer is opened per unit and lane.
  virtual std::string commit_unit() const = 0;
  virtual std::string connector() const = 0;
  // Whether rows and progress can be made durable together for this kind of source; the reason is
  // shown by `explain` and by the fault when exactly_once was asked for and cannot be given.
  virtual bool ExactlyOnce(const SourceProgram& source, std::string* why) const = 0;
  virtual std::unique_ptr<RowEncoder> MakeEncoder(const ResultIdentity& identity) const = 0;
  virtual std::string Describe() const = 0;  // "kafka topic payments.scored"
  // Whether what `ledger` says is committed here is still there, asked before a finished run is called done. Looks at
  // nothing over a network. kInvalid, kUnavailable: what is missing, and the cure.
  virtual Status CheckThere(const std::string& /*state_dir*/, Ledger& /*ledger*/) const { return Status::Ok(); }
  // The same for people, with the whole path where the target lies in the state folder.
  virtual std::string DescribeIn(const std::string& /*state_dir*/) const { return Describe(); }
  // Whether Discard can do its work. Asked of every target before the first one is emptied.
  virtual bool CanDiscard() const { return false; }
  // `run --fresh`: removes the rows that `ledger` owns. Targets whose rows others may have read
  // already (kafka, sqlite) answer kInvalid: they need a new identity instead.
  virtual Status Discard(Ledger& /*ledger*/) const {
    return {Code::kInvalid,
            Describe() + " cannot be emptied: add --new-identity to write it again under a new identity"};
  }
};

// A closed epoch: the rows written since the last commit complete exactly these positions.
struct EpochEnd {
  uint64_t epoch = 0;
  std::vector<PositionRange> positions;  // merged, one per partition
};

// A row that a target will never take: the outside system refused it when it was sent alone.
struct RefusedRow {
  enum class Why : uint8_t { kContent, kSize, kTimestamp };
  TargetId target;
  SourcePartition partition;  // with `offset` the source record
  int64_t offset = 0;
  Why why = Why::kContent;
  std::string reason;  // for the operator: who refused it, what was said, what helps
};

// Makes the rows of epochs durable together with their positions, for the targets of one commit unit
// on one lane. Used by the lane's writer thread (Progress: by the lane thread while the writer is idle).
// Order of calls: Open, (Progress)*, then per epoch: Write+, Commit; SendNow between any two; Abort drops what
// was written since the last commit. After kAborted from Write, Prepare or Commit the caller writes the pinned rows
// again, unless TakeRefused() has rows: those rows can never be written, and the epoch is to be made without them.
// After kFenced, kStage or kUnavailable the committer is only closed; with exactly_once nothing of the epoch is
// visible. A committer may refer to the bytes it was given until Commit, Abort or Close returned, or Write or Commit
// with kAborted.
class Committer {
 public:
  virtual ~Committer() = default;
  virtual Status Open() = 0;
  // Next source offset that this unit wants, per partition; kNoPosition = it has none stored.
  // Write suppresses the rows that were read below it (EncodedBatch::ReadAt).
  virtual Result<std::vector<int64_t>> Progress(std::span<const PartitionId> partitions) = 0;
  // An operator decided where the source goes on: progress becomes `next`, which may be lower than it was. Lane thread,
  // while the writer is idle.
  virtual Status MoveProgress(std::span<const PartitionId> /*partitions*/, std::span<const int64_t> /*next*/) {
    return Status::Ok();
  }
  virtual Status Write(const EncodedBatch& batch) = 0;
  // Before another unit commits the epoch: waits until the outside system took every row that was written, or says
  // which it refuses. Makes nothing visible.
  virtual Status Prepare() { return Status::Ok(); }
  virtual Status Commit(const EpochEnd& end) = 0;
  // Of the last call that answered kAborted: the rows that are to blame, if any. They are not given again.
  virtual std::vector<RefusedRow> TakeRefused() { return {}; }
  // After kStage: which of the unit's targets cannot be written, if it is one of them.
  virtual std::optional<TargetId> FailedTarget() const { return std::nullopt; }
  virtual Status Abort() = 0;
  // Readers see rows only once they are committed. False: as soon as they leave, which SendNow() hastens.
  virtual bool ShowsAtCommit() const { return true; }
  // The input is idle: what was written need not wait for company. Takes a millisecond or so.
  virtual void SendNow() {}
  // From any thread: the call that is under way is to end soon, its result does not matter; holds until Resume().
  virtual void Interrupt() {}
  virtual void Resume() {}
  // The commit also stores the source's positions (Kafka transactions).
  virtual bool CarriesPositions() const { return false; }
  // Commit order: sqlite 0, file 1, kafka 3, source positions that no target carries 4.
  virtual int rank() const = 0;
  virtual void Close() = 0;
};

// What a lane gives to the connectors it opens. Outlives them.
struct LaneContext {
  std::string topology;  // name
  std::string instance = "0";
  int lane = 0;
  int lanes = 1;
  Delivery delivery = Delivery::kExactlyOnce;
  bool once = false;           // end at what is there now
  bool wants_headers = false;  // the plan reads record headers
  bool pass_headers = false;   // hand traceparent / tracestate on
  std::string source_id;
  std::string state_dir;
  size_t read_ahead_bytes = size_t{64} << 20;  // what a source may fetch before it is asked
  SourceTable* partitions = nullptr;
  Ledger* ledger = nullptr;
  CancelToken* cancel = nullptr;
  const Clock* clock = nullptr;
  std::function<void(const std::string&)> warn;  // one line for the operator's log
};

// One part of a topology that needs something outside; one of both programs.
struct OutsideNeed {
  std::string who;  // "source \"payments\"", "node \"out\"", "dead letters"
  const SourceProgram* source = nullptr;
  const TargetProgram* target = nullptr;
};

// An outside system: one folder under connectors/. Lives as long as the registry.
class Connector {
 public:
  virtual ~Connector() = default;

  struct Spec {
    std::string name;  // a noun: "kafka"
    std::string summary;
    std::string about;
    std::vector<FieldSpec> source;               // fields inside {"kafka": {…}} of a source; empty = no source
    std::vector<FieldSpec> target;               // fields inside "to": {"kafka": {…}}; empty = no target
    std::vector<FieldSpec> connection;           // fields of a connection; empty = needs none
    std::string source_example, target_example;  // JSON
  };
  virtual const Spec& spec() const = 0;

  // `at` is the object under the connector's name; its structure is already checked. Null when faulty.
  virtual std::shared_ptr<const SourceProgram> BindSource(const ConfigValue& at, const std::string& source_id,
                                                          BindServices& services, FaultSink& faults) const = 0;
  virtual std::shared_ptr<const TargetProgram> BindTarget(const ConfigValue& at, const TargetFields& fields,
                                                          BindServices& services, FaultSink& faults) const = 0;
  // Where dead letters go: the same targets, written with the record's own key, value and headers.
  // `at` null = the default of this connector for `source` (topic NAME.dead; dead_letters.jsonl).
  virtual std::shared_ptr<const TargetProgram> BindDeadLetters(const ConfigValue* at, const SourceProgram* source,
                                                               const std::string& topology, BindServices& services,
                                                               FaultSink& faults) const = 0;
  // Reads back what was written to `dead_letters`, a target of BindDeadLetters(): whole records, one lane, from the
  // position given to the end as it is at Assign(). Joins no group, so that it may be read beside a pipeline that runs.
  // `state_dir` is where a default of the target lies; LaneContext::topology names its positions.
  virtual Result<std::shared_ptr<const SourceProgram>> BindDeadLetterSource(const TargetProgram& dead_letters,
                                                                            const std::string& /*state_dir*/) const {
    return Status(Code::kInvalid, dead_letters.Describe() + " cannot be read back");
  }
  // A connection's free-form checks (Kafka properties by allow-list).
  virtual void CheckConnection(const ConfigValue& /*at*/, FaultSink& /*faults*/) const {}

  // Whether what `needs`, bound by any connector, have to find outside is there. kUnavailable names all that is
  // missing, who needs it, and the command that makes it; or why the outside cannot be asked. Every wait is bounded.
  virtual Status CheckOutside(std::span<const OutsideNeed> /*needs*/, const CancelToken* /*cancel*/) const {
    return Status::Ok();
  }

  // Opens the committer of one commit unit for one lane. `targets` are the unit's targets with their
  // ids; `source` is the lane's source (a Kafka lane's committer takes its consumer's group along).
  virtual Result<std::unique_ptr<Committer>> OpenCommitter(
      const LaneContext& lane, const std::vector<std::pair<TargetId, const TargetProgram*>>& targets,
      const SourceProgram& source_program, Source& source) const = 0;
};

// True when a row at `offset` is already durable in a target whose progress is `next`.
inline bool AlreadyWritten(int64_t offset, int64_t next) { return next != kNoPosition && offset < next; }

}  // namespace anabranch
