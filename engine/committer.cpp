#include "engine/committer.h"

#include <algorithm>

namespace anabranch {

std::vector<int64_t> LeastOf(const std::vector<TargetProgress>& targets, size_t partitions) {
  std::vector<int64_t> least(partitions, kWantsNothing);
  for (const TargetProgress& target : targets) {
    for (size_t i = 0; i < partitions; ++i) least[i] = std::min(least[i], target.next[i]);
  }
  return least;
}

}  // namespace anabranch
