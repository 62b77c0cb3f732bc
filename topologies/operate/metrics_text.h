#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "topologies/operate/live_pipeline.h"

namespace anabranch {

// What the process counts beside its pipeline.
struct ProcessMeasures {
  int64_t tap_dropped = 0;
  int64_t spans_dropped = 0;
  std::map<std::pair<std::string, int>, HistogramCounts> http;  // by route pattern and code
  std::map<std::string, int64_t> state_bytes;                   // by part: ledger, results, history
};

// What metrics are computed from. `look.checked` has a plan.
struct MetricInput {
  const LivePipeline::Look& look;
  const ProcessMeasures& process;
};
class MetricSamples;  // metric_samples.h

// The one place with names of metrics. Everything that names a metric (text, JSON, reference page, `explain`,
// dashboard, alert rules) is made from this table, or is compared with it by a test.
struct MetricSpec {
  const char* name;
  const char* type;                 // counter | gauge | histogram
  const char* unit;                 // seconds, bytes, rows, "" for none
  std::vector<const char*> labels;  // besides `topology`, which all but those of the process have
  const char* help;                 // one sentence
  void (*collect)(const MetricInput& input, MetricSamples& samples);
};
// The most important first: where a scrape is cut, it is cut at the end.
const std::vector<MetricSpec>& MetricCatalogue();
// process_*, as the client libraries of Prometheus name them. They have no label.
const std::vector<MetricSpec>& ProcessMetricCatalogue();

// With `topology`, where the metric has it.
std::vector<std::string> LabelsOf(const MetricSpec& spec);
const MetricSpec* FindMetric(const std::string& name);  // in both; null: there is none

// A scrape has at most that many series; the rest is counted in anabranch_series_dropped.
inline constexpr size_t kMostSeries = 5'000;
// A source with more partitions than that has one series for all: the sum of records, the maximum of seconds.
inline constexpr size_t kMostPartitionSeries = 512;

// Prometheus text format 0.0.4. Before the first session it has the metrics of the process alone.
std::string MetricsText(const LivePipeline::Look& look, const ProcessMeasures& process);

}  // namespace anabranch
