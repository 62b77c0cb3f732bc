#pragma once

#include <functional>
#include <memory>
#include <optional>
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

// Records that are run together.
struct DiffPart {
  std::vector<TrialRecord> records;  // of the first plan's sources
  std::optional<int64_t> wall_ms;    // what the clock on the wall shows for them; none: the present
};

// The records that `--on` names.
class DiffRecords {
 public:
  using Visit = std::function<Status(DiffPart& part)>;
  virtual ~DiffRecords() = default;
  // For people: "kafka topic payments".
  virtual std::string what() const = 0;
  // What a reader of the result must know.
  virtual std::vector<std::string> notes() const { return {}; }
  // Hands over all parts; stops at the first status that is not Ok. kCancelled when `cancel` is raised.
  virtual Status ForEachPart(CancelToken& cancel, const Visit& visit) = 0;
};

// The records of a source, read by position without a group, or those of a file in the form of a source. A file becomes
// the source of both plans; each decodes with its own format, schema and key. kInvalid with a text for the user.
Result<std::unique_ptr<DiffRecords>> OpenSourceRecords(const DiffArgs& args, const Registry& registry, DiffSide* before,
                                                       DiffSide* after);

// The records that the test cases of `file` give: a topology, or a *.tests.json. Null after faults, which are written
// to io.err.
std::unique_ptr<DiffRecords> OpenTestRecords(const std::string& file, const DiffArgs& args, const DiffSide& before,
                                             CommandIo& io);

}  // namespace anabranch
