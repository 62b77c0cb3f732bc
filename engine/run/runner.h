#pragma once

#include "engine/cancel.h"
#include "engine/plan.h"
#include "engine/registry.h"
#include "engine/run/run_observer.h"
#include "engine/run/run_options.h"
#include "engine/run/run_summary.h"

namespace anabranch {

// Runs a plan until its input ends, `cancel` is raised, or a stage stops. Blocks: a Pipeline from Start() to Finish().
// `cancel` belongs to this run alone: a lane that fails raises it for the others.
RunSummary RunPlan(const Plan& plan, const Registry& registry, const RunOptions& options, CancelToken& cancel,
                   const RunObserver& observer);

}  // namespace anabranch
