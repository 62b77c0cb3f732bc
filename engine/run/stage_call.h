#pragma once

#include <cstdint>

#include "engine/cancel.h"
#include "engine/clock.h"
#include "engine/measure/lane_clock.h"
#include "engine/node.h"
#include "engine/plan.h"
#include "engine/record_batch.h"
#include "engine/restart/error_class.h"
#include "engine/run/attempts.h"
#include "engine/run/guarded.h"
#include "engine/status.h"
#include "engine/target.h"

namespace anabranch {

// How a stage ended for one batch.
struct StageEnd {
  Status status;
  ErrorClass error_class = ErrorClass::kNone;  // of a status that is neither Ok nor kCancelled
  int attempts = 1;                            // calls of the whole batch
  // The encoded rows are more than one batch may hold: the batch is to be computed again in two parts (kStage).
  bool too_large = false;
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
  LaneClock* lane = nullptr;               // whose time the call takes; null: a thread of no lane
};

// Calls a node or encoder with the active rows of a batch (at least one), under the node's timeout and retries. Retries
// pause with backoff; a stop ends the pause and answers kCancelled: the batch is taken again at the next start.
//
// A node that fails a batch whole, and does not find its bad rows itself, is asked with halves of the batch until the
// rows that it cannot take are known: those fail ("node"), the others are processed once. When more than 16 rows or a
// quarter of the batch are bad (after exhausted retries: more than one), or only one row is active, it is the stage.
StageEnd CallStage(const CallContext& context, Callee callee, RecordBatch& batch, StageId stage, int64_t now_ns);

// Calls Node::AfterHandOver() of a stage that is done, once, under the node's timeout: a call that never returns ends
// the process as one of CallStage() does.
Status CallAfterHandOver(const CallContext& context, Node& node, RecordBatch& batch, StageId stage, int64_t now_ns);

}  // namespace anabranch
