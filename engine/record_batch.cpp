#include "engine/record_batch.h"

#include <algorithm>

namespace anabranch {

const char* NameOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kOk: return "ok";
    case Outcome::kSkipped: return "skipped";
    case Outcome::kFiltered: return "filtered";
    case Outcome::kFailed: return "failed";
    case Outcome::kTimedOut: return "timed_out";
    case Outcome::kAbsent: return "absent";
    case Outcome::kMissed: return "missed";
    case Outcome::kDefaulted: return "defaulted";
  }
  return "?";
}

void EncodedBatch::Clear(size_t target_count) {
  targets.resize(target_count);
  for (EncodedRows& rows : targets) rows.Clear();
  positions.clear();
  intake_ns = 0;
  newest_ms.clear();
  replayed.reset();
}

bool EncodedBatch::has_rows() const {
  return std::ranges::any_of(targets, [](const EncodedRows& target) { return !target.rows.empty(); });
}

size_t EncodedBatch::bytes() const {
  size_t total = 0;
  for (const EncodedRows& target : targets) {
    total += target.bytes.size() + target.rows.size() * sizeof(EncodedRows::Row);
  }
  return total;
}

void RecordBatch::Clear(size_t column_count, size_t stage_count) {
  if (release) {
    release();
    release = nullptr;
  }
  restored = false;
  complete = false;
  give_up = kNoStage;
  positions.clear();
  partition.clear();
  offset.clear();
  timestamp_ms.clear();
  time_us.clear();
  key.clear();
  key_present.clear();
  record_key.clear();
  record_key_present.clear();
  payload.clear();
  headers.clear();
  header_end.clear();
  payload_bytes = 0;
  traceparent.clear();
  source_errors.clear();
  columns.resize(column_count);
  stages.resize(stage_count);
  for (StageRows& stage : stages) stage.arms.clear();
  text.Clear();
}

void RecordBatch::PassPositions(size_t targets) {
  restored = complete = true;
  encoded.Clear(targets);
  encoded.positions = positions;
}

void RecordBatch::PrepareStages() {
  for (StageId stage = 0; stage < stages.size(); ++stage) PrepareStage(stage);
}

void RecordBatch::PrepareStage(StageId id) {
  StageRows& stage = stages[id];
  stage.outcome.assign(rows(), Outcome::kAbsent);
  stage.active.assign(rows(), 0);
  stage.active_count = 0;
  stage.errors.clear();
  stage.busy_ns = 0;
  stage.calls.clear();
  stage.version.clear();
  stage.versions.clear();
  stage.arms.clear();
  stage.retried = 0;
  stage.dead_lettered = 0;
  stage.tally.clear();
  stage.notice.clear();
  stage.arms.clear();
  stage.done = false;
  stage.reused = false;
}

// One pass, however many partitions have rows or none.
std::vector<int64_t> NewestOf(const RecordBatch& batch) {
  std::vector<int64_t> by_partition;
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    const size_t partition = batch.partition[row];
    if (partition >= by_partition.size()) by_partition.resize(partition + 1, -1);
    if (batch.timestamp_ms[row] >= 0) by_partition[partition] = batch.timestamp_ms[row];
  }
  std::vector<int64_t> newest;
  for (const PositionRange& range : batch.encoded.positions) {
    newest.push_back(range.partition < by_partition.size() ? by_partition[range.partition] : -1);
  }
  return newest;
}

}  // namespace anabranch
