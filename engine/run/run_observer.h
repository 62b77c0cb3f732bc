#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "engine/record_batch.h"
#include "engine/run/run_counts.h"

namespace anabranch {

// One epoch of one lane became durable.
struct CommitSeen {
  int lane = 0;
  int64_t rows = 0;
  std::span<const PositionRange> positions;
  int64_t begin_ns = 0, end_ns = 0;  // by the run's clock
};

// What a caller sees of a run while it runs. An empty function is not called.
struct RunObserver {
  std::function<void(const RunSnapshot&)> tick;  // about each RunOptions::tick_ns, on one thread of the pipeline
  std::function<void(const std::string&)> warn;  // one line for the operator's log; any thread
  // A batch before it is computed, as its source filled it. On the thread that will compute it: several may call at
  // once. It may set RecordBatch::traceparent.
  std::function<void(RecordBatch&)> before;
  // A batch with all its columns, outcomes and encoded rows, before the writer takes it. On its lane's thread: several
  // lanes may call at once, and each waits meanwhile. A batch whose rows are computed again is shown again.
  std::function<void(const RecordBatch&)> batch;
  // A batch that a stage stopped at, on its lane's thread. The stages that are `done` are final; the others are not.
  std::function<void(const RecordBatch&)> stopped;
  std::function<void(const CommitSeen&)> committed;  // on the thread that writes for the lane
};

}  // namespace anabranch
