#pragma once

#include <cstdint>
#include <string>

namespace anabranch {

// A moment as the program says it in logs, states and dead letters: "2026-11-28T08:05:00.120Z", UTC, always 24
// characters, so that lines stand below each other and text sorts by time. (Timestamps of records are data:
// FormatTimestamp.)
std::string FormatInstant(int64_t milliseconds_since_1970);

}  // namespace anabranch
