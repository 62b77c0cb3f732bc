#pragma once

#include <optional>
#include <string>

#include "engine/restart/failure.h"
#include "engine/run/run_counts.h"
#include "engine/status.h"

namespace anabranch {

// How a run ended.
struct RunSummary {
  // Ok: the input ended or a stop was requested. With `failure`: its stage stopped; finished work is committed, the
  // rest is kept. Not Ok without `failure`: there is nothing to restart (a target or broker was unreachable at start).
  Status status;
  std::optional<Failure> failure;  // as written to the ledger
  // Set where the failure could not be written (the disk of the state folder is full), with the code of `status`:
  // nobody can restart from this failure. `run` continues from the last commit, or `restart` from the failure before,
  // if one waits.
  Status not_recorded;
  bool restart_waits = false;
  // A call of a stage never returned, so its thread still runs and cannot be ended.
  bool stuck = false;
  bool already_done = false;  // nothing was to be run: a finished bounded input, a restart without failure; see `note`
  std::string note;
  RunSnapshot totals;
};

}  // namespace anabranch
