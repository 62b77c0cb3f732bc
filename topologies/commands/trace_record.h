#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/cancel.h"
#include "engine/plan.h"
#include "engine/registry.h"
#include "engine/run/run_options.h"
#include "topologies/commands/command.h"
#include "topologies/trial/trial.h"

namespace anabranch {

// A waiting dead letter of the record, as its headers say. Texts come from outside.
struct TracedLetter {
  std::string node, kind, code, message, attempts, failed_at;
  std::string topology, models;  // of the run that wrote it: name@hash; all models of that topology
};

// A result that the record had in an earlier run, as it lies in its target.
struct TracedResult {
  std::string place;  // topic/partition/offset
  std::string node;   // that wrote it; empty: it does not say
  std::string topology, models;
  std::optional<std::string> key, value;
};

// The record of a trace, and what is known of its past.
struct TracedRecord {
  TrialRecord record;
  std::vector<TracedLetter> letters;
  std::optional<TracedResult> result;
  std::string note;                   // why the copy in a dead letter was taken; empty: its source gave it
  std::vector<std::string> warnings;  // what could not be looked at
};

// Finds what `args` name: reads sources, dead letters and results by position. Joins no group and stores nothing.
// kInvalid: the arguments name no record. kStage: the record is not there. Texts say what is, and what to type.
Result<TracedRecord> FindTracedRecord(const TraceArgs& args, const Plan& plan, const Registry& registry,
                                      const RunOptions& options, CancelToken& cancel);

}  // namespace anabranch
