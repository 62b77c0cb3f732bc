#pragma once

#include <cstdint>
#include <string>

#include "engine/restart/failure.h"
#include "engine/restart/restart_plan.h"

namespace anabranch {

// What an operator reads and scripts parse about a stage that stopped and about the restart that mends it. Pure: no
// state is read here. Texts end with a line end, JSON is one line without.

// Command lines to go on with, as they can be pasted.
struct NextCommands {
  std::string run, restart, skip, letters;
};

// The restart that goes on after this failure.
std::string NextOf(const Failure& failure, const NextCommands& next);

// The stage, the cause, the records, what is kept, and the next command on a line of its own.
std::string FailureText(const Failure& failure, const NextCommands& next);
// A failure that the ledger could not take (`why`); `next` is the command that goes on.
std::string UnrecordedText(const Failure& failure, const std::string& why, const std::string& next);

// What a restart will do. `failure` is why it is needed.
std::string RestartPlanText(const Failure& failure, const RestartPlan& plan);
// {"from", "stages_to_run", "results_reused", "records", "changes", "refused", "token"} (topology.md §3), and
// "unclaimed", "recompute", "unchanged".
std::string RestartPlanJson(const RestartPlan& plan);
std::string NothingFailedJson();  // the same members for a state that no stage stopped

// "1 record", "3 records"; "812 bytes", "1.4 MB".
std::string Count(int64_t number, const std::string& noun);
std::string BytesText(int64_t bytes);

}  // namespace anabranch
