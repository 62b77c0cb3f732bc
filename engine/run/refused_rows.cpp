#include "engine/run/refused_rows.h"

namespace anabranch {

// False: it is as small as it gets.
bool RefusedRows::Shrink(RefusedRow::Why why, LetterForm* form) {
  if (form->bare) return false;
  if (why == RefusedRow::Why::kTimestamp && !form->no_timestamp) {
    form->no_timestamp = true;
  } else if (why == RefusedRow::Why::kSize && !form->no_value) {
    form->no_value = true;
  } else {
    *form = {.no_timestamp = true, .no_value = true, .bare = true};
  }
  return true;
}

RefusedRows::Noted RefusedRows::Note(const RefusedRow& row) {
  const MutexLock lock(mutex_);
  Records& records = records_[row.partition];
  const bool known = records.contains(row.offset);
  if (!known && count_.load(std::memory_order_relaxed) >= kMost) return Noted::kFull;
  if (!known) count_.fetch_add(1, std::memory_order_relaxed);
  Record& record = records[row.offset];
  if (row.target == plan_.dead_letters()) return Shrink(row.why, &record.letter) ? Noted::kNew : Noted::kAgain;
  for (auto stage = StageId(plan_.sources.size()); stage < plan_.stages(); ++stage) {
    const PlanNode& node = plan_.node(stage);
    if (!node.program->target() || node.target != row.target) continue;
    return record.stages.emplace(stage, row.reason).second ? Noted::kNew : Noted::kAgain;
  }
  return Noted::kAgain;
}

const RefusedRows::Record* RefusedRows::Find(const SourcePartition& partition, int64_t offset) const {
  const auto records = records_.find(partition);
  if (records == records_.end()) return nullptr;
  const auto record = records->second.find(offset);
  return record == records->second.end() ? nullptr : &record->second;
}

void RefusedRows::FailRows(RecordBatch& batch, StageId stage) const {
  StageRows& rows = batch.stages[stage];
  const NodeRun run{batch, stage, rows.active, rows.active_count, INT64_MAX};
  const MutexLock lock(mutex_);
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    if (!rows.active[row]) continue;
    const Record* record = Find(batch.partitions->at(batch.partition[row]), batch.offset[row]);
    if (record == nullptr) continue;
    const auto why = record->stages.find(stage);
    if (why == record->stages.end()) continue;
    rows.active[row] = 0;
    --rows.active_count;
    run.FailRow(row, "refused_by_target", why->second);
  }
}

LetterForm RefusedRows::FormOf(const SourcePartition& partition, int64_t offset) const {
  if (empty()) return {};
  const MutexLock lock(mutex_);
  const Record* record = Find(partition, offset);
  return record == nullptr ? LetterForm() : record->letter;
}

void RefusedRows::Forget(const SourcePartition& partition, int64_t next) {
  if (empty()) return;
  const MutexLock lock(mutex_);
  const auto records = records_.find(partition);
  if (records == records_.end()) return;
  const auto end = records->second.lower_bound(next);
  count_.fetch_sub(static_cast<size_t>(std::distance(records->second.begin(), end)), std::memory_order_relaxed);
  records->second.erase(records->second.begin(), end);
}

}  // namespace anabranch
