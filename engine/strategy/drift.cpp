#include "engine/strategy/drift.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace anabranch {
namespace {

int64_t Total(std::span<const int64_t> counts) { return std::accumulate(counts.begin(), counts.end(), int64_t{0}); }

double Share(int64_t part, int64_t total) { return static_cast<double>(part) / static_cast<double>(total); }

}  // namespace

double PopulationStability(std::span<const int64_t> p, std::span<const int64_t> q) {
  const int64_t all_p = Total(p), all_q = Total(q);
  if (all_p == 0 || all_q == 0) return 0;
  double sum = 0;
  for (size_t i = 0; i < std::min(p.size(), q.size()); ++i) {
    const double x = std::max(Share(p[i], all_p), kLeastShare), y = std::max(Share(q[i], all_q), kLeastShare);
    sum += (y - x) * std::log(y / x);
  }
  return sum;
}

double KolmogorovSmirnov(std::span<const int64_t> p, std::span<const int64_t> q) {
  const int64_t all_p = Total(p), all_q = Total(q);
  if (all_p == 0 || all_q == 0) return 0;
  double largest = 0;
  int64_t below_p = 0, below_q = 0;
  for (size_t i = 0; i < std::min(p.size(), q.size()); ++i) {
    below_p += p[i];
    below_q += q[i];
    largest = std::max(largest, std::abs(Share(below_p, all_p) - Share(below_q, all_q)));
  }
  return largest;
}

size_t BinOf(std::span<const double> edges, double value) {
  return static_cast<size_t>(std::upper_bound(edges.begin(), edges.end(), value) - edges.begin());
}

}  // namespace anabranch
