#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

namespace anabranch {

// Which of the things that are there an expected thing is compared with, by index; none: it is missing.
using Partners = std::vector<std::optional<size_t>>;
// Whether an expected thing and one that is there belong together, by their indices.
using Alike = std::function<bool(size_t expected, size_t actual)>;

// Pairs two lists whose order counts: each with the one in its place, unless this leaves fewer that differ, are missing
// or are too many: as many as possible that are equal are paired, without crossings; of those between them as many as
// possible that are alike; what is left between those in its order. So one that is missing does not shift the others.
Partners PairInOrder(size_t expected, size_t actual, const Alike& equal, const Alike& alike);

// Pairs two lists in any order: as many as possible that are equal, then those that are alike, then, with `rest`, those
// that are left in their order.
Partners PairInAnyOrder(size_t expected, size_t actual, const Alike& equal, const Alike& alike, bool rest);

}  // namespace anabranch
