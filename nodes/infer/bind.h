#pragma once

#include "nodes/infer/program.h"

namespace anabranch {

// The parts of BindInfer, one per file. Each reports all faults it finds and returns false when there was one.

// The model that the node names: fills in the plan's model, its label and limits, and its package (find_model.cpp).
// Faults point to the topology's reference to it.
bool FindModel(BindContext& context, ModelCache& models, InferPlan* plan);
// Where the model of a package lies.
std::string ModelPathOf(const ModelPackage& package);
// Fills in package, model and label of a plan. kInvalid: the model may not be used there. kUnavailable: its bytes are
// not those of the package, which was verified before.
Status TakePackage(std::shared_ptr<const ModelPackage> package, std::shared_ptr<const ModelFile> file, InferPlan* plan);

// The feature of this name that the plan's package makes, compiled (own_features.cpp). Faults point to `at`.
struct OwnFound {
  bool known = false;  // the package makes it
  int own = -1;        // index into InferPlan::own; -1: its expression is faulty
};
OwnFound FindOwnFeature(BindContext& context, const ConfigValue& at, const std::string& name, InferPlan* plan);

// `features` → the model's inputs (bind_inputs.cpp).
bool BindInputs(BindContext& context, const ConfigValue& features, InferPlan* plan);
// Warns of optional record fields among the features: each record without such a field would fail.
void WarnOptionalFields(BindContext& context, const ConfigValue& features, const InferPlan& plan);
// Marks `features` as read although there is no model to check them against.
void NoteFeatures(BindContext& context, const ConfigValue& features);

// `outputs` → the columns made (bind_outputs.cpp). The columns are made even without a model or with a faulty
// reference, so that readers below cause no second fault. `serving`: the version that the columns were made for, whose
// classes this one must have; or null.
bool BindOutputs(BindContext& context, const ConfigValue& outputs, const InferPlan* serving, InferPlan* plan);

}  // namespace anabranch
