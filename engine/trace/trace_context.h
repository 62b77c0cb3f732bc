#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace anabranch {

using TraceId = std::array<uint8_t, 16>;
using SpanId = std::array<uint8_t, 8>;  // all zero: none

// The headers of W3C Trace Context.
inline constexpr std::string_view kTraceparent = "traceparent";
inline constexpr std::string_view kTracestate = "tracestate";

// A span as others name it.
struct TraceContext {
  TraceId trace{};
  SpanId span{};
  bool sampled = false;
};

// Nothing if the text is none.
std::optional<TraceContext> ParseTraceparent(std::string_view text);
std::string FormatTraceparent(const TraceContext& context);
inline constexpr size_t kTraceparentBytes = 55;

std::string Hex(std::span<const uint8_t> bytes);  // lower case

}  // namespace anabranch
