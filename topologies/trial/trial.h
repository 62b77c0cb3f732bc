#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/cancel.h"
#include "engine/ids.h"
#include "engine/plan.h"
#include "engine/record_batch.h"
#include "engine/restart/failure.h"
#include "engine/run/run_counts.h"
#include "engine/status.h"

namespace anabranch {

// A trial runs a plan on given records in memory: `test`, `trace` and `diff` are trials. Lanes, batches, nodes,
// encoders, epochs and dead letters are those of a run. Only sources and targets are replaced, so nothing outside is
// read or changed.

using TrialHeaders = std::vector<std::pair<std::string, std::optional<std::string>>>;

// A record as its source would hand it over.
struct TrialRecord {
  StageId source;
  SourcePartition partition;  // with `offset` its identity; offsets of a partition ascend
  int64_t offset = 0;
  int64_t timestamp_ms = -1;  // event time, milliseconds since 1970; -1: none
  std::optional<std::string> key;
  std::string value;  // as the source's format has it
  TrialHeaders headers;
  // Not empty: the source could read no record from its bytes (RecordBatch::source_errors).
  std::string error_code, error_message;
};

// A row that a source handed over (engine/run/record_reader.h), as a record of a trial. It has a value.
TrialRecord MakeTrialRecord(StageId source, const RecordBatch& batch, uint32_t row);

// A row that a target was given: value and headers as its encoder wrote them.
struct TrialRow {
  size_t record = 0;  // whose row it is: index into the records of the trial
  std::optional<std::string> key, value;
  TrialHeaders headers;
  int64_t timestamp_ms = -1;
  std::string fields;  // the written fields as a JSON object; empty for dead letters and raw records
};

// What one stage did with one record.
struct TrialStep {
  Outcome outcome = Outcome::kAbsent;
  std::string code, message;           // of a record error, also where the record goes on (kMissed, kDefaulted)
  std::vector<Finding> findings = {};  // with TrialOptions::explain: NodeProgram::Explain()
};

// What became of one record on its way.
struct TrialStory {
  std::vector<TrialStep> steps;         // by StageId
  std::vector<std::string> cells;       // by ColumnId, as JSON text; empty: not made for this record
  std::optional<std::string> key = {};  // of its results: by the `key` rule of its source
};

struct TrialResult {
  // Not Ok: a stage stopped (`failure` has it), or the trial could not be made.
  Status status;
  std::optional<Failure> failure;
  std::vector<std::vector<TrialRow>> rows;  // by TargetId, in the order of commits; dead letters are the last target's
  std::vector<TrialStory> stories;          // by record; a record that a stage stopped at has no steps
  // What is known of the records of a batch that a stage stopped, by record: a stage that was not done has kAbsent.
  std::map<size_t, TrialStory> stopped;
  RunSnapshot counts;
};

// The rows of a target in the order of their records: several sources are read at once.
std::vector<const TrialRow*> RowsInOrder(const TrialResult& result, TargetId target);

struct TrialOptions {
  uint32_t batch_rows = 0;         // the most rows of a batch; 0: as the topology says
  std::optional<int64_t> wall_ms;  // what the clock on the wall shows: milliseconds since 1970
  bool cells = true;               // stories have cells
  bool explain = false;            // steps have findings
  // Nodes that run other code; their columns and types stay.
  std::map<StageId, std::shared_ptr<const NodeProgram>> nodes;
  // How many commits of a target fail before one succeeds.
  std::map<TargetId, int> failing_commits;
  // Raised to kNow: the trial ends at once, with kCancelled. Outlives the trial. Null: nothing stops it.
  const CancelToken* cancel = nullptr;
};

// The trials of one plan. Nodes are opened once, when the first trial needs them, and used again by later ones. One
// trial at a time. `plan` outlives the object.
class Trials {
 public:
  explicit Trials(const Plan& plan);
  ~Trials();
  Trials(const Trials&) = delete;
  Trials& operator=(const Trials&) = delete;

  // Blocks until every record is through. `records` of one partition are in offset order.
  TrialResult Run(std::span<const TrialRecord> records, const TrialOptions& options);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace anabranch
