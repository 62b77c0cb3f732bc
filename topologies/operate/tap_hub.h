#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/clock.h"
#include "engine/plan.h"
#include "engine/record_batch.h"
#include "engine/status.h"

namespace anabranch {

// What one viewer wants to see of rows in flight.
struct TapRequest {
  std::vector<std::string> nodes = {};    // stages; empty: those that write
  bool at_inputs = false;                 // rows as they reach the node; else as they leave it
  std::string where = {};                 // expression of our own; empty: every row
  int64_t limit = 20;                     // ends after that many rows; 0: follows
  double most_per_s = 0;                  // 0: as fast as they come
  std::vector<std::string> columns = {};  // empty: what the node reads and makes, or what it writes
  bool record = false;                    // with the record as it came, and the key of its result
  bool reveal = false;                    // show what the schema calls x-sensitive
};

// Who opens and reads a tap.
struct TapViewer {
  std::string name = {};
  bool may_reveal = false;
};

// Rows of a running pipeline for viewers. It never holds a lane up: with no tap, a batch costs one relaxed load; with
// one, matching rows are copied into a ring of 1 MiB. All taps together may take half a percent of a lane's time. What
// does not fit, in time or in room, is counted as dropped.
// Offer() is called by lanes, everything else by server threads. A tap that nobody reads for 15 s ends.
class TapHub {
 public:
  explicit TapHub(const Clock& clock = Clock::Real());
  ~TapHub();
  TapHub(const TapHub&) = delete;
  TapHub& operator=(const TapHub&) = delete;

  // Of the session that begins. Taps that are open end.
  void Use(std::shared_ptr<const Plan> plan);
  void Offer(const RecordBatch& batch) {
    if (open_.load(std::memory_order_relaxed) > 0) Copy(batch);
  }

  // The id of a new tap. kInvalid: an unknown node or column, or a faulty expression, with place and cure.
  // kUnavailable: no session began yet, or 8 taps are open.
  Result<std::string> Open(const TapRequest& request, const TapViewer& viewer = {});
  // {"seen", "matched", "dropped", "done", "next", "masked": […], "sinks": […], "rows": [{"seq", "node", "source",
  // "topic", "partition", "offset", "timestamp", "key", "headers": [[name, value]], "outcome", "outcomes": {node:
  // word}, "errors": [{"node", "code", "message", "dead_letter"}], "before": {…}, "after": {…}}]}: rows behind `after`,
  // which is the last answer's "next" or 0. Rows up to `after` are forgotten. `seen`: rows that came by at the tapped
  // nodes. kInvalid: no such tap of this viewer. A tap that reveals is for those who may reveal.
  Result<std::string> Read(const std::string& id, int64_t after, const TapViewer& viewer = {});
  // Whether the viewer has such a tap.
  bool Close(const std::string& id, const TapViewer& viewer = {});
  int64_t dropped() const;

 private:
  void Copy(const RecordBatch& batch);
  class Core;
  std::unique_ptr<Core> core_;
  std::atomic<int> open_{0};
};

}  // namespace anabranch
