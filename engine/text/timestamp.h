#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace anabranch {

// Timestamps of records: "2026-01-01T00:00:00.123456Z" (RFC 3339) and microseconds since 1970 UTC. A fraction is
// written only where there is one. ParseTimestamp returns false for a malformed text and leaves `micros` undefined.
std::string FormatTimestamp(int64_t micros);
bool ParseTimestamp(std::string_view text, int64_t* micros);

}  // namespace anabranch
