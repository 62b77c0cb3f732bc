#include "engine/measure/histogram.h"

#include <gtest/gtest.h>

#include <thread>

namespace anabranch {
namespace {

TEST(Histograms, AValueOnAnEdgeBelongsToItsBucket) {
  const std::vector<double> edges = {1, 2, 4};
  Histogram histogram(edges);
  for (const double value : {0.5, 1.0, 1.5, 4.0, 5.0}) histogram.Add(value);
  const HistogramCounts counts = histogram.Counts();
  EXPECT_EQ(counts.buckets, (std::vector<int64_t>{2, 1, 1, 1}));
  EXPECT_EQ(counts.count(), 5);
  EXPECT_NEAR(counts.sum, 12.0, 1e-6);
}

TEST(Histograms, AQuantileLiesWithinItsBucketAsPrometheusSays) {
  HistogramCounts counts{.edges = {1, 2, 4}, .buckets = {0, 10, 10, 0}, .sum = 40};
  EXPECT_DOUBLE_EQ(counts.Quantile(0.25), 1.5);
  EXPECT_DOUBLE_EQ(counts.Quantile(0.5), 2);
  EXPECT_DOUBLE_EQ(counts.Quantile(0.75), 3);
  EXPECT_DOUBLE_EQ(counts.Quantile(1), 4);
  counts.buckets = {0, 0, 0, 5};
  EXPECT_DOUBLE_EQ(counts.Quantile(0.5), 4);
  counts.buckets = {0, 0, 0, 0};
  EXPECT_DOUBLE_EQ(counts.Quantile(0.5), 0);
  EXPECT_DOUBLE_EQ(HistogramCounts().Quantile(0.5), 0);
}

TEST(Histograms, SumsAndDifferencesAreByBucket) {
  const HistogramCounts before{.edges = {1, 2}, .buckets = {1, 1, 0}, .sum = 2};
  const HistogramCounts now{.edges = {1, 2}, .buckets = {1, 3, 2}, .sum = 12};
  const HistogramCounts since = now.Since(before);
  EXPECT_EQ(since.buckets, (std::vector<int64_t>{0, 2, 2}));
  EXPECT_DOUBLE_EQ(since.sum, 10);
  HistogramCounts sum;
  sum.Add(before);
  sum.Add(since);
  EXPECT_EQ(sum.buckets, now.buckets);
  EXPECT_DOUBLE_EQ(sum.sum, now.sum);
  EXPECT_EQ(now.Since({}).buckets, now.buckets);
}

TEST(Histograms, NothingIsLostBetweenThreads) {
  Histogram histogram(RowsEdges());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&histogram] {
      for (int n = 0; n < 1000; ++n) histogram.Add(n % 100);
      HistogramTally tally(&histogram);
      for (int n = 0; n < 1000; ++n) tally.Add(n % 100, 2);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(histogram.Counts().count(), 12'000);
  EXPECT_NEAR(histogram.Counts().sum, 4 * 3 * 49'500.0, 1e-3);
}

// A day of a fast topic, records from years ago, and a clock of 1970.
TEST(Histograms, ASumHasRoomForWhateverComes) {
  Histogram rows(RowsEdges());
  rows.Add(8192, 2'000'000'000);
  EXPECT_DOUBLE_EQ(rows.Counts().sum, 8192.0 * 2e9);
  Histogram seconds(SecondsEdges());
  {
    HistogramTally tally(&seconds);
    tally.Add(86'400, 1'000'000'000);
    tally.Add(1.8e9, 1'000'000);
  }
  EXPECT_NEAR(seconds.Counts().sum, 86'400 * 1e9 + 1.8e15, 1e3);
}

TEST(Histograms, TheLatencyTargetIsAnEdgeOfItsOwn) {
  EXPECT_EQ(SecondsEdges().size(), 18U);
  EXPECT_EQ(SecondsEdges(0.02).size(), 19U);
  EXPECT_EQ(SecondsEdges(0.025).size(), 18U);
  EXPECT_EQ(SecondsEdges(0.02)[7], 0.02);
  EXPECT_EQ(RowsEdges().back(), 8192);
}

}  // namespace
}  // namespace anabranch
