#include "engine/run/written_rows.h"

#include <algorithm>

namespace anabranch {

int64_t& WrittenRows::Entry(TargetId target, PartitionId partition) {
  if (next_.size() <= target) next_.resize(target + size_t{1});
  if (next_[target].size() <= partition) next_[target].resize(partition + size_t{1}, kNoPosition);
  return next_[target][partition];
}

bool WrittenRows::Has(TargetId target, PartitionId partition, int64_t offset) const {
  if (target >= next_.size() || partition >= next_[target].size()) return false;
  const int64_t next = next_[target][partition];
  return next != kNoPosition && offset < next;
}

void WrittenRows::Learn(std::span<const PartitionId> partitions, const std::vector<TargetProgress>& progress) {
  for (const TargetProgress& each : progress) {
    for (size_t i = 0; i < partitions.size(); ++i) Entry(each.target, partitions[i]) = each.next[i];
  }
}

void WrittenRows::Move(std::span<const PartitionId> partitions, std::span<const int64_t> next,
                       const std::vector<TargetProgress>& targets) {
  for (const TargetProgress& each : targets) {
    for (size_t i = 0; i < partitions.size(); ++i) {
      int64_t& entry = Entry(each.target, partitions[i]);
      if (entry != kNoPosition) entry = next[i];
    }
  }
}

bool WrittenRows::IsEverywhere(PartitionId partition, int64_t offset) const {
  bool any = false;
  for (TargetId target(size_t{0}); target < next_.size(); ++target) {
    if (next_[target].empty()) continue;  // not a target of this lane
    if (!Has(target, partition, offset)) return false;
    any = true;
  }
  return any;
}

bool WrittenRows::IsThere(const EncodedBatch& batch, TargetId target, const EncodedRows::Row& row) const {
  const auto [partition, offset] = batch.ReadAt(row);
  return Has(target, partition, offset) &&
         std::ranges::find(batch.positions, partition, &PositionRange::partition) != batch.positions.end();
}

void WrittenRows::Drop(EncodedBatch* batch, std::vector<std::vector<EncodedRows::Row>>* whole) const {
  const std::vector<PositionRange>& ranges = batch->positions;
  for (TargetId target(size_t{0}); target < next_.size() && target < batch->targets.size(); ++target) {
    const auto begins_below = [&](const PositionRange& range) { return Has(target, range.partition, range.first); };
    if (std::ranges::none_of(ranges, begins_below)) continue;
    const std::vector<EncodedRows::Row>& rows = batch->targets[target].rows;
    if (std::ranges::none_of(rows, [&](const auto& row) { return IsThere(*batch, target, row); })) continue;
    whole->resize(batch->targets.size());
    (*whole)[target] = rows;
  }
  for (TargetId target(size_t{0}); target < whole->size(); ++target) {
    std::erase_if(batch->targets[target].rows,
                  [&](const EncodedRows::Row& row) { return IsThere(*batch, target, row); });
  }
}

}  // namespace anabranch
