#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/measure/histogram.h"

namespace anabranch {

// What a lane's time goes to. Its states sum to the wall time since it began.
enum class LaneState : uint8_t {
  kStarved,     // waits for rows; by = source
  kBusy,        // computes, reads or encodes; by = node, or the source for decoding
  kBlocked,     // the writer holds as much as it may; by = target
  kCommitting,  // waits for a commit: two closed epochs, a rebalance, a drain; by = target
  kCrew,        // waits for a batch that a crew thread computes; by = node
  kPaused,      // waits until a stage or target in trouble is tried again; by = the stage
};
const char* NameOf(LaneState state);  // "starved", "busy", …

struct LaneShare {
  LaneState state = LaneState::kStarved;
  std::string by;
  int64_t ns = 0;
};
struct LaneMeasures {
  int lane = 0;
  std::string source;
  int64_t wall_ns = 0;  // since it began; the shares' sum is within 2 % of it
  std::vector<LaneShare> shares;
};

inline constexpr int64_t kUnknown = -1;

struct PartitionMeasures {
  std::string topic;  // SourcePartition: the topic; a file's name
  int32_t partition = 0;
  int64_t next = kUnknown;         // position of the first record that is not committed
  int64_t end = kUnknown;          // where the next record will be
  int64_t lag_records = kUnknown;  // end - next where positions number records
  double lag_seconds = kUnknown;   // now minus the timestamp of the last committed record; 0 when lag is 0
  // Microseconds since 1970, of what this run computed; where the source has a `time` rule. Before 1970: not shown.
  int64_t watermark_us = kUnknown;
};
struct SourceMeasures {
  std::string id;
  int64_t records = 0;
  int64_t bytes = 0;
  int64_t tombstones = 0;
  int64_t rebalances = 0;
  std::vector<PartitionMeasures> partitions;  // assigned now
};

struct NodeMeasures {
  std::string id;
  std::string kind;
  HistogramCounts batch_seconds;
  HistogramCounts batch_rows;
  HistogramCounts call_seconds;  // of a model; empty edges: the node calls none
  HistogramCounts call_rows;
  std::string model, version;
  double load_seconds = 0;
  int64_t file_bytes = 0;
  // What a call of so many rows takes, as measured when the model was loaded; empty: it was not.
  struct CurvePoint {
    uint32_t rows = 0;
    double seconds = 0;
  };
  std::vector<CurvePoint> curve;
  double breaker_fill = 0;  // failures among the last rows, as a share of what trips it
};

struct TargetMeasures {
  std::string id;         // node id; "dead_letters"
  std::string connector;  // as the topology names it
  int64_t rows = 0;       // committed
  int64_t bytes = 0;
  std::map<std::string, int64_t> errors;  // attempts that failed, by class (aborted, retry, refused, …)
  HistogramCounts commit_seconds;
  HistogramCounts event_seconds;   // from a record's timestamp until it is durable
  HistogramCounts intake_seconds;  // from its poll until it is durable
  int64_t last_commit_ms = kUnknown;
};

// Everything that a run measures, at one moment. Its parts are read one after the other, so they may differ by a
// batch. Numbers only grow within a run, but for lags, held bytes and fills. No record data. Counters of stages are in
// RunSnapshot (engine/run/run_counts.h).
struct MeasureSnapshot {
  int64_t elapsed_ns = 0;  // since the run began, by its clock
  int64_t wall_ms = 0;
  std::vector<LaneMeasures> lanes;
  std::vector<SourceMeasures> sources;
  std::vector<NodeMeasures> nodes;      // in plan order
  std::vector<TargetMeasures> targets;  // in plan order, dead letters last
  int64_t epochs_committed = 0, epochs_aborted = 0, epochs_abandoned = 0;
  HistogramCounts epoch_rows;
  HistogramCounts epoch_open_seconds;
  int64_t held_batches = 0, held_epoch = 0, held_limit = 0;  // bytes
  int64_t kept_rows = 0, kept_bytes = 0, kept_limit = 0;
};

}  // namespace anabranch
