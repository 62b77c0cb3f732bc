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

// What the operator says to a restart.
struct RestartChoices {
  std::string from;        // a node; empty: the failed stage
  bool recompute = false;  // --on-missing recompute: what is not kept is computed again, from the raw records
  std::set<std::string> accept_stale;  // kept results of these edited nodes are used all the same
  bool drop_unclaimed = false;
  bool new_identity = false;
};

// What a restart will do, before it does it. Printed, hashed to a token, followed to the letter. Batches may have been
// kept at different cuts: each is taken up at its own, so that a stage may run for some rows and be reused for others.
struct RestartPlan {
  std::string from;
  std::vector<std::string> stages_to_run;  // plan order; with `recompute` sources too
  struct Reused {
    std::string node;
    int64_t rows = 0;
    int64_t bytes = 0;
  };
  std::vector<Reused> results_reused;
  int64_t records = 0;               // kept rows that will be fed (where outputs were kept only: written)
  int64_t unclaimed = 0;             // kept rows that nothing takes any more (--drop-unclaimed)
  std::vector<std::string> changes;  // one line each: "score (infer): model file changed", "new node audit"
  // Neither the stage to start from nor anything below it changed since it failed: without help from outside it will
  // fail again.
  bool unchanged = false;
  std::optional<std::string> refused;  // every reason, each with its cure, "; " between them
  bool recompute = false;              // nothing is reused: raw records, or the source where not even those are kept
  RestoreRules rules;                  // without `next`
  std::string token;                   // of all the above
};

// Pure. The table of decisions (docs/delivery-and-restart.md): the failed stage and what lies below may be edited,
// added, rewired; an edited ancestor of a kept result is refused (the earliest one is named; accept_stale overrides);
// a result that is needed and was not kept is refused unless recompute; a consumer that is gone unless drop_unclaimed;
// a target removed, a lower guarantee, another source topic, group or identity unless new_identity.
RestartPlan MakeRestartPlan(const Failure& failure, const std::vector<KeptStore::Entry>& kept, const Plan& plan,
                            const std::string& identity, const RestartChoices& choices);

// For a start after a crash, when nothing was said to have failed: what may be reused of the logs, nothing refused.
RestoreRules RulesAfterCrash(const std::vector<KeptStore::Entry>& kept, const Plan& plan);

}  // namespace anabranch
