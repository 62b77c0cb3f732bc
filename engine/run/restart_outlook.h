#pragma once

#include <string>

#include "engine/plan.h"
#include "engine/restart/failure.h"
#include "engine/restart/restart_plan.h"
#include "engine/run/run_options.h"
#include "engine/status.h"

namespace anabranch {

// What a restart of the plan would do with the state as it is.
struct RestartOutlook {
  bool nothing_failed = false;  // then `plan` is empty
  bool already_running = false;
  Failure failure;
  RestartPlan plan;
};

// Reads only. kInvalid when there is no state; `already_running` when a process owns it.
Result<RestartOutlook> LookAtRestart(const Plan& plan, const RunOptions& options);

}  // namespace anabranch
