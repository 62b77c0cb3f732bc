#include "topologies/language/managed.h"

#include <string>
#include <utility>

#include "topologies/language/bandit.h"
#include "topologies/language/rollout.h"

namespace anabranch {

void BindManaged(const ConfigValue& root, const Registry& registry, const Broken& broken, Services& services,
                 Plan& plan, FaultSink& faults) {
  static const std::vector<ConfigValue> kNone;
  const ConfigValue* models = root.Find("models");
  for (const ConfigValue& model : models != nullptr ? models->children : kNone) {
    const ConfigValue* folder = broken.contains(&model) ? nullptr : model.Find("registry");
    if (folder == nullptr) continue;
    Result<std::string> resolved = services.ResolvePath(folder->text);
    if (!resolved.ok()) {
      faults.Add(FaultCode::kPath, *folder, resolved.status().message());
      continue;
    }
    PlanModel managed{model.name, std::move(resolved).value(), std::string(model.Text("start")), {}, {}, {}};
    const ConfigValue* verify = model.Find("verify");
    const ConfigValue* key = verify == nullptr ? nullptr : verify->Find("key");
    if (key != nullptr) {
      Result<std::string> file = services.ResolvePath(key->text);
      if (!file.ok()) faults.Add(FaultCode::kPath, *key, file.status().message());
      if (file.ok()) managed.key = std::move(file).value();
    }
    if (const ConfigValue* rollout = model.Find("rollout")) managed.rollout = ReadRollout(*rollout, faults);
    if (const ConfigValue* bandit = model.Find("bandit")) managed.bandit = ReadBandit(*bandit, managed, faults);
    plan.managed.push_back(std::move(managed));
  }
  CheckRewards(root, plan, faults);
  const ConfigValue* control = root.Find("control");
  if (control == nullptr || broken.contains(control)) return;
  const ConfigValue* member = ConnectorMember(*control, registry);
  if (member == nullptr) return;  // said already
  if (plan.managed.empty()) {
    faults.AddAtName(FaultCode::kUnused, *control, "\"control\" is not used: no model has a \"registry\"",
                     "remove it, or name the packages of a model");
  }
  plan.control = registry.FindConnector(member->name)->BindControl(*member, services, faults);
}

}  // namespace anabranch
