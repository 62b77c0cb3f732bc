#pragma once

#include <cstdint>
#include <string>

#include "engine/restart/failure.h"
#include "engine/restart/restart_plan.h"

namespace anabranch {

// The texts for operators and the JSON for scripts about a stage that stopped and about the restart that resumes it.
// Pure functions: they read no state. Texts end with a line feed; JSON is one line without one.

// The next commands, ready to be pasted.
struct NextCommands {
  std::string run, restart, skip, letters;
  std::string replay = {};
};

// The restart command that resumes after this failure.
std::string NextOf(const Failure& failure, const NextCommands& next);

// What the class of a failure means, in words; without record data.
std::string ClassText(ErrorClass error_class);

// The stage, the cause, the records, what is kept, and the next command on its own line.
std::string FailureText(const Failure& failure, const NextCommands& next);
// A failure that the ledger could not store (`why`); `next` is the command that resumes.
std::string UnrecordedText(const Failure& failure, const std::string& why, const std::string& next);

// What a restart will do after `failure`.
std::string RestartPlanText(const Failure& failure, const RestartPlan& plan);
// {"from", "stages_to_run", "results_reused", "records", "changes", "refused", "token", "unclaimed", "recompute",
// "unchanged"}.
std::string RestartPlanJson(const RestartPlan& plan);
std::string NothingFailedJson();  // the same members for a state without a stopped stage

// "1 record", "3 records"; "812 bytes", "1.4 MB".
std::string Count(int64_t number, const std::string& noun);
std::string BytesText(int64_t bytes);

}  // namespace anabranch
