#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/models/control_log.h"
#include "engine/models/control_view.h"
#include "engine/models/model_agent.h"
#include "engine/plan.h"
#include "engine/run/run_options.h"

namespace anabranch {

// Where the generations of the plan's models stand: where the file says, or in the state folder.
Result<std::unique_ptr<ControlLog>> OpenControlLog(const Plan& plan, const std::string& state_dir);

// The name under which the groups of the sources and the progress of the targets are.
Result<std::string> IdentityOfState(const Plan& plan, const std::string& state_dir);

// The control log for targets that are bandits. Null: the plan has none.
Result<std::unique_ptr<ControlView>> MakeControlView(const Plan& plan, const std::string& state_dir);

// The version of a registry, by the name that it has there. kInvalid: there is none, or two; the text names those that
// are there.
Result<GenerationRecord::Arm> FindVersion(const PlanModel& model, const std::string& version);

// The managed models of the plan that a node uses.
std::vector<ModelAgent::Model> ManagedModelsOf(const Plan& plan);

// Where the package of a version is, by its digest: in the state folder, or in the registry of the model. Signatures
// are asked for where the plan names a key.
std::function<Result<std::string>(const ModelAgent::Model&, const std::string& digest)> PackageFinder(
    const Plan& plan, const std::string& state_dir);

// The arguments of `model check` with which a version of `model` is put through its gates for the topology.
std::vector<std::string> GateArguments(const Plan& plan, const PlanModel& model,
                                       const std::vector<std::string>& allow_paths);

// ModelAgent::Parts has what they are.
struct ModelGates {
  decltype(ModelAgent::Parts::first_gates) first;
  decltype(ModelAgent::Parts::gates) each;
};

// The agent of one run of the plan. Null: its models are files. A replay reads along, and changes nothing.
Result<std::unique_ptr<ModelAgent>> MakeModelAgent(const Plan& plan, const RunOptions& options, ModelGates gates,
                                                   std::function<void(const std::string&)> warn);

}  // namespace anabranch
