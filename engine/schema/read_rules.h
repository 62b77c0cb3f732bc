#pragma once

#include <string>

#include "engine/config.h"
#include "engine/fault.h"
#include "engine/schema/field_rules.h"

namespace anabranch {

// Reads the constraints of one scalar schema whose keywords were checked (CheckKeywords); `kind` is the value's.
// Limits that no value can meet are faults.
FieldRules ReadRules(const ConfigValue& schema, Kind kind, FaultSink& faults);

// minItems and maxItems.
void ReadItemCounts(const ConfigValue& schema, FieldRules* rules, FaultSink& faults);

}  // namespace anabranch
