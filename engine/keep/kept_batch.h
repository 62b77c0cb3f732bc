#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/plan.h"
#include "engine/record_batch.h"
#include "engine/status.h"

namespace anabranch {

// One kept frame: a batch at a cut through the plan. It holds what the stages that have not run need, and nothing
// above them: rows (position, key, headers, timestamp, event time, raw bytes), outcome and errors of every finished
// stage, the columns that unfinished stages read, the encoded rows of finished targets. It uses names, not ids, because
// another plan may read it. An *outputs* frame holds encoded rows only: its batch had left its stages when its commit
// failed. Without rows it names no stage: it holds positions only.
//
// The header holds everything that can be known without the rows.
struct KeptHeader {
  struct Range {
    SourcePartition partition;
    int64_t first = 0, next = 0;  // source offsets that the batch completes
    Scoring scoring = {};         // of these rows, as it was when they were kept
  };
  struct Stage {
    std::string id;
    std::string closure;  // fingerprint of it and everything above, when it ran
    uint32_t rows_out = 0;
    uint64_t bytes = 0;  // of its columns, as kept; for a node that writes rows, of its encoded rows
    std::vector<std::string> versions = {};  // of its model that made them ("gbt@7"); empty: the plan's
  };
  struct Column {
    std::string name;
    std::string maker;  // stage id
    std::string type;   // Type::ToString()
  };
  uint16_t version = 0;   // of the format
  std::string topology;   // name@hash
  std::string source;     // id
  uint64_t sequence = 0;  // of the batch in its lane's run: a later frame of the same batch replaces an earlier one
  bool outputs = false;
  uint32_t rows = 0;
  std::vector<Range> ranges;
  std::vector<Stage> done;  // stages whose results are inside
  std::vector<Column> columns;

  // Positions that no row belongs to: nothing was made, so nothing can be missing.
  bool positions_only() const { return outputs && done.empty(); }
};

// Whether rows that were kept under `id` are of this node. "was" stays in the file after a rename, so both count.
inline bool IsKeptAs(const PlanNode& node, std::string_view id) {
  return node.id == id || (!node.was.empty() && node.was == id);
}

// Writes the batch at the cut below `done` (by StageId: true = finished, and not to run again). Reads only what
// finished stages wrote: safe while another thread is stuck in an unfinished one.
std::string WriteKeptBatch(const Plan& plan, const RecordBatch& batch, const std::vector<bool>& done);

// The same for `count` rows from `first` on, as a batch of their own. Consecutive parts together complete exactly the
// batch's positions.
std::string WriteKeptPart(const Plan& plan, const RecordBatch& batch, const std::vector<bool>& done, uint32_t first,
                          uint32_t count);

// The same for one row, to be stored with a dead letter. It has no encoded rows, no value and headers (the letter has
// them), and no ranges, because it completes nothing. The reader sets value, headers and ranges.
std::string WriteKeptRow(const Plan& plan, const RecordBatch& batch, const std::vector<bool>& done, uint32_t row);

// An outputs frame of an epoch's batch: `batch` as its lane encoded it.
std::string WriteKeptOutputs(const Plan& plan, const SourceTable& partitions, StageId source, const EncodedBatch& batch,
                             int64_t rows);

// kInvalid: not a frame, damaged, or a newer version. A frame's beginning is enough when the header is inside.
Result<KeptHeader> ReadKeptHeader(std::string_view frame);

// How a plan restores a frame.
struct RestoreRules {
  // Stages of the plan whose kept results are used → the id they were kept under (another one after "was").
  // A stage that is not here runs again. Without the source's own id nothing is reused: the raw records are decoded
  // again.
  std::map<std::string, std::string> reuse;
  // Rows that have not passed this stage fail there as dead letters ("given_up"), because the operator skipped them.
  std::string give_up;
  // Rows below these offsets are durable already and are skipped. A partition that is not named is skipped completely.
  // Unset: every row is restored. For an entry from KeptStore::Claim: NextOf(entry.header).
  std::function<std::optional<int64_t>(const SourcePartition&)> next;
};

// Restores exactly the rows in the header's ranges, as Claim cut them.
std::function<std::optional<int64_t>(const SourcePartition&)> NextOf(const KeptHeader& header);

// Untrusted bytes (a dead letter) are safe: every length and reference is checked.
// Fills a cleared batch: restored stages are `done` and `reused`, and batch.positions cover the rows that remain of the
// frame. The batch keeps `frame` alive. An outputs frame gives a batch with `complete` set and `encoded` filled,
// whatever else is reused, if its source is. Every target of the plan must have its rows in it (by id, or by "was").
// After an error, clear the batch.
// kInvalid names the stage and column that the plan needs and the frame lacks, or has with another type.
Status RestoreKeptBatch(const Plan& plan, std::shared_ptr<const std::string> frame, const RestoreRules& rules,
                        SourceTable& partitions, RecordBatch* batch);

}  // namespace anabranch
