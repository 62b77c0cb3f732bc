#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/sqlite/sqlite.h"
#include "engine/status.h"

namespace anabranch {

// The tables of STATE_DIR/history.db, and their bounds.

inline constexpr int64_t kMinuteMs = 60'000;
inline constexpr int64_t kHourMs = 60 * kMinuteMs;
inline constexpr int64_t kDayMs = 24 * kHourMs;
inline constexpr int64_t kKeptMinutesMs = 7 * kDayMs;
inline constexpr int64_t kKeptHoursMs = 90 * kDayMs;
inline constexpr int64_t kMostRuns = 10'000;
inline constexpr int64_t kMostHistoryBytes = int64_t{64} << 20;

std::string HistoryPath(const std::string& state_dir);

// For writing: makes the file and its tables when absent. A damaged file, or one of another format, is moved aside to
// history.db.damaged, and a new one is made: `*moved`.
Result<std::unique_ptr<SqliteDatabase>> OpenHistory(const std::string& state_dir, bool* moved);
// For reading. kUnavailable: there is none yet.
Result<std::unique_ptr<SqliteDatabase>> ReadHistory(const std::string& state_dir);

// Sums the minutes of hours that are over up to `now_ms`, and deletes what is beyond the bounds. Within a transaction.
Status TrimHistory(SqliteDatabase& db, int64_t now_ms);

}  // namespace anabranch
