#include "connectors/file/output_file.h"

#include <algorithm>

namespace anabranch {

std::vector<int64_t> PositionsIn(const StoredProgress& progress, const std::vector<SourcePartition>& partitions) {
  std::vector<int64_t> next;
  for (const SourcePartition& partition : partitions) {
    const auto found = progress.next.find(partition);
    next.push_back(found == progress.next.end() ? kNoPosition : found->second);
  }
  return next;
}

bool MovedSince(const std::vector<int64_t>& seen, const std::vector<std::pair<SourcePartition, int64_t>>& next,
                const StoredProgress& progress) {
  for (size_t i = 0; i < next.size(); ++i) {
    if (seen[i] != kUnseen && PositionsIn(progress, {next[i].first})[0] != seen[i]) return true;
  }
  return false;
}

void MoveOn(const std::vector<std::pair<SourcePartition, int64_t>>& next, StoredProgress* progress) {
  for (const auto& [partition, position] : next) {
    int64_t& stored = progress->next.try_emplace(partition, position).first->second;
    stored = std::max(stored, position);
  }
}

void MoveTo(const std::vector<std::pair<SourcePartition, int64_t>>& next, StoredProgress* progress) {
  for (const auto& [partition, position] : next) {
    const auto stored = progress->next.find(partition);
    if (stored != progress->next.end()) stored->second = position;
  }
}

}  // namespace anabranch
