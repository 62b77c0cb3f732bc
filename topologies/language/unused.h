#pragma once

#include "engine/fault.h"
#include "topologies/language/graph.h"
#include "topologies/language/services.h"

namespace anabranch {

// Warnings for models, schemas, connections and sources that nothing names.
void WarnUnused(const ConfigValue& root, const Graph& graph, const Services& services, FaultSink& faults);

}  // namespace anabranch
