#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace anabranch {

// What a histogram holds at one moment. Values above the last edge are in the last bucket.
struct HistogramCounts {
  std::vector<double> edges;     // upper bounds, inclusive, ascending
  std::vector<int64_t> buckets;  // edges + 1, not cumulative
  double sum = 0;

  int64_t count() const;
  // The value below which the share `q` (0 to 1) of all values lies: linear between the edges of its bucket, as
  // histogram_quantile() of Prometheus; the last edge for values above it. 0 without values.
  double Quantile(double q) const;
  // Both have the same edges, or this one is empty.
  void Add(const HistogramCounts& other);
  // What came after `before`, which was taken from the same histogram.
  HistogramCounts Since(const HistogramCounts& before) const;
};

// Counts values by fixed edges. Any thread may add and read; an Add is two relaxed additions and a search over the
// edges. Meant for once per batch, call or commit, never for once per record without a batch.
class Histogram {
 public:
  explicit Histogram(std::span<const double> edges);
  void Add(double value, int64_t times = 1);
  HistogramCounts Counts() const;

 private:
  friend class HistogramTally;
  std::vector<double> edges_;
  std::unique_ptr<std::atomic<int64_t>[]> buckets_;
  std::atomic<double> sum_{0};  // an integer would overflow: records may be years old
};

// Many values for one histogram, counted by one thread and handed over at the end of its life.
class HistogramTally {
 public:
  explicit HistogramTally(Histogram* histogram);
  ~HistogramTally();
  HistogramTally(const HistogramTally&) = delete;
  HistogramTally& operator=(const HistogramTally&) = delete;
  void Add(double value, int64_t times = 1);

 private:
  Histogram& histogram_;
  std::array<int64_t, 32> buckets_{};  // of histograms with 31 edges at most
  double sum_ = 0;
};

// 1-2.5-5 from 100 microseconds to 60 s, and `target_s` (batch.latency_target_ms) where it is above 0.
std::vector<double> SecondsEdges(double target_s = 0);
// Powers of 2 to 8,192.
std::vector<double> RowsEdges();
// The same in steps of 4, to a million: an epoch has many batches.
std::vector<double> EpochRowsEdges();

}  // namespace anabranch
