#include <algorithm>
#include <ostream>

#include "engine/models/deployment.h"
#include "engine/printable.h"
#include "topologies/commands/command.h"
#include "topologies/commands/run_session.h"
#include "topologies/operate/compare_view.h"
#include "topologies/operate/model_session.h"

namespace anabranch {

int CommandModelCompare(const ModelCompareArgs& args, CommandIo& io) {
  if (!CheckInstance("model compare", args, io)) return kExitUsage;
  const CheckedTopology checked = CheckForCommand(args.file, args.allow_paths, io);
  if (!checked.ok()) return kExitFaulty;
  const Plan& plan = *checked.plan;
  const auto refuse = [&](const std::string& text, int code) {
    io.err << "anabranch model compare: " << PrintableLines(text) << "\n";
    return code;
  };
  std::vector<std::string> known;
  for (const PlanModel& each : plan.managed) known.push_back(each.name);
  if (!std::ranges::count(known, args.model)) {
    return refuse(args.file + " has no model \"" + args.model + "\" with a \"registry\"; " +
                      (known.empty() ? "its models are files" : Suggest(args.model, known)),
                  kExitUsage);
  }
  const auto log = OpenControlLog(plan, StateDirOf(args, plan.file, plan.name));
  if (!log.ok()) return refuse(log.status().message(), ExitCode(log.status().code()));
  const auto state = ReadControlState(**log);
  if (!state.ok()) return refuse(state.status().message(), ExitCode(state.status().code()));
  const auto comparison = ComparisonIn(*state, args.model, args.generation);
  if (!comparison.ok()) return refuse(comparison.status().message(), ExitCode(Code::kStage));
  CompareChoice choice{.segment = {}, .by_segment = args.by_segment};
  if (args.one_segment) choice.segment = args.segment;
  const CompareMask mask = args.reveal ? CompareMask{} : OpenIn(plan);
  if (args.format == "json") {
    io.out << CompareJson(*comparison, choice, mask) << "\n";
  } else {
    io.out << CompareText(*comparison, choice, mask);
  }
  return kExitOk;
}

}  // namespace anabranch
