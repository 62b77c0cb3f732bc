#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/plan.h"
#include "topologies/commands/trace_record.h"
#include "topologies/trial/trial.h"

namespace anabranch {

// A field of a result that is not what it was. JSON texts; none: the field was, or is, not there.
struct ChangedField {
  std::string name;
  std::optional<std::string> then, now;
};

// What the record's result or dead letter says about the run that wrote it, beside what this topology makes of it.
struct TracePast {
  bool known = false;            // a result or a letter says which topology it was
  bool same_topology = true;     // name@hash
  bool same_models = true;       // each model that is named is one of this topology, in the same version
  std::string topology, models;  // of then
  // With a result.
  enum class Value { kNotCompared, kSameBytes, kChanged, kGone } value = Value::kNotCompared;
  std::vector<ChangedField> changed;  // empty with kChanged: the bytes differ, and they are no JSON objects
  bool same_key = true;
};

// `result`: of the trial of this one record.
TracePast CompareWithPast(const Plan& plan, const TracedRecord& traced, const TrialResult& result);

}  // namespace anabranch
