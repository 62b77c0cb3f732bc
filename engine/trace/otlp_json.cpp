#include "engine/text/json_literals.h"
#include "engine/trace/span.h"

namespace anabranch {
namespace {

// The protocol has integers of 64 bits as text, and ids as hexadecimal digits.
void AppendAttributes(const SpanAttributes& attributes, std::string* out) {
  *out += "\"attributes\":[";
  for (const auto& [name, value] : attributes) {
    if (out->back() != '[') *out += ',';
    *out += "{\"key\":";
    AppendJsonString(out, name);
    *out += ",\"value\":{";
    if (const auto* text = std::get_if<std::string>(&value)) {
      *out += "\"stringValue\":";
      AppendJsonString(out, *text);
    } else {
      *out += "\"intValue\":\"" + std::to_string(std::get<int64_t>(value)) + '"';
    }
    *out += "}}";
  }
  *out += ']';
}

void AppendEvents(const std::vector<SpanEvent>& events, std::string* out) {
  *out += ",\"events\":[";
  for (const SpanEvent& event : events) {
    if (out->back() != '[') *out += ',';
    *out += "{\"timeUnixNano\":\"" + std::to_string(event.at_ns) + "\",\"name\":";
    AppendJsonString(out, event.name);
    *out += '}';
  }
  *out += ']';
}

void AppendLinks(const Span& span, std::string* out) {
  *out += ",\"links\":[";
  for (const TraceContext& link : span.links) {
    if (out->back() != '[') *out += ',';
    *out += "{\"traceId\":\"" + Hex(link.trace) + "\",\"spanId\":\"" + Hex(link.span) + "\"}";
  }
  *out += ']';
  if (span.links_left_out > 0) *out += ",\"droppedLinksCount\":" + std::to_string(span.links_left_out);
}

void AppendSpan(const Span& span, std::string* out) {
  *out += "{\"traceId\":\"" + Hex(span.context.trace) + "\",\"spanId\":\"" + Hex(span.context.span) + '"';
  if (span.parent != SpanId{}) *out += ",\"parentSpanId\":\"" + Hex(span.parent) + '"';
  if (!span.trace_state.empty()) {
    *out += ",\"traceState\":";
    AppendJsonString(out, span.trace_state);
  }
  *out += ",\"name\":";
  AppendJsonString(out, span.name);
  *out += ",\"kind\":" + std::to_string(static_cast<int>(span.kind));
  *out += ",\"startTimeUnixNano\":\"" + std::to_string(span.begin_ns) + "\",\"endTimeUnixNano\":\"" +
          std::to_string(span.end_ns) + "\",";
  AppendAttributes(span.attributes, out);
  if (span.events != nullptr) AppendEvents(*span.events, out);
  if (!span.links.empty()) AppendLinks(span, out);
  if (!span.error.empty()) {
    *out += ",\"status\":{\"code\":2,\"message\":";
    AppendJsonString(out, span.error);
    *out += '}';
  }
  *out += '}';
}

}  // namespace

size_t Span::bytes() const {
  size_t total = sizeof(Span) + trace_state.size() + name.size() + error.size() + links.size() * sizeof(TraceContext);
  for (const auto& [key, value] : attributes) {
    total += sizeof(attributes[0]) + key.size();
    if (const auto* text = std::get_if<std::string>(&value)) total += text->size();
  }
  return total;
}

std::string OtlpJson(const SpanAttributes& resource, const std::string& version, const std::vector<Span>& spans) {
  std::string out = "{\"resourceSpans\":[{\"resource\":{";
  AppendAttributes(resource, &out);
  out += "},\"scopeSpans\":[{\"scope\":{\"name\":\"anabranch\",\"version\":";
  AppendJsonString(&out, version);
  out += "},\"spans\":[";
  for (const Span& span : spans) {
    if (out.back() != '[') out += ',';
    AppendSpan(span, &out);
  }
  return out + "]}]}]}";
}

}  // namespace anabranch
