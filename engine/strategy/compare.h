#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/status.h"
#include "engine/strategy/quantile_sketch.h"
#include "engine/strategy/wide_sum.h"

namespace anabranch {

// How the answers of two versions to the same rows differ. A: the serving version, B: the candidate.

// What is compared; the same for all counters that are added. A vector is compared as its numbers, one output each.
struct CompareSpec {
  struct Output {
    std::string name;
    bool is_label = false;                  // compared as texts; else as numbers
    std::vector<double> edges = {};         // numbers: the inner edges of the bins of the reference, ascending
    std::vector<std::string> classes = {};  // labels: one bin each, and one for all others
    std::vector<int64_t> reference = {};    // counts of the reference by bin, or empty

    size_t bins() const { return (is_label ? classes.size() : edges.size()) + 1; }
  };
  std::vector<Output> outputs = {};
  std::string segment = {};  // the column whose values are counted apart, or empty

  // kInvalid: edges that do not ascend, a reference of another size, a name twice.
  Status Check() const;
  // Changes when counters can no longer be added.
  std::string Fingerprint() const;
};

struct ComparedValue {
  enum class Kind : uint8_t { kNull, kNumber, kLabel };
  Kind kind = Kind::kNull;
  double number = 0;
  std::string_view label = {};
};

struct ComparedRow {
  std::string_view id;       // of the record
  std::string_view segment;  // the value of CompareSpec::segment
  bool a_failed = false, b_failed = false;
  int64_t a_ns = -1, b_ns = -1;                   // time per row; below 0: unknown
  std::span<const ComparedValue> a = {}, b = {};  // by output; empty for one that failed
};

// One of the rows that differ most.
struct WorstRow {
  std::string id, a, b;  // values as text
  double difference = 0;
  bool operator==(const WorstRow&) const = default;
};

// Counts of one output. All additive; the order of adding changes no count, and sums by less than 1e-30 of their size.
struct OutputCounts {
  int64_t a_null = 0, b_null = 0;
  int64_t a_unusable = 0, b_unusable = 0;  // NaN, infinite, beyond ±1e140
  int64_t compared = 0, equal = 0;         // both there and usable; the same text or number
  WideSum a, b, aa, bb, ab;                // over the compared numbers
  QuantileSketch difference;               // |b - a|
  std::vector<int64_t> a_bins, b_bins;     // every usable value, whatever the other arm did
};

struct SegmentCounts {
  int64_t rows = 0, both_ok = 0, only_a_failed = 0, only_b_failed = 0, both_failed = 0;
  QuantileSketch a_ns, b_ns;
  std::vector<OutputCounts> outputs;

  void Add(const SegmentCounts& other);
};

class CompareCounters {
 public:
  static constexpr size_t kSegments = 100, kWorst = 20, kTextBytes = 64, kIdBytes = 300;

  explicit CompareCounters(CompareSpec spec);

  void Add(const ComparedRow& row);
  // kInvalid: counters of another spec.
  Status Add(const CompareCounters& other);

  const CompareSpec& spec() const { return spec_; }
  // By value of the segment column, cut to kTextBytes. With more than kSegments values, those that come first in the
  // order of texts are kept and other() has the rest, whoever saw them first.
  const std::map<std::string, SegmentCounts>& segments() const { return segments_; }
  const SegmentCounts& other() const { return other_; }
  SegmentCounts Total() const;
  // Moves all segments to other(). Counters with and without them can still be added.
  void FoldSegments();
  // By output: the rows with the largest difference (labels: rows with different ones), then by id.
  const std::vector<std::vector<WorstRow>>& worst() const { return worst_; }

  // One line of JSON, and back. kInvalid: a damaged text, or one of another spec.
  std::string Print() const;
  static Result<CompareCounters> Parse(CompareSpec spec, std::string_view text);

 private:
  SegmentCounts Empty() const;
  SegmentCounts& Segment(std::string_view value);
  void FoldLastSegments();
  void AddWorst(size_t output, WorstRow row);

  CompareSpec spec_;
  std::map<std::string, SegmentCounts> segments_;
  SegmentCounts other_;
  std::vector<std::vector<WorstRow>> worst_;
};

// The figures of one output, computed from its counts.
struct CompareFigures {
  double agreement = 0;  // equal / compared
  double mean_difference = 0, deviation = 0;
  double interval = 0;  // the mean difference ± this: holds at every look at once (DifferenceInterval)
  double p50 = 0, p90 = 0, p99 = 0, max = 0;  // of |b - a|
  double pearson = 0;                         // 0 where one side does not vary
  double psi = 0, ks = 0;                     // b against a
  double a_psi = 0, b_psi = 0;                // each against the reference; 0 without one
};
CompareFigures FiguresOf(const CompareSpec::Output& output, const OutputCounts& counts, double alpha = 0.01);

// Half the width of an interval for a mean of `n` values with this deviation which contains the true mean at all n at
// once with probability 1 - alpha: a mixture of normal bounds, tightest near `at` values. Asymptotic: the deviation
// counts as known, so the first hundred values deserve no trust. Infinite below 2 values.
double DifferenceInterval(int64_t n, double deviation, double alpha, double at = 5000);

}  // namespace anabranch
