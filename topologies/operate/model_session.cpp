#include "topologies/operate/model_session.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "engine/models/deployment.h"
#include "engine/models/model_store.h"
#include "engine/models/package.h"
#include "engine/models/package_signature.h"
#include "engine/run/ledger.h"
#include "engine/run/run_state.h"

namespace anabranch {

Result<std::string> IdentityOfState(const Plan& plan, const std::string& state_dir) {
  std::error_code ignored;
  if (!std::filesystem::exists(std::filesystem::path(state_dir) / "ledger.db", ignored)) return plan.name;
  ASSIGN_OR_RETURN(const auto ledger, Ledger::OpenReadOnly(state_dir));
  return RunState::IdentityIn(*ledger, plan);
}

Result<std::unique_ptr<ControlLog>> OpenControlLog(const Plan& plan, const std::string& state_dir) {
  if (plan.control == nullptr) return OpenLocalControlLog(state_dir);
  ControlPlace place;
  ASSIGN_OR_RETURN(place.topology, IdentityOfState(plan, state_dir));
  for (const PlanSource& source : plan.sources) place.sources.push_back(source.program.get());
  return plan.control->Open(place);
}

Result<std::unique_ptr<ControlView>> MakeControlView(const Plan& plan, const std::string& state_dir) {
  const bool wanted = std::ranges::any_of(plan.managed, [](const PlanModel& each) { return each.bandit != nullptr; });
  if (!wanted) return std::unique_ptr<ControlView>();
  ASSIGN_OR_RETURN(auto log, OpenControlLog(plan, state_dir));
  return std::make_unique<ControlView>(std::move(log));
}

Result<GenerationRecord::Arm> FindVersion(const PlanModel& model, const std::string& version) {
  ASSIGN_OR_RETURN(const RegistryEntry found, FindInRegistry(model.registry, model.name, version));
  return GenerationRecord::Arm{found.version, found.digest};
}

std::vector<ModelAgent::Model> ManagedModelsOf(const Plan& plan) {
  std::vector<ModelAgent::Model> models;
  for (const PlanModel& model : plan.managed) {
    ModelAgent::Model each{model.name, model.registry, model.start, {}};
    each.rollout = model.rollout;
    each.bandit = model.bandit;
    for (const PlanNode& node : plan.nodes) {
      ManagedModel* managed = node.program->managed();
      if (managed == nullptr || managed->model() != model.name) continue;
      each.nodes.push_back(managed);
      each.node_names.push_back(node.id);
      each.in_place = managed->in_place();
    }
    if (!each.nodes.empty()) models.push_back(std::move(each));
  }
  return models;
}

std::function<Result<std::string>(const ModelAgent::Model&, const std::string& digest)> PackageFinder(
    const Plan& plan, const std::string& state_dir) {
  std::map<std::string, std::string> keys;
  for (const PlanModel& model : plan.managed) keys[model.name] = model.key;
  return [state_dir, keys](const ModelAgent::Model& model, const std::string& digest) -> Result<std::string> {
    ASSIGN_OR_RETURN(const auto package, ModelStore(state_dir).Find(digest, model.registry));
    const std::string& key = keys.at(model.name);
    if (!key.empty()) RETURN_IF_ERROR(VerifyPackageSignature(*package, key));
    return package->folder;
  };
}

std::vector<std::string> GateArguments(const Plan& plan, const PlanModel& model,
                                       const std::vector<std::string>& allow_paths) {
  std::vector<std::string> words = {"--for", plan.file};
  for (const std::string& path : allow_paths) words.insert(words.end(), {"--allow-path", path});
  if (!model.key.empty()) words.insert(words.end(), {"--key", model.key});
  return words;
}

Result<std::unique_ptr<ModelAgent>> MakeModelAgent(const Plan& plan, const RunOptions& options, ModelGates gates,
                                                   std::function<void(const std::string&)> warn) {
  if (plan.managed.empty()) return std::unique_ptr<ModelAgent>();
  ModelAgent::Parts parts;
  parts.instance = options.instance;
  parts.host = CommandEntry(ControlEntry::Kind::kReady).host;
  parts.models = ManagedModelsOf(plan);
  if (parts.models.empty()) return std::unique_ptr<ModelAgent>();
  ASSIGN_OR_RETURN(parts.log, OpenControlLog(plan, options.state_dir));
  parts.find = PackageFinder(plan, options.state_dir);
  if (options.start != RunStart::kReplay) {
    parts.keep = [state_dir = options.state_dir](const std::vector<std::string>& digests) {
      return ModelStore(state_dir).Keep(digests);
    };
    parts.loads_file = options.state_dir + "/loading";
  }
  parts.start = [](const ModelAgent::Model& model) {
    return FindVersion({model.name, model.registry, model.start, {}, {}, {}}, model.start);
  };
  parts.first_gates = std::move(gates.first);
  parts.gates = std::move(gates.each);
  parts.warn = std::move(warn);
  parts.reads_only = options.start == RunStart::kReplay;
  return std::make_unique<ModelAgent>(std::move(parts));
}

}  // namespace anabranch
