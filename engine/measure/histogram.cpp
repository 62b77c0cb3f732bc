#include "engine/measure/histogram.h"

#include <algorithm>
#include <numeric>

namespace anabranch {

int64_t HistogramCounts::count() const { return std::accumulate(buckets.begin(), buckets.end(), int64_t{0}); }

double HistogramCounts::Quantile(double q) const {
  const int64_t all = count();
  if (all == 0) return 0;
  const double rank = std::clamp(q, 0.0, 1.0) * static_cast<double>(all);
  int64_t below = 0;
  for (size_t i = 0; i < edges.size(); ++i) {
    if (buckets[i] > 0 && static_cast<double>(below + buckets[i]) >= rank) {
      const double low = i == 0 ? 0 : edges[i - 1];
      return low + (edges[i] - low) * (rank - static_cast<double>(below)) / static_cast<double>(buckets[i]);
    }
    below += buckets[i];
  }
  return edges.empty() ? 0 : edges.back();
}

void HistogramCounts::Add(const HistogramCounts& other) {
  if (edges.empty()) {
    *this = other;
    return;
  }
  for (size_t i = 0; i < std::min(buckets.size(), other.buckets.size()); ++i) buckets[i] += other.buckets[i];
  sum += other.sum;
}

HistogramCounts HistogramCounts::Since(const HistogramCounts& before) const {
  HistogramCounts since = *this;
  if (before.buckets.size() != buckets.size()) return since;
  for (size_t i = 0; i < buckets.size(); ++i) since.buckets[i] = std::max<int64_t>(0, buckets[i] - before.buckets[i]);
  since.sum -= before.sum;
  return since;
}

Histogram::Histogram(std::span<const double> edges)
    : edges_(edges.begin(), edges.end()), buckets_(new std::atomic<int64_t>[edges.size() + 1]()) {}

void Histogram::Add(double value, int64_t times) {
  const auto edge = std::lower_bound(edges_.begin(), edges_.end(), value);
  buckets_[static_cast<size_t>(edge - edges_.begin())].fetch_add(times, std::memory_order_relaxed);
  sum_.fetch_add(value * static_cast<double>(times), std::memory_order_relaxed);
}

HistogramCounts Histogram::Counts() const {
  HistogramCounts counts;
  counts.edges = edges_;
  for (size_t i = 0; i <= edges_.size(); ++i) counts.buckets.push_back(buckets_[i].load(std::memory_order_relaxed));
  counts.sum = sum_.load(std::memory_order_relaxed);
  return counts;
}

HistogramTally::HistogramTally(Histogram* histogram) : histogram_(*histogram) {}

void HistogramTally::Add(double value, int64_t times) {
  const auto edge = std::lower_bound(histogram_.edges_.begin(), histogram_.edges_.end(), value);
  buckets_[std::min(static_cast<size_t>(edge - histogram_.edges_.begin()), buckets_.size() - 1)] += times;
  sum_ += value * static_cast<double>(times);
}

HistogramTally::~HistogramTally() {
  for (size_t i = 0; i <= histogram_.edges_.size() && i < buckets_.size(); ++i) {
    if (buckets_[i] != 0) histogram_.buckets_[i].fetch_add(buckets_[i], std::memory_order_relaxed);
  }
  histogram_.sum_.fetch_add(sum_, std::memory_order_relaxed);
}

std::vector<double> SecondsEdges(double target_s) {
  std::vector<double> edges = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                               0.1,    0.25,    0.5,    1,     2.5,    5,     10,   25,    60};
  if (target_s <= 0) return edges;
  const auto at = std::lower_bound(edges.begin(), edges.end(), target_s);
  if (at == edges.end() || *at != target_s) edges.insert(at, target_s);
  return edges;
}

std::vector<double> RowsEdges() {
  std::vector<double> edges;
  for (int rows = 1; rows <= 8192; rows *= 2) edges.push_back(rows);
  return edges;
}

std::vector<double> EpochRowsEdges() {
  std::vector<double> edges;
  for (int rows = 1; rows <= 1 << 20; rows *= 4) edges.push_back(rows);
  return edges;
}

}  // namespace anabranch
