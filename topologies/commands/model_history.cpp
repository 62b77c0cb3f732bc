#include <algorithm>
#include <ostream>

#include "engine/models/deployment.h"
#include "engine/printable.h"
#include "topologies/commands/command.h"
#include "topologies/commands/run_session.h"
#include "topologies/operate/model_events.h"
#include "topologies/operate/model_session.h"
#include "topologies/operate/start_view.h"

namespace anabranch {

int CommandModelHistory(const ModelChangeArgs& args, CommandIo& io) {
  if (!CheckInstance("model history", args, io)) return kExitUsage;
  const CheckedTopology checked = CheckForCommand(args.file, args.allow_paths, io);
  if (!checked.ok()) return kExitFaulty;
  const Plan& plan = *checked.plan;
  const auto refuse = [&](const Status& status) {
    io.err << "anabranch model history: " << PrintableLines(status.message()) << "\n";
    return ExitCode(status.code());
  };
  const bool known = args.model.empty() || std::ranges::count(plan.managed, args.model, &PlanModel::name) > 0;
  if (!known || plan.managed.empty()) {
    io.err << "anabranch model history: " << args.file << " has no model"
           << (args.model.empty() ? "" : " \"" + Printable(args.model) + "\"") << " with a \"registry\"\n";
    return kExitUsage;
  }
  const auto log = OpenControlLog(plan, StateDirOf(args, plan.file, plan.name));
  if (!log.ok()) return refuse(log.status());
  const auto state = ReadControlState(**log);
  if (!state.ok()) return refuse(state.status());
  const std::vector<ModelEvent> events = ModelEvents(*state, args.model);
  if (args.format == "json") {
    io.out << ModelEventsJson(events) << "\n";
  } else {
    io.out << (events.empty() ? "nothing was run or deployed yet\n" : ModelEventsText(events));
    for (const PlanModel& model : plan.managed) {
      const auto difference =
          args.model.empty() || args.model == model.name ? StartDifferenceOf(*state, model) : std::nullopt;
      if (difference) io.out << "\nmodel " << model.name << ": " << difference->text << "\n";
    }
  }
  return kExitOk;
}

}  // namespace anabranch
