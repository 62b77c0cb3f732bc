#pragma once

#include <string>
#include <vector>

#include "topologies/operate/live_pipeline.h"

namespace anabranch {

// The one place with names of metrics. Everything that names a metric (text, JSON, reference page, `explain`,
// dashboard, alert rules) is made from this table.
struct MetricSpec {
  const char* name;
  const char* type;  // counter | gauge | histogram
  const char* unit;  // seconds, bytes, rows, "" for none
  std::vector<const char*> labels;
  const char* help;
};
const std::vector<MetricSpec>& MetricCatalogue();

// What the process counts beside its pipeline.
struct ProcessMeasures {
  int64_t tap_dropped = 0;
  int64_t spans_dropped = 0;
  std::map<std::pair<std::string, int>, HistogramCounts> http;  // by route pattern and code
  std::map<std::string, int64_t> state_bytes;                   // by part: ledger, results, history
};

// Prometheus text format 0.0.4.
std::string MetricsText(const LivePipeline::Look& look, const ProcessMeasures& process);

}  // namespace anabranch
