#pragma once

#include <memory>
#include <string>

#include "engine/status.h"
#include "topologies/operate/live_pipeline.h"

namespace anabranch {

// What a pipeline did, in STATE_DIR/history.db (SQLite, WAL): runs, their stages, minutes and hours. Bounded: 7 days of
// minutes, 90 days of hours, 10,000 runs, 64 MB. Losing it loses no data: it is never read by a run.
// Writing is done by one thread, reading by any process.
class HistoryWriter {
 public:
  static Result<std::unique_ptr<HistoryWriter>> Open(const std::string& state_dir);
  virtual ~HistoryWriter() = default;
  // A session begins: `parent` is the run that failed before it, if it restarts one.
  virtual Status Begin(const LivePipeline::Look& look) = 0;
  // Once a second; writes a minute when it is over.
  virtual Status Note(const LivePipeline::Look& look) = 0;
  virtual Status End(const LivePipeline::Look& look) = 0;
};

// JSON for GET /api/v1/runs, /runs/{id}, /series; see docs/reference/api.md.
class HistoryReader {
 public:
  // kUnavailable: there is none.
  static Result<std::unique_ptr<HistoryReader>> Open(const std::string& state_dir);
  virtual ~HistoryReader() = default;
  virtual Result<std::string> Runs(int64_t before_ms, int limit) = 0;
  virtual Result<std::string> Run(const std::string& id) = 0;
  // `metric`: rows | failed | busy | p50 | p99; per minute, of a stage.
  virtual Result<std::string> Series(const std::string& stage, const std::string& metric, int64_t from_ms) = 0;
};

}  // namespace anabranch
