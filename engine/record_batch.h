#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/column.h"
#include "engine/encoded.h"
#include "engine/ids.h"

namespace anabranch {

// How a row left a stage. This is data: visible downstream and in results. Kept frames store the numbers: a new
// outcome takes the next one.
enum class Outcome : uint8_t {
  kOk = 0,
  kSkipped,    // `when` was not true: the stage's columns are null, the row goes on
  kFiltered,   // `where` was not true: the row left the stream here, counted
  kFailed,     // a record error: the row is dead-lettered (or dropped by policy) here
  kTimedOut,   // as kFailed, because the stage's time ran out
  kAbsent,     // the row never reached this stage: it left the stream above
  kMissed,     // a record error under "on_error": "null": the stage's columns are null, the row goes on
  kDefaulted,  // a record error under "on_error": {"default": …}: the columns hold the defaults, the row goes on
};
inline constexpr size_t kOutcomes = 8;
const char* NameOf(Outcome outcome);  // "ok", "timed_out", …

// The row goes on to the readers of the stage.
inline bool Passed(Outcome outcome) { return outcome <= Outcome::kSkipped || outcome >= Outcome::kMissed; }

// In place of a time in microseconds since 1970: there is none.
inline constexpr int64_t kNoTime = INT64_MIN;

struct ArmScores;  // engine/arm_scores.h

// Why one row failed in one stage. `code` is a stable word, set where the row fails: by decoders and key rules ("json",
// "utf8", "depth", "key", "duplicate_key", "csv", …), by nodes ("schema", "rule", "expression", "model",
// "null_feature", "non_finite", "quorum", …), or by the engine ("timeout", "too_large", "given_up",
// "refused_by_target", …).
struct RowError {
  uint32_t row = 0;
  std::string code;
  std::string message;
};

struct RowHeader {
  std::string_view name;
  std::string_view value;
};

// The state of one stage for one batch. Written by that stage (or the executor on its behalf) only.
struct StageRows {
  std::vector<Outcome> outcome;  // one per row
  std::vector<uint8_t> active;   // 1 = the stage works on the row
  uint32_t active_count = 0;     // active_count == rows: every row is active
  std::vector<RowError> errors;  // in row order, at most one per row; also of rows that went on (missed, defaulted)
  uint64_t busy_ns = 0;          // time spent in this stage for this batch
  struct ModelCall {
    uint32_t rows = 0;
    int64_t ns = 0;
  };
  std::vector<ModelCall> calls;  // of the node's model
  // Of a stage whose model has versions: which one made a row's columns, an index into `versions` ("gbt@7"); of a row
  // that none scored any index. Empty: the version of the plan made them all.
  std::vector<uint8_t> version;
  std::vector<std::string> versions;
  // Of a stage whose model has several arms: what each said, by generation. Not kept.
  std::vector<std::shared_ptr<ArmScores>> arms;
  uint32_t retried = 0;  // calls made again after a transient error
  uint32_t dead_lettered = 0;
  std::vector<uint32_t> tally;  // what the node counts: one entry per NodeProgram::Tallies(), or empty
  std::string notice;           // one line for the operator's log; empty: none
  bool done = false;            // finished: its outcome, errors and columns are final
  bool reused = false;          // done in an earlier run: not counted again
};

// N rows of one source on their way through the plan, held by columns. A batch owns its memory
// (`hold` releases what the source lent) and is reused: in steady state nothing is allocated.
// Filled by a source, decoded and run by one compute thread at a time (columns and stages of
// independent branches by several), then emptied by the lane.
class RecordBatch {
 public:
  // Forgets the rows, keeps the memory. `columns` and `stages` are the plan's counts.
  void Clear(size_t columns, size_t stages);

  uint32_t rows() const { return static_cast<uint32_t>(offset.size()); }

  // One more row. Views must stay valid until Clear().
  void AddRow(PartitionId row_partition, int64_t row_offset, int64_t row_timestamp_ms, std::string_view row_key,
              bool has_key, std::string_view row_payload) {
    partition.push_back(row_partition);
    offset.push_back(row_offset);
    timestamp_ms.push_back(row_timestamp_ms);
    key.push_back(row_key);
    key_present.push_back(has_key ? 1 : 0);
    payload.push_back(row_payload);
    header_end.push_back(static_cast<uint32_t>(headers.size()));
    payload_bytes += row_payload.size();
  }

  std::span<const RowHeader> row_headers(uint32_t row) const {
    const uint32_t begin = row == 0 ? 0 : header_end[row - 1];
    return {headers.data() + begin, header_end[row] - begin};
  }

  // When the row happened, microseconds since 1970: its event time where the source has a `time` rule, else the
  // record's timestamp. kNoTime: it has none. The source's stage is done.
  int64_t row_time_us(uint32_t row) const {
    if (!time_us.empty()) return time_us[row];
    return timestamp_ms[row] < 0 ? kNoTime : timestamp_ms[row] * 1000;
  }

  // A batch without rows: only its positions go on.
  void PassPositions(size_t targets);

  // Sizes the per-stage state for the rows of this batch; outcomes start as kAbsent.
  void PrepareStages();
  void PrepareStage(StageId stage);  // as if it had not run

  StageId source;         // whose rows these are
  int lane = 0;           // that took it in
  uint64_t sequence = 0;  // of this batch in its lane's run, from 1
  int64_t intake_ns = 0;  // when it came in, by the run's clock
  // Taken up from kept results: the stages that are `done` do not run again; with `complete` none does.
  bool restored = false;
  bool complete = false;
  // Rows that are still to run in this stage fail there as "given_up"; kNoStage: none.
  StageId give_up = kNoStage;
  const SourceTable* partitions = nullptr;  // of the rows: the lane's table, or ReplayedLetter::record
  std::vector<PositionRange> positions;     // per partition of the lane's table: what committing this batch completes

  // Per row. The record's key as it came, until the source's `key` rule sets the row's key. Partition and offset are
  // the record's identity.
  std::vector<PartitionId> partition;
  std::vector<int64_t> offset;
  std::vector<int64_t> timestamp_ms;  // of the record, milliseconds since 1970; -1 = none
  // Per row its event time by the source's `time` rule, microseconds since 1970 (kNoTime: it has no good one). Set when
  // the source's stage is done; empty where the source has no such rule. Readers: row_time_us().
  std::vector<int64_t> time_us;
  std::vector<std::string_view> key;
  std::vector<uint8_t> key_present;
  std::vector<std::string_view> record_key;  // the key as it came, kept for dead letters (filled by decode)
  std::vector<uint8_t> record_key_present;
  std::vector<std::string_view> payload;  // the value as it came, byte for byte
  std::vector<RowHeader> headers;         // add a row's headers before AddRow()
  std::vector<uint32_t> header_end;
  size_t payload_bytes = 0;
  // Per row the `traceparent` that its results carry instead of the record's own; empty: that one. Without a row: none.
  std::vector<std::string_view> traceparent;
  // Rows that the source could read no record from (an envelope that is none, a row cut at its bound: "json",
  // "envelope", "too_large"), in row order. They fail at the stage `source`, before decode.
  std::vector<RowError> source_errors;

  std::vector<Column> columns;    // by ColumnId; only those of this source's stages are filled
  std::vector<StageRows> stages;  // by StageId
  EncodedBatch encoded;           // what leaves: filled by sinks and dead letters
  Arena text;                     // payload copies, made keys, header bytes

  // Things that keep the views above alive, e.g. the messages of a client: given back at Clear().
  std::function<void()> release;
};

// Per range of `batch.encoded.positions` the timestamp of its last record that has one; -1: none has.
std::vector<int64_t> NewestOf(const RecordBatch& batch);

}  // namespace anabranch
