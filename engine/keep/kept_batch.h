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
// above them: rows (position, key, headers, timestamp, raw bytes), outcome and errors of every finished stage, the
// columns that unfinished stages read, the encoded rows of finished targets. By names, not ids: the plan that reads it
// may be another one. An *outputs* frame holds encoded rows only: its batch had left its stages when its commit failed.
//
// What can be known without the rows.
struct KeptHeader {
  struct Range {
    SourcePartition partition;
    int64_t first = 0, next = 0;  // source offsets that the batch completes
  };
  struct Stage {
    std::string id;
    std::string closure;  // fingerprint of it and everything above, when it ran
    uint32_t rows_out = 0;
    uint64_t bytes = 0;  // of its columns (a persist node: its encoded rows), as kept
  };
  struct Column {
    std::string name;
    std::string maker;  // stage id
    std::string type;   // Type::ToString()
  };
  uint16_t version = 0;   // of the format, as it was read
  std::string topology;   // name@hash
  std::string source;     // id
  uint64_t sequence = 0;  // of the batch in its lane's run: a later frame of the same batch stands for the earlier
  bool outputs = false;
  uint32_t rows = 0;
  std::vector<Range> ranges;
  std::vector<Stage> done;  // stages whose results are inside
  std::vector<Column> columns;
};

// Writes the batch at the cut below `done` (by StageId: true = finished, and not to run again). Reads only what
// finished stages wrote: safe while another thread is stuck in an unfinished one.
std::string WriteKeptBatch(const Plan& plan, const RecordBatch& batch, const std::vector<bool>& done);

// The same for `count` rows from `first` on, as a batch of their own: parts that follow each other complete, together,
// exactly the batch's positions.
std::string WriteKeptPart(const Plan& plan, const RecordBatch& batch, const std::vector<bool>& done, uint32_t first,
                          uint32_t count);

// The same for one row, without encoded rows: what travels with a dead letter. Nor does it hold the record's value and
// headers, which the letter has, or ranges, since it completes nothing: who restores it sets them.
std::string WriteKeptRow(const Plan& plan, const RecordBatch& batch, const std::vector<bool>& done, uint32_t row);

// An outputs frame of an epoch's batch: `batch` as its lane encoded it.
std::string WriteKeptOutputs(const Plan& plan, const SourceTable& partitions, StageId source, const EncodedBatch& batch,
                             int64_t rows);

// kInvalid: not a frame, damaged, or a newer version. A frame's beginning is enough when the header is inside.
Result<KeptHeader> ReadKeptHeader(std::string_view frame);

// How a frame is taken up by a plan.
struct RestoreRules {
  // Stages of the plan whose kept results are used → the id they were kept under (another one after "was").
  // A stage that is not here runs (again). Without the source's own id nothing is reused: the raw records are decoded
  // anew.
  std::map<std::string, std::string> reuse;
  // Rows of this stage that are still to run fail there instead, as dead letters ("given_up"): the operator gave up.
  std::string give_up;
  // Rows below these offsets are durable already and are left out; a partition that is not named is left out whole.
  // Unset: every row is taken up. For an entry that KeptStore::Claim gave: NextOf(entry.header).
  std::function<std::optional<int64_t>(const SourcePartition&)> next;
};

// Takes up exactly the rows of the header's ranges: what Claim cut them to.
std::function<std::optional<int64_t>(const SourcePartition&)> NextOf(const KeptHeader& header);

// Bytes from outside (a dead letter) are as safe as our own: every length and reference is checked.
// Fills a cleared batch: restored stages are `done` and `reused`; batch.positions cover what is left of the frame.
// The batch keeps `frame` alive. An outputs frame gives a batch with `complete` set and `encoded` filled, whatever is
// reused, as long as the source is; every target of the plan must have its rows there (by id, or by "was").
// Not Ok: clear the batch.
// kInvalid names the stage and column that the plan needs and the frame has not, or has with another type.
Status RestoreKeptBatch(const Plan& plan, std::shared_ptr<const std::string> frame, const RestoreRules& rules,
                        SourceTable& partitions, RecordBatch* batch);

}  // namespace anabranch
