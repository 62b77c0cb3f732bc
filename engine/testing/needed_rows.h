#pragma once

#include <utility>
#include <vector>

#include "engine/run/written_rows.h"

namespace anabranch {

// `batch` without the rows that the committer's targets have already, as a lane's writer hands it over after an
// assignment.
inline EncodedBatch NeededRows(Committer& committer, EncodedBatch batch) {
  std::vector<PartitionId> partitions;
  for (const PositionRange& range : batch.positions) partitions.push_back(range.partition);
  WrittenRows written;
  written.Learn(partitions, committer.Progress(partitions).value());
  std::vector<std::vector<EncodedRows::Row>> whole;
  written.Drop(&batch, &whole);
  return batch;
}

// Where the source would continue for this committer alone: the least of its targets, per partition.
inline std::vector<int64_t> WantedBy(Committer& committer, const std::vector<PartitionId>& partitions) {
  return LeastOf(committer.Progress(partitions).value(), partitions.size());
}

}  // namespace anabranch
