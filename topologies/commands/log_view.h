#pragma once

#include <memory>
#include <string>

#include "engine/run/restart_outlook.h"
#include "topologies/commands/run_view.h"
#include "topologies/operate/failure_view.h"

namespace anabranch {

// A run as lines of a log: text, or one JSON object per line with `ts`, `level`, `msg`, `topology`, and, where they are
// known, `code`, `node` or `source`, `topic`, `partition`, `offset`.
std::unique_ptr<RunView> MakeLogView(CommandIo& io, const LogArgs& log, const std::string& topology);

// `text` to io.err; into a log of JSON lines goes `line` instead, which has nothing of a record.
void Tell(const LogArgs& log, const std::string& topology, const std::string& text, const std::string& line,
          CommandIo& io, const LogPlace& place = {});
void TellRestart(const LogArgs& log, const Plan& plan, const RestartOutlook& outlook, CommandIo& io);

// The end of a run for a log of JSON lines: what SummaryText and FailureText say, without anything of a record.
void LogSummary(const RunSummary& summary, RunView& view);
void LogFailure(const RunSummary& summary, const NextCommands& next, RunView& view);

}  // namespace anabranch
