#pragma once

#include <cstdint>
#include <span>

namespace anabranch {

// How far two distributions over the same bins are from each other. Counts of bins add up, so both figures are the same
// whoever counted, in whatever order.

// Population stability index: sum of (q - p) ln(q / p) over the bins. A share below kLeastShare counts as that. 0 where
// one side has no values.
double PopulationStability(std::span<const int64_t> p, std::span<const int64_t> q);
inline constexpr double kLeastShare = 1e-4;

// The largest difference of the cumulative shares: the two-sample statistic of Kolmogorov and Smirnov of the bins'
// numbers. Needs ordered bins. 0 where one side has no values.
double KolmogorovSmirnov(std::span<const int64_t> p, std::span<const int64_t> q);

// The bin of `value`: the number of inner edges that are not above it, so a bin contains its lower edge. `edges`
// ascend.
size_t BinOf(std::span<const double> edges, double value);

}  // namespace anabranch
