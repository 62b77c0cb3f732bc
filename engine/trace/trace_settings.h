#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/trace/trace_context.h"

namespace anabranch {

// Which traces are kept.
struct TraceSampler {
  bool parent_based = true;  // a record goes by the flag of its traceparent; what has no parent, by `share`
  double share = 1;          // 0: none, 1: all

  // Whether a span of this trace is kept. `parent_sampled`: nothing, where it has no parent.
  bool Keeps(const TraceId& trace, std::optional<bool> parent_sampled) const;
};

// Where traces go and which ones, from the standard environment variables of OpenTelemetry:
//   OTEL_EXPORTER_OTLP_ENDPOINT (…/v1/traces is added), OTEL_EXPORTER_OTLP_TRACES_ENDPOINT (as it is); without both
//     there are no traces, nor with OTEL_SDK_DISABLED=true or OTEL_TRACES_EXPORTER=none
//   OTEL_EXPORTER_OTLP_HEADERS, OTEL_EXPORTER_OTLP_TRACES_HEADERS
//   OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES
//   OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG
struct TraceSettings {
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  std::string server;  // "http://localhost:4318"
  std::string path;    // "/v1/traces"
  Pairs headers;
  Pairs resource;  // service.name and what OTEL_RESOURCE_ATTRIBUTES has
  TraceSampler sampler;
  std::vector<std::string> warnings;  // variables that are not understood: one line each
};

// `variable`: the value of an environment variable, or null. `service`: the name where none is given. Nothing: off.
std::optional<TraceSettings> TraceSettingsFrom(const std::function<const char*(const char*)>& variable,
                                               const std::string& service);

}  // namespace anabranch
