#include <algorithm>
#include <ostream>

#include "engine/models/deployment.h"
#include "engine/printable.h"
#include "topologies/commands/command.h"
#include "topologies/commands/run_session.h"
#include "topologies/operate/bandit_view.h"
#include "topologies/operate/model_session.h"

namespace anabranch {
namespace {

Result<BanditStatus> BanditToEvaluate(const Plan& plan, const std::string& state_dir, const std::string& model) {
  ASSIGN_OR_RETURN(const auto log, OpenControlLog(plan, state_dir));
  ASSIGN_OR_RETURN(const ControlState state, ReadControlState(*log));
  auto status = LastBanditOf(state, model);
  if (!status) {
    return Status(Code::kInvalid, "model \"" + model + "\" had no bandit yet, by " + log->Describe() +
                                      "; give it a \"bandit\" and run the topology");
  }
  if (!status->fault.empty()) return Status(Code::kInvalid, status->fault);
  const std::vector<ArmTotals> arms = status->totals.ByArm();
  const bool earned = std::ranges::any_of(arms, [](const ArmTotals& arm) { return arm.rewards > 0; });
  if (!earned) return Status(Code::kInvalid, "no reward of the bandit of model \"" + model + "\" came yet");
  return std::move(*status);
}

}  // namespace

int CommandModelEvaluate(const ModelEvaluateArgs& args, CommandIo& io) {
  if (!CheckInstance("model evaluate", args, io)) return kExitUsage;
  const CheckedTopology checked = CheckForCommand(args.file, args.allow_paths, io);
  if (!checked.ok()) return kExitFaulty;
  const Plan& plan = *checked.plan;
  const auto refuse = [&](const std::string& text, int code) {
    io.err << "anabranch model evaluate: " << PrintableLines(text) << "\n";
    return code;
  };
  const auto model = std::ranges::find(plan.managed, args.model, &PlanModel::name);
  if (model == plan.managed.end()) {
    return refuse(args.file + " has no model \"" + args.model + "\" with a \"registry\"", kExitUsage);
  }
  const auto status = BanditToEvaluate(plan, StateDirOf(args, plan.file, plan.name), args.model);
  if (!status.ok()) {
    const Code code = status.status().code();
    return refuse(status.status().message(), ExitCode(code == Code::kInvalid ? Code::kStage : code));
  }
  std::vector<PolicyView> views;
  const BanditPolicy policy = model->bandit == nullptr ? BanditPolicy() : model->bandit->policy;
  for (const std::string& name : args.policies.empty() ? PlainPolicies(*status) : args.policies) {
    auto view = EstimateOf(*status, policy, name);
    if (!view.ok()) return refuse(view.status().message(), kExitUsage);
    views.push_back(std::move(*view));
  }
  io.out << (args.format == "json" ? EvaluationJson(*status, views) + "\n" : EvaluationText(*status, views));
  return kExitOk;
}

}  // namespace anabranch
