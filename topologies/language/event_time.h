#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/fault.h"
#include "engine/plan.h"
#include "engine/scope.h"
#include "engine/spec.h"
#include "topologies/language/columns.h"

namespace anabranch {

// The keys of a source's `time`.
std::vector<FieldSpec> EventTimeFields();

// Reads a source's `time`, whose structure was checked; what is misshapen is passed over. `scope` has the source's
// fields; `complete`: all of them, so that a name it does not have is a fault. The field is noted as read. Faults name
// the place and the cure; nothing is returned then.
std::optional<TimeRule> BindEventTime(const ConfigValue& time, const std::string& source_id, const Scope& scope,
                                      bool complete, ColumnTable& columns, FaultSink& faults);

}  // namespace anabranch
