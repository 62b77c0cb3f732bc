#pragma once

#include <memory>

#include "engine/rollout_spec.h"
#include "engine/scope.h"
#include "engine/spec.h"
#include "topologies/language/bind_context.h"

namespace anabranch {

// `models.NAME.rollout`: how a new version of a managed model comes to score all rows.

Shape RolloutShape();

// `rollout` has that shape. Null where it has a fault.
std::shared_ptr<const RolloutSpec> ReadRollout(const ConfigValue& rollout, FaultSink& faults);

// The node, which belongs to the managed model `model`, reads the column whose values the rollout counts apart.
void BindSegment(const ConfigValue& root, const std::string& model, NodeBinding& binding, FaultSink& faults);

}  // namespace anabranch
