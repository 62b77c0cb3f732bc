#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/keep/kept_store.h"
#include "engine/plan.h"
#include "engine/restart/failure.h"

namespace anabranch {

// The operator's choices for a restart.
struct RestartChoices {
  std::string from;        // a node; empty: the failed stage
  bool recompute = false;  // --on-missing recompute: results that were not kept are computed again from the raw records
  std::set<std::string> accept_stale;  // kept results of these edited nodes are reused anyway
  bool drop_unclaimed = false;
  bool new_identity = false;
};

// What a restart will do. It is printed, hashed to a token, and carried out exactly. Batches may have been kept at
// different cuts, and each is restored at its own. So a stage may run for some rows and be reused for others.
struct RestartPlan {
  std::string from;
  std::vector<std::string> stages_to_run;  // plan order; with `recompute` sources too
  struct Reused {
    std::string node;
    int64_t rows = 0;
    int64_t bytes = 0;
    std::vector<std::string> versions = {};  // of its model that made them, by name; empty: the plan's
  };
  std::vector<Reused> results_reused;
  int64_t records = 0;               // kept rows that will be fed (or written, if only outputs were kept)
  int64_t unclaimed = 0;             // kept rows that no stage reads any more (--drop-unclaimed)
  std::vector<std::string> changes;  // one line each: "score (infer): model file changed", "new node audit"
  // Neither the stage to start from nor anything below it changed since the failure: unless something outside changed,
  // it will fail again.
  bool unchanged = false;
  std::optional<std::string> refused;  // every reason with its remedy, separated by "; "
  bool recompute = false;              // nothing is reused: reads kept raw records, or else the source
  RestoreRules rules;                  // without `next`
  std::string token;                   // of all the above
};

// A pure function. It implements the table of decisions in docs/delivery-and-restart.md. The failed stage and stages
// below it may be edited, added and rewired. Refused are: an edited ancestor of a kept result (the earliest one is
// named), unless accept_stale; a required result that was not kept, unless recompute; a consumer that is gone, unless
// drop_unclaimed; and a removed target, a lower guarantee, or another source topic, group or identity, unless
// new_identity.
RestartPlan MakeRestartPlan(const Failure& failure, const std::vector<KeptStore::Entry>& kept, const Plan& plan,
                            const std::string& identity, const RestartChoices& choices);

// For a start after a crash without a recorded failure: says which logged results may be reused, and refuses nothing.
RestoreRules RulesAfterCrash(const std::vector<KeptStore::Entry>& kept, const Plan& plan);

}  // namespace anabranch
