#include "engine/run/row_time.h"

#include <optional>
#include <string>

#include "engine/durations.h"
#include "engine/text/timestamp.h"

namespace anabranch {
namespace {

// Milliseconds within these bounds are microseconds that fit, with room for lateness: some 290,000 years.
constexpr int64_t kMostMs = INT64_MAX / 1000 - kLongestLengthUs / 1000;

std::optional<int64_t> TimeOf(const TimeRule& rule, const RecordBatch& batch, uint32_t row) {
  if (!rule.field) {
    const int64_t ms = batch.timestamp_ms[row];
    return ms < 0 || ms > kMostMs ? std::nullopt : std::optional(ms * 1000);
  }
  const Column& column = batch.columns[*rule.field];
  if (!column.valid(row)) return std::nullopt;
  const int64_t value = column.values<int64_t>()[row];
  if (column.type().kind == Kind::kTimestamp) return value == kNoTime ? std::nullopt : std::optional(value);
  return value > kMostMs || value < -kMostMs ? std::nullopt : std::optional(value * 1000);
}

std::string NoTimeText(const Plan& plan, const TimeRule& rule) {
  if (!rule.field) {
    return "the record has no timestamp, and \"time\" of its source names no \"field\"";
  }
  return "the time field \"" + plan.columns[*rule.field].name + "\" is missing, null, of another type or out of range";
}

std::string AheadText(const TimeRule& rule, int64_t time_us, int64_t wall_ms) {
  return "its event time " + FormatTimestamp(time_us) + " is more than \"max_ahead\" (" +
         LengthText(rule.max_ahead_us) + ") later than the clock, " + FormatTimestamp(wall_ms * 1000);
}

}  // namespace

void ApplyTimeRule(const Plan& plan, const TimeRule& rule, int64_t wall_ms, RecordBatch& batch) {
  StageRows& stage = batch.stages[batch.source];
  const auto fail = [&](uint32_t row, const char* code, std::string message) {
    stage.outcome[row] = Outcome::kFailed;
    stage.errors.push_back({row, code, std::move(message)});
  };
  batch.time_us.assign(batch.rows(), kNoTime);
  const int64_t latest_us = wall_ms * 1000 + rule.max_ahead_us;
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    if (stage.outcome[row] != Outcome::kOk) continue;
    const std::optional<int64_t> time_us = TimeOf(rule, batch, row);
    if (!time_us) {
      fail(row, "time", NoTimeText(plan, rule));
    } else if (*time_us > latest_us) {
      fail(row, "time_ahead", AheadText(rule, *time_us, wall_ms));
    } else {
      batch.time_us[row] = *time_us;
    }
  }
}

}  // namespace anabranch
