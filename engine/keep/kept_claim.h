#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/keep/kept_batch.h"

namespace anabranch {

// A frame that may be fed again. A later one (by place in its list) wins where both hold a row.
struct ClaimCandidate {
  size_t entry = 0;
  std::vector<KeptHeader::Range> ranges;  // of partitions that are not done
};
// What of a frame goes on. A frame may come twice, with different partitions.
struct ClaimedRows {
  size_t entry = 0;
  std::vector<KeptHeader::Range> ranges;
};

// The frames to feed, in order, so that in every partition rows follow each other without gap or overlap from `next`
// (kNoPosition: from where the first frame begins). Moves `next` to the end of each partition's chain.
std::vector<ClaimedRows> ChainKeptRows(const std::vector<ClaimCandidate>& candidates,
                                       std::span<const SourcePartition> partitions, std::vector<int64_t>* next);

}  // namespace anabranch
