#include "connectors/file/output_file.h"

#include <algorithm>

namespace anabranch {

std::vector<OutputFile::Position> PositionsIn(const StoredProgress& progress,
                                              const std::vector<SourcePartition>& partitions) {
  std::vector<OutputFile::Position> positions;
  for (const SourcePartition& partition : partitions) {
    OutputFile::Position& position = positions.emplace_back(partition);
    const auto next = progress.next.find(partition);
    if (next != progress.next.end()) position.next = next->second;
    const auto scoring = progress.scoring.find(partition);
    if (scoring != progress.scoring.end()) position.scoring = scoring->second;
  }
  return positions;
}

bool MovedSince(const std::vector<int64_t>& seen, const std::vector<OutputFile::Position>& next,
                const StoredProgress& progress) {
  for (size_t i = 0; i < next.size(); ++i) {
    if (seen[i] != kUnseen && PositionsIn(progress, {next[i].partition})[0].next != seen[i]) return true;
  }
  return false;
}

void MoveOn(const std::vector<OutputFile::Position>& next, StoredProgress* progress) {
  for (const OutputFile::Position& position : next) {
    int64_t& stored = progress->next.try_emplace(position.partition, position.next).first->second;
    if (position.next < stored) continue;
    stored = position.next;
    if (position.scoring.generation != 0) progress->scoring[position.partition] = position.scoring;
  }
}

void MoveTo(const std::vector<OutputFile::Position>& next, StoredProgress* progress) {
  for (const OutputFile::Position& position : next) {
    const auto stored = progress->next.find(position.partition);
    if (stored != progress->next.end()) stored->second = position.next;
    const auto scoring = progress->scoring.find(position.partition);
    if (scoring != progress->scoring.end()) {
      scoring->second.since = std::min(scoring->second.since, position.next);
    }
  }
}

}  // namespace anabranch
