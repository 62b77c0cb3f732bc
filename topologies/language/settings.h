#pragma once

#include "engine/fault.h"
#include "engine/plan.h"

namespace anabranch {

// The parts of the file that become plain numbers and words of the plan. All expect a structurally
// sound value and fall back to the defaults where there is none.

void ReadTopologySettings(const ConfigValue& root, Plan& plan, FaultSink& faults);  // batch, epoch, limits, delivery

void ReadSourceSettings(const ConfigValue& root, PlanSource& out);  // its breaker

// What `on_error` of the node, or of the file's "defaults", says of a row that fails.
RecordPolicy PolicyOf(const ConfigValue& node, const ConfigValue& root);

// The keys that every node may have; what the node leaves out comes from the file's "defaults" and "limits".
// `columns` are those that the node makes, for on_error's default values.
void ReadNodeSettings(const ConfigValue& node, const ConfigValue& root, const std::vector<VisibleColumn>& columns,
                      PlanNode& out, FaultSink& faults);

}  // namespace anabranch
