#pragma once

#include <string>
#include <vector>

#include "engine/plan.h"
#include "engine/registry.h"
#include "topologies/language/services.h"
#include "topologies/language/structure.h"

namespace anabranch {

// Binds the dead letters as the last target, refuses targets that are used twice, and settles what is
// delivered: what the file asks for, or the best that every target can give. `entries` are the nodes'
// objects, in plan order.
void DecideDelivery(const ConfigValue& root, const Registry& registry, const Broken& broken, Services& services,
                    const std::vector<const ConfigValue*>& entries, Plan& plan, FaultSink& faults);

// Why one target cannot be exactly once; empty when it can. `node` null = the dead letters.
std::string WhyNotExactlyOnce(const Plan& plan, const PlanTarget& target, const PlanNode* node);
// Why a target cannot be so together with those before it; empty when it can.
std::string WhyNotTogether(const Plan& plan, size_t target);

}  // namespace anabranch
