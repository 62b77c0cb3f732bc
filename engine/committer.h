#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/encoded.h"
#include "engine/ids.h"
#include "engine/record_batch.h"
#include "engine/status.h"

namespace anabranch {

// A closed epoch: the rows written since the last commit complete exactly these positions. A commit unit stores, beside
// each position that it moves to (or stays at), the range's `scoring.generation` and `scoring.since`. Where its own
// position is ahead of the range, what it has stored stays. A range may be empty: then only its scoring is new.
struct EpochEnd {
  uint64_t epoch = 0;
  std::vector<PositionRange> positions;  // merged, one per partition; of `scoring` the last
};

// A row that a target will never accept: the outside system refused it when it was sent alone.
struct RefusedRow {
  enum class Why : uint8_t { kContent, kSize, kTimestamp };
  TargetId target;
  SourcePartition partition;  // with `offset` the source record
  int64_t offset = 0;
  Why why = Why::kContent;
  std::string reason;  // for the operator: who refused it, the text of the refusal, what helps
};

// How far one target of a commit unit is: per partition that was asked for, the offset of the next source record that
// it wants; kNoPosition where it has none stored. Every row below is durable in it.
struct TargetProgress {
  TargetId target;
  std::vector<int64_t> next;
  // What is stored with each position, without `before`. Empty: generation 0 for all.
  std::vector<Scoring> scoring = {};
};

// Where the source has to continue for all of `targets`: the least, so kNoPosition when one of them has none;
// kWantsNothing without targets.
std::vector<int64_t> LeastOf(const std::vector<TargetProgress>& targets, size_t partitions);

// The order in which the committers of a lane commit an epoch. Whoever is more likely to fail, or whose rows others see
// at once, comes later, so that a failure leaves as little as possible half done. Source positions come last: a record
// is not read again once they are stored.
enum class CommitOrder : uint8_t {
  kLocalDatabase,           // rows and progress in one local transaction
  kLocalFile,               // rows first, then their length and progress in the ledger
  kDistributedTransaction,  // over a network, visible to readers at once
  kSourcePositions,         // no rows: the positions that no target's commit carries
};

// Makes the rows of epochs durable together with their positions, for the targets of one commit unit
// on one lane. Used by the lane's writer thread (Progress: by the lane thread while the writer is idle).
// Order of calls: Open, (Progress)*, then per epoch: Write+, Commit; SendNow between any two; Abort drops the rows
// written since the last commit. After kAborted from Write, Prepare or Commit the caller writes the pinned rows
// again, unless TakeRefused() has rows: those rows can never be written, and the epoch is to be made without them.
// After kFenced, kStage or kUnavailable the committer is only closed; with exactly_once nothing of the epoch is
// visible. A committer may refer to the bytes it was given until Commit, Abort or Close returned, or Write or Commit
// with kAborted.
class Committer {
 public:
  virtual ~Committer() = default;
  virtual Status Open() = 0;
  // One entry per target of this unit. Write is never given a row that its target has by this: the caller drops it
  // (engine/run/written_rows.h). Asked anew for each assignment, before the first of its rows.
  virtual Result<std::vector<TargetProgress>> Progress(std::span<const PartitionId> partitions) = 0;
  // An operator decided where the source continues: progress becomes `next`, which may be lower than it was (then the
  // stored Scoring::since becomes no higher than that). Lane thread, while the writer is idle.
  virtual Status MoveProgress(std::span<const PartitionId> /*partitions*/, std::span<const int64_t> /*next*/) {
    return Status::Ok();
  }
  virtual Status Write(const EncodedBatch& batch) = 0;
  // Before another unit commits the epoch: waits until the outside system accepted every row that was written, or says
  // which it refuses. Makes nothing visible.
  virtual Status Prepare() { return Status::Ok(); }
  virtual Status Commit(const EpochEnd& end) = 0;
  // Of the last call that returned kAborted: the rows that are to blame, if any. They are returned once.
  virtual std::vector<RefusedRow> TakeRefused() { return {}; }
  // After kStage: which of the unit's targets cannot be written, if it is one of them.
  virtual std::optional<TargetId> FailedTarget() const { return std::nullopt; }
  virtual Status Abort() = 0;
  // Readers see rows only once they are committed. False: as soon as they are sent, which SendNow() hastens.
  virtual bool ShowsAtCommit() const { return true; }
  // The input is idle: written rows need not wait for more to be sent with. Takes about a millisecond.
  virtual void SendNow() {}
  // From any thread: the current call is to end soon, its result does not matter; in force until Resume().
  virtual void Interrupt() {}
  virtual void Resume() {}
  // Why what it writes to cannot be reached now, without record data; empty: it can, as far as is known. Any thread.
  virtual std::string WhyAway() const { return {}; }
  // The commit also stores the source's positions (in the same transaction).
  virtual bool CarriesPositions() const { return false; }
  virtual CommitOrder commit_order() const = 0;
  virtual void Close() = 0;
};

}  // namespace anabranch
