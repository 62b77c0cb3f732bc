#pragma once

#include <memory>
#include <string>

#include "topologies/commands/failure_view.h"
#include "topologies/commands/run_view.h"

namespace anabranch {

// A run as lines of a log: text, or one JSON object per line with `ts`, `level`, `msg`, `topology`, and, where they are
// known, `code`, `node` or `source`, `topic`, `partition`, `offset`.
std::unique_ptr<RunView> MakeLogView(CommandIo& io, const LogArgs& log, const std::string& topology);

// The end of a run for a log of JSON lines: what SummaryText and FailureText say, without anything of a record.
void LogSummary(const RunSummary& summary, RunView& view);
void LogFailure(const RunSummary& summary, const NextCommands& next, RunView& view);

}  // namespace anabranch
