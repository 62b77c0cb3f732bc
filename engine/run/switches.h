#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/cancel.h"
#include "engine/generation.h"
#include "engine/keep/kept_batch.h"
#include "engine/record_batch.h"
#include "engine/run/epoch_writer.h"
#include "engine/run/lane_parts.h"
#include "engine/status.h"

namespace anabranch {

// Which generation scores what one lane takes in (engine/generation.h). Lane thread only, but for Committed().
//
// Commit units are one epoch apart at most: all of them commit an epoch before one begins the next. So a partition
// switches once in an epoch at most, and then what the units have stored (their cuts: "from `since` on `generation`")
// tells of every row that one of them has, and another has not, which generation scored it. To see to that, a batch
// with a switch begins an epoch: Stamp() and Take() say so.
//
// Without generations it does nothing.
class Switches {
 public:
  // All outlive it. `generations` may be null.
  Switches(Generations* generations, const LaneParts& parts, EpochWriter& writer, const CancelToken& stop)
      : generations_(generations), parts_(parts), writer_(writer), stop_(stop) {}

  // The lane is about to continue at `next` in these partitions: finds out from what the source and the writer's
  // committers have just been asked how rows are scored that some target has, and makes the generations ready that the
  // lane will need. While the writer is idle. `scored`: kept rows whose scoring stands. Takes as long as
  // Generations::Require.
  Status Begin(const std::vector<PartitionId>& partitions, std::span<const int64_t> next,
               const std::vector<KeptHeader::Range>& scored);
  // The next Begin() is of the same assignment: what was read and not committed is computed again, each row by the
  // generation that scored it before. At least once, some of the results are out already.
  void Repeat() { repeats_ = true; }
  // An operator's decision moved these positions: rows from there on are in no target.
  void Move(const std::vector<PartitionId>& partitions, std::span<const int64_t> from, std::span<const int64_t> to);
  // The partitions went.
  void End();

  // Switches the partitions whose time has come: ranges without rows, for a batch of their own that begins an epoch, so
  // that idle partitions commit their switch too. Mostly empty. Between two batches. A lane without partitions, or
  // with none that was read, has nothing to commit: it says at once that it needs no older generation.
  std::vector<PositionRange> Take();
  // Sets the scoring of a batch that was read, or taken up to be computed. True: it begins an epoch.
  bool Stamp(RecordBatch* batch);
  // The same of a kept batch whose rows were scored in an earlier run: their scoring stands.
  bool Follow(RecordBatch* batch);
  // No row behind what was stamped last is scored by an older one.
  GenerationId oldest() const;
  // No target has rows that another has not: whatever is read next may be scored by a newer generation.
  bool settled() const;

  // All batches before a switch are computed. `oldest`: as it was after that switch.
  void Computed(GenerationId oldest) const;
  // Writer thread. These are durable in every target.
  void Committed(const std::vector<PositionRange>& positions);

 private:
  struct Track {
    PartitionId id;
    int64_t next = 0;            // kNoPosition: the source decides
    int64_t most = 0;            // rows below are in some target
    Scoring stored;              // the newest that some target has stored
    Scoring now;                 // of the rows from `next` on
    std::vector<Scoring> ahead;  // by `since`, `before` unused: what the targets know, later a planned switch
    std::vector<Scoring> past;   // its switches since Begin()
    bool untold = false;         // not every target has `now`
  };

  Track MakeTrack(PartitionId id, size_t index, int64_t next, const std::vector<KeptHeader::Range>& scored,
                  std::vector<CommittedGeneration>* needed);
  Status Require(std::vector<CommittedGeneration> needed);
  Track* Find(PartitionId id);
  bool Advance(Track* track, GenerationId active);
  void SwitchUntouched(Track* track, GenerationId active) const;
  bool IsTold(PartitionId id, const Scoring& scoring) const;
  void Tell(PartitionId id, const Scoring& scoring);

  Generations* const generations_;
  const LaneParts& parts_;
  EpochWriter& writer_;
  const CancelToken& stop_;
  std::vector<Track> tracks_;
  GenerationId looked_at_;  // the active one when all tracks were looked at last
  bool waiting_ = false;    // some track was not ready then
  bool repeats_ = false;
  std::map<PartitionId, Scoring> told_;  // writer thread; lane thread while that is idle
};

}  // namespace anabranch
