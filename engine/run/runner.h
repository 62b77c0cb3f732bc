#pragma once

#include <functional>
#include <string>

#include "engine/cancel.h"
#include "engine/plan.h"
#include "engine/registry.h"
#include "engine/run/run_counts.h"
#include "engine/run/run_options.h"
#include "engine/run/run_summary.h"
#include "engine/status.h"

namespace anabranch {

// Called from the thread that called RunPlan.
struct RunObserver {
  std::function<void()> started;  // models, targets and sources are open; records come next
  std::function<void(const RunSnapshot&)> tick;
  std::function<void(const std::string&)> warn;  // one line for the operator's log; any thread
};

// Runs a plan until its input ends, `cancel` is raised, or a stage stops. Blocks. A lane that fails raises `cancel` to
// kDrain for the others. Opens models first, then targets, then sources; closes in reverse. Every row that was taken in
// is committed with its effects or left where it was: a second call goes on from there.
RunSummary RunPlan(const Plan& plan, const Registry& registry, const RunOptions& options, CancelToken& cancel,
                   const RunObserver& observer);

}  // namespace anabranch
