#include "engine/models/pinned_models.h"

#include <utility>

namespace anabranch {
namespace {

// Of two versions under way the one that serves.
GenerationRecord ServingOf(GenerationRecord record) {
  if (record.rule != ArmRule::kShadow && record.rule != ArmRule::kCanary) return record;
  record.rule = ArmRule::kOne;
  record.arms.resize(1);
  record.share = 0;
  return record;
}

}  // namespace

Result<PinnedModels::Pin> PinnedModels::PinIn(const ControlState& state, const std::vector<ModelAgent::Model>& models,
                                              uint32_t number) {
  Pin pin{.number = number, .check = state.Check(number), .records = {}, .numbers = {}};
  for (const ModelAgent::Model& model : models) {
    const ControlState::Generation* const found = state.Newest(model.name, number);
    if (found == nullptr) {
      return Status(Code::kInvalid, "model \"" + model.name + "\" has no version that scores as of generation " +
                                        std::to_string(number) + "; run the topology once");
    }
    pin.records[model.name] = ServingOf(found->record());
    pin.numbers[model.name] = found->number;
  }
  return pin;
}

Status PinnedModels::Load(
    const std::vector<ModelAgent::Model>& models,
    const std::function<Result<std::string>(const ModelAgent::Model&, const std::string& digest)>& find) const {
  for (const ModelAgent::Model& model : models) {
    const GenerationRecord& record = pin_.records.at(model.name);
    for (const GenerationRecord::Arm& arm : record.arms) {
      const std::string label = "model \"" + model.name + "\", version " + arm.version;
      const auto folder = find(model, arm.digest);
      if (!folder.ok()) return folder.status().WithContext(label);
      for (ManagedModel* node : model.nodes) {
        RETURN_IF_ERROR(node->Prepare({model.name, arm.version, arm.digest, *folder}).WithContext(label));
      }
    }
    for (ManagedModel* node : model.nodes) node->Add(GenerationId(pin_.numbers.at(model.name)), record);
  }
  return Status::Ok();
}

// 0 stands before what this run committed.
Status PinnedModels::Require(int /*lane*/, std::span<const CommittedGeneration> generations,
                             const CancelToken& /*cancel*/) {
  for (const CommittedGeneration& each : generations) {
    const bool same = each.generation == pin_.number && (each.check == 0 || each.check == pin_.check);
    if (each.generation == 0 || same) continue;
    return {Code::kUnavailable, "partition " + each.partition.topic + "/" + std::to_string(each.partition.partition) +
                                    " was scored again up to here with generation " +
                                    std::to_string(uint32_t{each.generation}) + ", and this run began with " +
                                    std::to_string(pin_.number) +
                                    ": the control log was lost or is another one; bring it back, or write to "
                                    "another target"};
  }
  return Status::Ok();
}

}  // namespace anabranch
