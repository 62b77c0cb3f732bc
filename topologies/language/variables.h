#pragma once

#include <string>

#include "engine/fault.h"
#include "topologies/language/check_options.h"
#include "topologies/language/parse.h"

namespace anabranch {

// Expands ${VAR}, ${VAR:-default}, ${VAR:?message}, ${file:path} and $${ inside string values, in
// place, and marks secrets. Annotations are left alone. A variable without a value is a fault at its
// place. Values keep their kind: CheckShape turns expanded text into numbers where those are wanted.
void ExpandVariables(Topology& topology, const CheckOptions& options, FaultSink& faults);

}  // namespace anabranch
