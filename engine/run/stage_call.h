#pragma once

#include <cstdint>
#include <string_view>

#include "engine/cancel.h"
#include "engine/clock.h"
#include "engine/node.h"
#include "engine/plan.h"
#include "engine/record_batch.h"
#include "engine/run/attempts.h"
#include "engine/run/guarded.h"
#include "engine/status.h"
#include "engine/target.h"

namespace anabranch {

// How a stage ended for one batch. `error_class` says what kind of failure stops the stage; empty while the status is
// Ok or kCancelled:
//   "stage"      every row would fail, or too many to tell the bad ones
//   "transient"  it could not be done now, after the last retry
//   "timeout"    it took longer than `timeout_ms`, after the last retry
//   "breaker"    too many rows failed
//   "split"      its encoded rows are more than one batch may hold: to be computed again in two parts
//   "contract"   a row failed, and its node's "on_error" is "stop"
struct StageEnd {
  Status status;
  std::string_view error_class;  // a literal
  int attempts = 1;              // calls of the whole batch
};

// What a stage is: one of the two.
struct Callee {
  Node* node = nullptr;
  RowEncoder* encoder = nullptr;
};

struct CallContext {
  const Plan& plan;
  const Clock& clock;
  const CancelToken& cancel;
  AttemptSlots::Slot* slot = nullptr;
  size_t output_bytes = size_t{64} << 20;  // of one batch for one target
};

// Calls a node or encoder with the active rows of a batch (at least one), under the node's timeout and retries. Retries
// pause with backoff; a stop ends the pause and answers kCancelled: the batch is taken again at the next start.
//
// A node that fails a batch whole, and does not find its bad rows itself, is asked with halves of the batch until the
// rows that it cannot take are known: those fail ("node"), the others are processed once. When more than 16 rows or a
// quarter of the batch are bad (after exhausted retries: more than one), or only one row is active, it is the stage.
StageEnd CallStage(const CallContext& context, Callee callee, RecordBatch& batch, StageId stage, int64_t now_ns);

}  // namespace anabranch
