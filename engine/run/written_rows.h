#pragma once

#include <span>
#include <vector>

#include "engine/committer.h"
#include "engine/encoded.h"
#include "engine/ids.h"

namespace anabranch {

// Which rows each target has already, by its progress: the one place that decides what is not written again.
//
// A target that is ahead of others gets rows a second time, because the source is read from where the last target
// stands. A row that was read below a target's progress is durable there, so it is dropped for that target and kept for
// the others. Progress is learned at each assignment, before the first of its rows: later rows lie behind every commit
// of this lane. A lane that lost a partition without hearing of it yet is caught by the commit: every committer
// compares what is stored with what it saw, or has its membership checked.
//
// Used by one lane's thread. Costs nothing per row for a batch that begins at or behind the progress.
class WrittenRows {
 public:
  // What a unit's targets returned for `partitions`.
  void Learn(std::span<const PartitionId> partitions, const std::vector<TargetProgress>& progress);
  // An operator decided where the source continues: `targets` were moved to `next`, also back.
  void Move(std::span<const PartitionId> partitions, std::span<const int64_t> next,
            const std::vector<TargetProgress>& targets);
  // The row is durable in each target that says how far it is, and there is one. What was read below is read again only
  // because source positions are behind.
  bool IsEverywhere(PartitionId partition, int64_t offset) const;
  // Removes the rows of `batch` that their target has; where memory is short it throws, and `batch` is untouched. Only
  // partitions that the batch completes count: a row with another place is not judged. Their bytes stay. `whole` gets
  // all rows of the targets that lost some, by TargetId; it stays empty when nothing was dropped.
  void Drop(EncodedBatch* batch, std::vector<std::vector<EncodedRows::Row>>* whole) const;

 private:
  bool IsThere(const EncodedBatch& batch, TargetId target, const EncodedRows::Row& row) const;
  bool Has(TargetId target, PartitionId partition, int64_t offset) const;
  int64_t& Entry(TargetId target, PartitionId partition);

  std::vector<std::vector<int64_t>> next_;  // by TargetId and PartitionId; kNoPosition where nothing is known
};

}  // namespace anabranch
