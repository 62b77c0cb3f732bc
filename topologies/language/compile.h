#pragma once

#include <memory>

#include "engine/plan.h"
#include "engine/registry.h"
#include "topologies/language/check_options.h"
#include "topologies/language/graph.h"
#include "topologies/language/parse.h"
#include "topologies/language/structure.h"

namespace anabranch {

// Binds sources and nodes, decides delivery, and makes the plan; every fault that it can find goes to
// `faults`. Nodes below a faulty one are bound as far as that tells something new. The plan is only
// meaningful when no error was found; null when it could not be made.
std::shared_ptr<Plan> CompileTopology(const Topology& topology, const Graph& graph, const Broken& broken,
                                      const Registry& registry, const CheckOptions& options, FaultSink& faults);

}  // namespace anabranch
