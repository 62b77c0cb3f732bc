#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/trace/trace_context.h"

namespace anabranch {

using SpanAttributes = std::vector<std::pair<std::string, std::variant<std::string, int64_t>>>;

struct SpanEvent {
  std::string name;
  int64_t at_ns = 0;
};

// Something that took time, as OpenTelemetry has it. Times are nanoseconds since 1970. No record data.
struct Span {
  enum class Kind : uint8_t { kInternal = 1, kProducer = 4, kConsumer = 5 };  // numbers of the protocol

  TraceContext context;
  SpanId parent{};
  std::string trace_state;
  std::string name;
  Kind kind = Kind::kInternal;
  int64_t begin_ns = 0;
  int64_t end_ns = 0;
  SpanAttributes attributes;
  std::shared_ptr<const std::vector<SpanEvent>> events;  // may be null
  std::vector<TraceContext> links;
  uint32_t links_left_out = 0;
  std::string error;  // empty: none

  size_t bytes() const;  // that it holds, about; shared events are not counted
};

// The body of a request of OTLP/HTTP: ExportTraceServiceRequest as JSON. `resource` is what all spans share.
std::string OtlpJson(const SpanAttributes& resource, const std::string& version, const std::vector<Span>& spans);

}  // namespace anabranch
