#pragma once

#include "nodes/infer/program.h"

namespace anabranch {

// The parts of BindInfer, one per file. Each reports all faults it finds and returns false when there was one.

// `features` → the model's inputs (bind_inputs.cpp).
bool BindInputs(BindContext& context, const ConfigValue& features, InferPlan* plan);
// Warns of optional record fields among the features: each record without such a field would fail.
void WarnOptionalFields(BindContext& context, const ConfigValue& features, const InferPlan& plan);
// Marks `features` as read although there is no model to check them against.
void NoteFeatures(BindContext& context, const ConfigValue& features);

// `outputs` → the columns made (bind_outputs.cpp). The columns are made even without a model or with a faulty
// reference, so that readers below cause no second fault.
bool BindOutputs(BindContext& context, const ConfigValue& outputs, InferPlan* plan);

}  // namespace anabranch
