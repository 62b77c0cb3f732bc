#include <ostream>

#include "engine/printable.h"
#include "topologies/commands/command.h"
#include "topologies/commands/run_session.h"
#include "topologies/commands/stop_signals.h"
#include "topologies/commands/trace_past.h"
#include "topologies/commands/trace_record.h"
#include "topologies/commands/trace_view.h"

namespace anabranch {
namespace {

int RefuseTrace(const Status& status, CommandIo& io) {
  io.err << "anabranch trace: " << status.message() << "\n";
  if (status.code() == Code::kCancelled) return kExitInterrupted;
  return status.code() == Code::kInvalid ? kExitUsage : ExitCode(status.code());
}

}  // namespace

int CommandTrace(const TraceArgs& args, CommandIo& io) {
  if (!CheckInstance("trace", args, io)) return kExitUsage;
  const CheckedTopology checked = CheckForCommand(args.file, args.allow_paths, io);
  if (!checked.ok()) return kExitFaulty;
  const Plan& plan = *checked.plan;
  CancelToken cancel;
  Result<TracedRecord> traced = Status(Code::kCancelled, "stopped");
  {
    const StopSignals signals(cancel);
    traced = FindTracedRecord(args, plan, io.registry, OptionsOf(args, plan), cancel);
  }
  if (!traced.ok()) return RefuseTrace(traced.status(), io);
  for (const std::string& warning : traced->warnings) io.err << "anabranch trace: " << Printable(warning) << "\n";
  Trials trials(plan);
  TrialOptions options;
  options.explain = true;
  const TrialResult result = trials.Run(std::span(&traced->record, 1), options);
  if (!result.status.ok() && !result.failure) return RefuseTrace(result.status, io);
  const TracePast past = CompareWithPast(plan, *traced, result);
  if (args.format == "json") {
    io.out << TraceJson(plan, *traced, result, past) << "\n";
  } else {
    io.out << TraceText(plan, *traced, result, past);
  }
  return kExitOk;
}

}  // namespace anabranch
