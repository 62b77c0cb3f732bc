#pragma once

#include <memory>
#include <string>

#include "engine/plan.h"
#include "engine/run/run_counts.h"
#include "engine/run/run_summary.h"
#include "topologies/commands/command.h"

namespace anabranch {

// What a line of the log is about. Empty: not known.
struct LogPlace {
  std::string code;
  std::string node;     // id of a stage
  bool source = false;  // which is a source
  std::string record;   // topic/partition/offset
};

// Shows a run on io.err: on a terminal one repainted line per node, otherwise one log line
// per interval. Tick is called each second from one thread, Warn from any; thread-safe.
class RunView {
 public:
  virtual ~RunView() = default;
  virtual void Tick(const RunSnapshot& snapshot) = 0;
  virtual void Warn(const std::string& line) = 0;  // one that comes again and again is said once a minute
  virtual void Note(const std::string& line, const LogPlace& place) = 0;
  virtual void Error(const std::string& line, const LogPlace& place) = 0;
};

std::unique_ptr<RunView> MakeRunView(CommandIo& io, const LogArgs& log, const std::string& topology);

// The table at the end: rows per node, why rows failed, records per second, where the outputs are.
std::string SummaryText(const Plan& plan, const RunSummary& summary, const std::string& state_dir);

}  // namespace anabranch
