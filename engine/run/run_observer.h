#pragma once

#include <functional>
#include <string>

#include "engine/record_batch.h"
#include "engine/run/run_counts.h"

namespace anabranch {

// What a caller sees of a run while it runs. An empty function is not called.
struct RunObserver {
  std::function<void(const RunSnapshot&)> tick;  // about each RunOptions::tick_ns, on one thread of the pipeline
  std::function<void(const std::string&)> warn;  // one line for the operator's log; any thread
  // A batch with all its columns, outcomes and encoded rows, before the writer takes it. On its lane's thread: several
  // lanes may call at once, and each waits meanwhile. A batch whose rows are computed again is shown again.
  std::function<void(const RecordBatch&)> batch;
  // A batch that a stage stopped at, on its lane's thread. The stages that are `done` are final; the others are not.
  std::function<void(const RecordBatch&)> stopped;
};

}  // namespace anabranch
