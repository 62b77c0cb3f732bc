#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/ids.h"
#include "engine/record_batch.h"
#include "engine/row_layout.h"
#include "engine/status.h"

namespace anabranch {

struct LaneContext;

// When a batch is complete.
struct BatchLimits {
  uint32_t max_rows = 256;
  size_t max_bytes = size_t{4} << 20;
  int64_t linger_ns = 0;  // 0: complete as soon as no further record is available
  // Of a plan: rows and linger are found at run time so that a record passes within this time. 0: they stay as they
  // are.
  int64_t latency_target_ns = 0;
};

// What one call of Source::Poll brought.
enum class SourceEvent : uint8_t {
  kRows,       // the batch holds rows; it is complete (rows, bytes, or nothing more within linger)
  kPositions,  // the batch holds positions only: what lies there becomes no row
  kIdle,       // nothing came within the wait; the batch is empty
  kAssigned,   // partitions() came: find out where to continue and call Assign()
  kRevoked,    // partitions() will go: finish and commit their rows, then call Release()
  kLost,       // partitions() are gone already: drop their rows uncommitted, then call Release()
  kEnd,        // the input ended (a file, or a stream with --once): nothing more will come
};

// A position that can no longer be read outside.
struct LostPosition {
  enum class Why : uint8_t {
    kGone,        // it is no longer stored, or is behind what was committed: its partition may have been made anew
    kOutOfRange,  // the records there are deleted
    kUnreadable,  // the records there cannot be unpacked
  };
  PartitionId partition;
  int64_t position = 0;
  Why why = Why::kGone;
};

// Where the next record of a partition will be, as far as its reader has heard.
struct PartitionEnd {
  PartitionId partition;
  int64_t end = kNoPosition;  // not known
};

// The input of one lane. Only the lane's thread uses it, except where a method says otherwise. Every wait is bounded.
class Source {
 public:
  virtual ~Source() = default;

  // Connects and checks that what it reads exists. The text of kUnavailable names the cure.
  virtual Status Open() = 0;
  // Fills `batch` (cleared by the caller) with up to the limits; sets batch.positions and
  // batch.partitions. Waits at most `wait_ns` for the first row, then at most linger for more.
  virtual Result<SourceEvent> Poll(RecordBatch& batch, const BatchLimits& limits, int64_t wait_ns) = 0;
  // How long all calls of Poll that brought rows waited for them, lingering included.
  virtual int64_t waited_ns() const { return 0; }
  // Of the assigned partitions, without asking anybody. Empty: not known.
  virtual std::vector<PartitionEnd> Ends() const { return {}; }
  // Records without a value that were dropped.
  virtual uint64_t tombstones() const { return 0; }
  // The partitions that the last kAssigned / kRevoked / kLost is about.
  virtual std::vector<PartitionId> partitions() const = 0;
  // The positions that the outside system stores for this source, such as a consumer group's committed offsets.
  // kNoPosition when none was ever stored or the source stores none (files).
  virtual Result<std::vector<int64_t>> StoredPositions(std::span<const PartitionId> partitions) = 0;
  // What was stored with the position that StoredPositions() last found, without `before`.
  virtual Scoring StoredScoring(PartitionId /*partition*/) const { return {}; }
  // Where the source's `start` rule begins, as things are now. The lane remembers the result: "latest" moves on.
  virtual Result<std::vector<int64_t>> StartPositions(std::span<const PartitionId> partitions) {
    return std::vector<int64_t>(partitions.size(), 0);
  }
  // The name under which the outside system stores this source's positions (a consumer group); empty when it stores
  // none.
  virtual std::string position_owner() const { return {}; }
  // The command by which an operator sets the stored position of a partition; empty when there is none.
  virtual std::string SetPositionCommand(PartitionId /*partition*/, int64_t /*position*/) const { return {}; }
  // What the last Poll or Assign found lost: it ended with kStage because of it. Others of the same topic may be lost
  // too.
  virtual std::vector<LostPosition> lost() const { return {}; }
  // Where to continue when an operator accepts the loss: at `stored` where that can be read (kNoPosition: it does not
  // count), else at the first record that can be read.
  virtual Result<int64_t> FirstReadable(const LostPosition& /*lost*/, int64_t /*stored*/) { return 0; }
  // Of a lane of SourceProgram::Reader(): what can be read of these partitions now, from the first record to where the
  // next one will be (INT64_MAX: only reading tells).
  virtual Result<std::vector<PositionRange>> Readable(std::span<const PartitionId> /*partitions*/) {
    return Status(Code::kInvalid, "this source cannot be read by position");
  }
  // Begins reading the assigned partitions. kNoPosition = the source's `start` rule. Until it is called, Poll returns
  // kIdle (kRevoked, kLost): a lane may first feed rows that were kept.
  virtual Status Assign(std::span<const PartitionId> partitions, std::span<const int64_t> next) = 0;
  virtual Status Release() = 0;
  // Stores positions that no committer carries, each with its scoring. Called by the commit thread while the lane waits
  // or polls: implementations lock. Files: no effect.
  virtual Status CommitPositions(std::span<const PositionRange> positions) = 0;
  // Why what it reads cannot be reached now, without record data; empty: it can, as far as is known. Any thread.
  virtual std::string WhyAway() const { return {}; }
  // The connector's own source, beneath one that only changes what its rows are.
  virtual Source& origin() { return *this; }
  // Stops reading; positions stay. Leaves the group. Idempotent.
  virtual void Close() = 0;
};

// A bound source of a topology. Immutable, shared.
class SourceProgram {
 public:
  virtual ~SourceProgram() = default;
  // How many lanes can share the work, given `workers` compute threads (a file: 1).
  virtual int Lanes(int workers) const = 0;
  virtual Result<std::unique_ptr<Source>> OpenLane(const LaneContext& lane) const = 0;
  // A bounded input ends by itself (files); an unbounded one ends with --once only.
  virtual bool bounded() const = 0;
  // For people: the connector and what is read, such as "file cases.jsonl".
  virtual std::string Describe() const = 0;
  // The same for what is stored outside and must still be true after the project folder was moved: paths as the
  // topology sees them.
  virtual std::string PlaceInProject() const { return Describe(); }
  // The connector's own program, as Source::origin().
  virtual const SourceProgram& origin() const { return *this; }
  // The outside system stores how far this source was read (a consumer group), whatever becomes of the state folder.
  virtual bool KeepsPosition() const { return false; }
  // Whether a new identity makes it forget: false when the position has a name of its own (an explicit group).
  virtual bool ForgetsUnderNewIdentity() const { return true; }
  // How rows with a header row are written. The header was read when the source was bound; it is empty for formats
  // without one.
  virtual RowLayout row_layout() const { return {}; }
  // Whether records can be read again after a crash. False for a stream that passes by, such as standard input: it
  // is assigned behind what every target has.
  virtual bool CanRepeat() const { return true; }
  // The same records, for reading by position (engine/run/record_reader.h): one lane announces all partitions at once,
  // reads to the end as it is at Assign(), joins no group and stores nothing. Assign() may be called again, for some of
  // the partitions. Records without a value come too. Null: what passed cannot be read again.
  virtual std::shared_ptr<const SourceProgram> Reader() const { return nullptr; }
  // Positions number the records, perhaps with gaps (offsets of a topic). False: only reading tells where a record
  // begins (bytes of a file).
  virtual bool NumbersRecords() const { return false; }
  // What distinguishes this bounded input from another one ("size=120;prefix=9f…"), as it is now; empty = it has no
  // such mark.
  virtual Result<std::string> Identity() const { return std::string(); }
  // Whether the input is still the one that `stored_identity` describes; `grown` = data came after its end.
  virtual Result<bool> SameInput(const std::string& /*stored_identity*/, bool* grown) const {
    *grown = false;
    return true;
  }
};

}  // namespace anabranch
