#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace anabranch {

// Index of a column in the topology's one flat name space.
using ColumnId = uint32_t;

// Index of a stage: the sources first, in file order, then the nodes in dependency order.
using StageId = uint32_t;
inline constexpr StageId kNoStage = UINT32_MAX;

// Index of a target: the persist nodes in dependency order; the dead letters come last.
using TargetId = uint32_t;

// Index into a lane's SourceTable: small, only grows, stable for the life of the lane.
using PartitionId = uint16_t;

// A source partition by its outside name. A file's topic part is "file:SOURCE_ID", its partition 0.
struct SourcePartition {
  std::string topic;
  int32_t partition = 0;
  bool operator==(const SourcePartition&) const = default;
  auto operator<=>(const SourcePartition&) const = default;
};

// No position is stored.
inline constexpr int64_t kNoPosition = -1;
// As a committer's progress: it writes no rows, so it does not care where the source goes on.
inline constexpr int64_t kWantsNothing = INT64_MAX;

// The partitions that one lane has ever read. The lane's thread adds; any thread may look up an id
// that it was handed: entries never move.
class SourceTable {
 public:
  static constexpr size_t kMaxPartitions = size_t{1} << 16;

  SourceTable() { partitions_.reserve(kMaxPartitions); }
  PartitionId Find(const SourcePartition& partition) {
    for (size_t i = 0; i < partitions_.size(); ++i) {
      if (*partitions_[i] == partition) return static_cast<PartitionId>(i);
    }
    partitions_.push_back(std::make_unique<SourcePartition>(partition));
    return static_cast<PartitionId>(partitions_.size() - 1);
  }
  const SourcePartition& at(PartitionId id) const { return *partitions_[id]; }
  size_t size() const { return partitions_.size(); }

 private:
  std::vector<std::unique_ptr<SourcePartition>> partitions_;
};

// Rows [first, next) of one source partition, in source offsets. `next` is where to go on.
struct PositionRange {
  PartitionId partition = 0;
  int64_t first = 0;
  int64_t next = 0;
};

}  // namespace anabranch
