#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/cancel.h"
#include "engine/ids.h"
#include "engine/models/control_state.h"
#include "engine/plan.h"
#include "engine/run/rescore.h"
#include "engine/status.h"
#include "topologies/operate/model_events.h"

namespace anabranch {

// What a generation of a model scored, to be scored again by the version that serves now. Changes nothing.

struct RescoreRange {
  std::string source;  // id
  SourcePartition partition;
  int64_t from = 0, until = 0;  // positions that the generation scored
  int64_t first = 0;            // where reading begins: behind what is done, and behind what is gone
  int64_t done = 0;             // positions that a run before has committed
  int64_t gone = 0;             // positions that can no longer be read
  bool counts = true;           // positions number the records; false: they are bytes
};

// The generation as the history has it, with its positions. kStage: it cannot be scored again, and why: there is none
// of the number, it still scores somewhere, or the version that serves as of generation `now` is the same.
Result<ModelEvent> GenerationToRescore(const ControlState& state, const std::string& model, uint32_t generation,
                                       uint32_t now);

// Of the sources of `plan` that a node of the model reads from, in their order. `identity`: of the run that scores
// again. Reads the ends of the topics: kUnavailable names what does not answer; kStage: a source cannot be read twice;
// kCancelled.
Result<std::vector<RescoreRange>> FindRescoreRanges(const Plan& plan, const ModelEvent& event,
                                                    const std::string& identity, const std::string& state_dir,
                                                    CancelToken& cancel);

// What one source is to read. Null: nothing.
std::shared_ptr<const RescoreInput> InputOf(const Plan& plan, StageId source, const std::string& identity,
                                            const std::vector<RescoreRange>& ranges);

}  // namespace anabranch
