#pragma once

#include <memory>
#include <string>

#include "engine/clock.h"
#include "engine/run/run_summary.h"
#include "engine/status.h"
#include "topologies/operate/live_pipeline.h"

namespace anabranch {

// What a pipeline did, in STATE_DIR/history.db (SQLite, WAL): runs, their stages, minutes and hours. Bounded: 7 days of
// minutes, 90 days of hours, 10,000 runs, 64 MB. Losing it loses no data: no run ever reads it.
//
// One process writes, any number read. Begin and End belong to the command's thread, Note to the ticker's.
//
// A history that is damaged, locked, or on a full disk harms no run: it is moved aside (history.db.damaged), or what
// would have been written is not. Each method returns what went wrong the first time that it does, and Ok after that.
class HistoryWriter {
 public:
  explicit HistoryWriter(const std::string& state_dir, const Clock& clock = Clock::Real());
  ~HistoryWriter();
  HistoryWriter(const HistoryWriter&) = delete;
  HistoryWriter& operator=(const HistoryWriter&) = delete;

  // A session is at work: its process owns the folder.
  Status Begin(const LivePipeline::Look& look);
  // Once a second; writes when a minute is over. Without effect outside of a session.
  Status Note(const LivePipeline::Look& look);
  // The session ended. `input_ended`: because there is no more to read.
  Status End(const LivePipeline::Look& look, const RunSummary& summary, bool input_ended);

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

// JSON for GET /api/v1/runs, /runs/{id}, /series; see docs/reference/api.md. One thread.
class HistoryReader {
 public:
  // kUnavailable: there is none; kInternal: it is damaged.
  static Result<std::unique_ptr<HistoryReader>> Open(const std::string& state_dir, const Clock& clock = Clock::Real());
  ~HistoryReader();
  // The newest runs that began before `before_ms` (0: all), newest first. What it costs depends on `limit` alone.
  Result<std::string> Runs(int64_t before_ms, int limit);
  // kInvalid: there is no such run.
  Result<std::string> Run(const std::string& id);
  // `metric`: rows | failed | busy | p50 | p99, of a stage, by minute; by hour where `from_ms` lies before the minutes.
  // kInvalid: no such metric.
  Result<std::string> Series(const std::string& stage, const std::string& metric, int64_t from_ms);

 private:
  class Core;
  explicit HistoryReader(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace anabranch
