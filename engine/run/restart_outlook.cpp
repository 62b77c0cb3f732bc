#include "engine/run/restart_outlook.h"

#include "engine/keep/kept_store.h"
#include "engine/run/ledger.h"
#include "engine/run/restart_decision.h"
#include "engine/run/run_state.h"

namespace anabranch {

Result<RestartOutlook> LookAtRestart(const Plan& plan, const RunOptions& options) {
  RestartOutlook outlook;
  ASSIGN_OR_RETURN(const int64_t owner, Ledger::Owner(options.state_dir));
  outlook.already_running = owner != 0;
  ASSIGN_OR_RETURN(const auto ledger, Ledger::OpenReadOnly(options.state_dir));
  ASSIGN_OR_RETURN(const auto failure, RunState::FailureIn(*ledger));
  outlook.nothing_failed = !failure;
  if (outlook.nothing_failed || outlook.already_running) return outlook;
  outlook.failure = *failure;
  ASSIGN_OR_RETURN(const auto kept, KeptStore::Open(options.state_dir, plan.limits.kept_bytes));
  ASSIGN_OR_RETURN(const std::string identity, RunState::IdentityIn(*ledger, plan));
  outlook.plan = PlanRestart(plan, options, *failure, *kept, identity);
  for (const PlanSource& source : plan.sources) {
    bool known = false, grown = false;
    const Status same = RunState::CheckSameInput(*ledger, plan, source, &known, &grown);
    if (!same.ok() && !outlook.plan.refused) outlook.plan.refused = same.message();
  }
  return outlook;
}

}  // namespace anabranch
