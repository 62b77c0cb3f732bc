#pragma once

#include "engine/plan.h"
#include "engine/registry.h"
#include "topologies/language/services.h"
#include "topologies/language/structure.h"

namespace anabranch {

// The models whose versions are packages, and where the instances agree on them: Plan::managed and Plan::control.
void BindManaged(const ConfigValue& root, const Registry& registry, const Broken& broken, Services& services,
                 Plan& plan, FaultSink& faults);

}  // namespace anabranch
