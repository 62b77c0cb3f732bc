#pragma once

#include <string>

#include "engine/plan.h"
#include "topologies/commands/trace_past.h"
#include "topologies/commands/trace_record.h"
#include "topologies/trial/trial.h"

namespace anabranch {

// A trace of one record, for people: the record and its past, then stage by stage the outcome, rules, columns and rows.
// Long values are cut; every text from outside is printable.
std::string TraceText(const Plan& plan, const TracedRecord& traced, const TrialResult& result, const TracePast& past);
// The same as one JSON object, values whole: {"id", "source", "topology", "models", "key", "timestamp", "headers",
// "value", "copy", "letters", "past", "stages": [{"name", "kind", "outcome", "code", "message", "when", "facts",
// "findings", "columns", "rows"}], "dead_letters", "stopped"}.
std::string TraceJson(const Plan& plan, const TracedRecord& traced, const TrialResult& result, const TracePast& past);

}  // namespace anabranch
