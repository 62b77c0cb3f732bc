#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "engine/keep/kept_store.h"
#include "engine/plan.h"
#include "engine/restart/failure.h"
#include "engine/restart/restart_plan.h"
#include "engine/run/run_options.h"
#include "engine/status.h"

namespace anabranch {

// The restart from `failure` with these kept results, as `options.choices` decide; refused where kept results are
// damaged and may not be recomputed.
RestartPlan PlanRestart(const Plan& plan, const RunOptions& options, const Failure& failure, const KeptStore& kept,
                        const std::string& identity);

// How a start takes up the kept rows.
struct TakeUp {
  RestoreRules rules;
  bool unchanged = false;     // a restart, and nothing changed since the failure
  bool discard_kept = false;  // the kept rows cannot be used: the source has them
  std::string action;         // for the ledger's list of actions; empty: none
  // Some of the kept rows had left their stages, so they have no records to give up: the positions below which all
  // records that wait lie. They are read again.
  std::map<SourcePartition, int64_t> reread_below;
};

// After a crash or an orderly end: there is no failure to restart from.
TakeUp ContinueKept(const Plan& plan, const KeptStore& kept);
// From `failure`. kInvalid: refused, with every reason.
Result<TakeUp> RestartKept(const Plan& plan, const RunOptions& options, const Failure& failure, const KeptStore& kept,
                           const std::string& identity);
// The same, but the rows that wait for the failed stage fail there.
Result<TakeUp> GiveUpKept(const Plan& plan, const RunOptions& options, const Failure& failure, const KeptStore& kept,
                          const std::string& identity);

}  // namespace anabranch
