#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "engine/run/epoch_writer.h"
#include "engine/run/lane_parts.h"
#include "engine/run/patience.h"
#include "engine/run/position_witness.h"
#include "engine/run/run_shared.h"
#include "engine/source.h"
#include "engine/status.h"

namespace anabranch {

// Where a lane continues in the partitions that it was assigned, and what becomes of positions that are lost. Lane
// thread, while the writer is idle.
//
// Positions that are lost stop the run, unless the operator accepts the loss. Then WhereToContinue() leaves them as
// they are, for the rows that were kept of these partitions, and Recover() moves them once those rows are committed.
// Killed anywhere between, the next start finds the same loss.
class Assignment {
 public:
  // All outlive it.
  Assignment(RunShared& shared, const LaneParts& parts, EpochWriter& writer, PositionWitness& witness,
             Patience& patience)
      : shared_(shared), parts_(parts), writer_(writer), witness_(witness), patience_(patience) {}

  // The least of what the targets still want and what the source stored; the writer drops the rows that a target has
  // already. A target without progress begins at the source's stored position, or, without one, where the source's
  // `start` rule does. That start is stored before anything is read: whoever owns the partition later begins there too,
  // so that a stored position that is gone was deleted. kStage: positions are lost.
  Result<std::vector<int64_t>> WhereToContinue(const std::vector<PartitionId>& partitions);
  // The kept rows are committed: moves each lost position in `next`, at the source and at the targets, to the first
  // record that can be read.
  Status Recover(const std::vector<PartitionId>& partitions, std::vector<int64_t>* next);

  // The run stops because of lost positions: these, or some that the source found.
  bool stops_for_loss() const { return refused_ || !parts_.source->lost().empty(); }
  // Remembers positions that the source found lost, for the next start, and adds the cure to `status`. Before anything
  // more is committed: that stores positions again, which hides the loss.
  void NoteLost(Status* status);

 private:
  // What the targets want of each partition.
  struct Wanted {
    std::vector<int64_t> least, most;
    std::vector<bool> unknown;  // some target has no progress
  };
  Result<Wanted> ReadTargets(const std::vector<PartitionId>& partitions);
  Status FindLost(const std::vector<PartitionId>& partitions, std::span<const int64_t> stored,
                  std::span<const int64_t> targets);
  const LostPosition* LostIn(PartitionId partition) const;
  int64_t BeginLost(const LostPosition& lost, int64_t stored);
  Status Store(const std::vector<PartitionId>& partitions, const std::vector<int64_t>& next);
  Status MoveProgress(size_t committer, const std::vector<PartitionId>& ids, std::vector<int64_t> next);

  RunShared& shared_;
  const LaneParts& parts_;
  EpochWriter& writer_;
  PositionWitness& witness_;
  Patience& patience_;
  bool refused_ = false;
  std::vector<LostPosition> lost_;              // of this assignment, accepted and not recovered yet
  std::map<PartitionId, int64_t> set_by_hand_;  // of those: what the outside stored; kNoPosition: nothing
};

}  // namespace anabranch
