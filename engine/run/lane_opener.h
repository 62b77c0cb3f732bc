#pragma once

#include <memory>
#include <vector>

#include "engine/lane_context.h"
#include "engine/registry.h"
#include "engine/run/lane.h"
#include "engine/run/run_mode.h"
#include "engine/run/run_options.h"
#include "engine/run/run_shared.h"
#include "engine/run/run_state.h"
#include "engine/status.h"

namespace anabranch {

// Opens the lanes of a run: for each a source, and one committer per commit unit in commit order. Outlives its lanes,
// as does everything that it is given.
class LaneOpener {
 public:
  LaneOpener(const Registry& registry, const RunOptions& options, const RunMode& mode, const TakeUp& take_up,
             RunState& state, RunShared& shared)
      : registry_(registry), options_(options), mode_(mode), take_up_(take_up), state_(state), shared_(shared) {}

  // `number`: of the lane in its run. `worker` computes on the lane's own thread. Errors name the source or target.
  Result<std::unique_ptr<Lane>> Open(const LaneInput& input, int number, std::unique_ptr<PlanWorker> worker);

 private:
  LaneContext& MakeContext(const LaneInput& input, int number, SourceTable* partitions);
  Status OpenCommitters(const LaneContext& context, const LaneInput& input, Lane::Parts* parts);
  bool Reaches(const LaneInput& input, TargetId target) const;

  const Registry& registry_;
  const RunOptions& options_;
  const RunMode& mode_;
  const TakeUp& take_up_;
  RunState& state_;
  RunShared& shared_;
  std::vector<std::unique_ptr<LaneContext>> contexts_;
};

}  // namespace anabranch
