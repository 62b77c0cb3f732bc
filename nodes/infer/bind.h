#pragma once

#include "nodes/infer/program.h"

namespace anabranch {

// The parts of BindInfer, one per file. Each reports all faults it finds and returns false when there was one.

// `features` → the model's inputs (bind_inputs.cpp).
bool BindInputs(BindContext& context, const ConfigValue& features, InferPlan* plan);
// Warns of optional fields of the records among the features: each record without one would fail.
void WarnOptionalFields(BindContext& context, const ConfigValue& features, const InferPlan& plan);
// `features` noted as read although there is no model to judge them by.
void NoteFeatures(BindContext& context, const ConfigValue& features);

// `outputs` → the columns made (bind_outputs.cpp). Without a model, or where a reference is faulty, the columns are
// made all the same, so that a reader below gets no second fault.
bool BindOutputs(BindContext& context, const ConfigValue& outputs, InferPlan* plan);

}  // namespace anabranch
