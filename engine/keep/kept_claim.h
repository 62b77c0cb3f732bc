#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/keep/kept_batch.h"

namespace anabranch {

// A frame that may be fed again. If two hold the same row, the later one in the list wins.
struct ClaimCandidate {
  size_t entry = 0;
  std::vector<KeptHeader::Range> ranges;  // only of partitions that are not done
};
// The part of a frame to feed. A frame may occur twice, with different partitions.
struct ClaimedRows {
  size_t entry = 0;
  std::vector<KeptHeader::Range> ranges;
};

// The frames to feed, in order. In every partition their rows follow each other without gap or overlap from `next` on
// (kNoPosition: from the beginning of the first frame). Moves `next` to the end of each partition's chain.
std::vector<ClaimedRows> ChainKeptRows(const std::vector<ClaimCandidate>& candidates,
                                       std::span<const SourcePartition> partitions, std::vector<int64_t>* next);

}  // namespace anabranch
