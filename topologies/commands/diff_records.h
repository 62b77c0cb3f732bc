#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/cancel.h"
#include "engine/plan.h"
#include "engine/registry.h"
#include "engine/status.h"
#include "topologies/commands/command.h"
#include "topologies/trial/trial.h"

namespace anabranch {

// One of the two versions that `diff` compares.
struct DiffSide {
  std::string name;  // for messages: the file, and what --set changed
  CheckedTopology checked;
  Plan plan;  // the checked one; its source may read the records from elsewhere
};

// The records that `--on` names: those of a source, read by position without a group, or those of a file in the form of
// that source.
struct DiffRecords {
  std::shared_ptr<const SourceProgram> reader;
  StageId before, after;            // the source in the two plans
  bool of_source = false;           // what the source reads itself, not a file named for this
  std::string what;                 // for people: "kafka topic payments"
  std::vector<std::string> notes;   // what a reader of the result must know
};

// Finds out what `args.on` names. A file becomes the source of both plans; each plan decodes with its own format, schema
// and key. kInvalid with a text for the user.
Result<DiffRecords> OpenDiffRecords(const DiffArgs& args, const Registry& registry, DiffSide* before, DiffSide* after);

// Hands the records over in parts: the newest `last` ones, or with 0 all. Stops at the first status that is not Ok.
// kCancelled after a signal; kInvalid where there are more than kMostDiffRecords.
Status ForEachPart(const DiffRecords& records, int64_t last, const std::string& topology, CancelToken& cancel,
                   const std::function<Status(std::vector<TrialRecord>&)>& visit);

}  // namespace anabranch
