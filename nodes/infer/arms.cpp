#include "nodes/infer/arms.h"

#include <algorithm>

#include "engine/record_id.h"
#include "engine/strategy/draw.h"

namespace anabranch {
namespace {

constexpr size_t kMostParts = 250;

uint8_t DrawnBy(const GenerationRecord& record, std::string_view unit) {
  if (record.rule == ArmRule::kBandit) {
    return static_cast<uint8_t>(ArmOf(Draw(record.salt, unit), record.probabilities));
  }
  return IsWithin(record.salt, unit, record.share) ? 1 : 0;
}

}  // namespace

// ------------------------------------------------------------------ generations

const VersionTable::Entry* OnlyGeneration(const VersionTable& table, const RecordBatch& batch) {
  const VersionTable::Entry* only = nullptr;
  for (const PositionRange& range : batch.positions) {
    const VersionTable::Entry& first = table.At(range.scoring.At(range.first));
    if (batch.encoded.replayed != nullptr) return &first;  // the rows are of other partitions
    const VersionTable::Entry& last = table.At(range.scoring.At(std::max(range.first, range.next - 1)));
    if (&first != &last || (only != nullptr && only != &first)) return nullptr;
    only = &first;
  }
  return only != nullptr ? only : &table.At({});
}

Status RowDivision::Divide(const VersionTable& table, const VersionTable::Entry* only, const NodeRun& run) {
  const RecordBatch& batch = run.batch;
  count_ = 0;
  without_time_ = 0;
  const PositionRange* range = batch.positions.empty() ? nullptr : &batch.positions.front();
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    if (run.active[row] == 0) continue;
    if (only == nullptr && range->partition != batch.partition[row]) {
      const auto found = std::ranges::find(batch.positions, batch.partition[row], &PositionRange::partition);
      if (found == batch.positions.end()) {
        return {Code::kInternal,
                "the batch does not say which generation scores a row at offset " + std::to_string(batch.offset[row])};
      }
      range = &*found;
    }
    if (count_ > kMostParts) return {Code::kInternal, "the rows of one batch are of too many generations"};
    const VersionTable::Entry& entry = only != nullptr ? *only : table.At(range->scoring.At(batch.offset[row]));
    const bool cut = entry.has_cut();
    if (cut && batch.timestamp_ms[row] < 0) ++without_time_;
    GenerationRows& part = PartOf(entry, cut ? entry.ArmAt(batch.timestamp_ms[row]) : 0, batch.rows());
    part.active[row] = 1;
    ++part.count;
  }
  return Status::Ok();
}

GenerationRows& RowDivision::PartOf(const VersionTable::Entry& entry, size_t arm, uint32_t rows) {
  for (size_t i = 0; i < count_; ++i) {
    if (parts_[i].entry == &entry && parts_[i].arm == arm) return parts_[i];
  }
  if (count_ == parts_.size()) parts_.emplace_back();
  GenerationRows& part = parts_[count_++];
  part.entry = &entry;
  part.arm = arm;
  part.active.assign(rows, 0);
  part.count = 0;
  return part;
}

// ------------------------------------------------------------------ draws

void ArmDraw::DrawAll(const GenerationRecord& record, const NodeRun& run, std::vector<uint8_t>* arms) {
  const RecordBatch& batch = run.batch;
  arms->assign(batch.rows(), ArmScores::kNoArm);
  const bool all = record.rule == ArmRule::kShadow && record.share >= 1;
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    if (run.active[row] == 0) continue;
    (*arms)[row] = all ? 1 : DrawnBy(record, UnitOf(record, batch, row));
  }
}

std::string_view ArmDraw::UnitOf(const GenerationRecord& record, const RecordBatch& batch, uint32_t row) {
  const bool by_record = record.by_record || record.rule == ArmRule::kShadow;
  if (!by_record && batch.key_present[row] != 0) return batch.key[row];
  id_.clear();
  AppendRecordId(batch.partitions->at(batch.partition[row]), batch.offset[row], &id_);
  return id_;
}

double PropensityOf(const GenerationRecord& record, size_t arm) {
  if (record.rule == ArmRule::kBandit) return record.probabilities[arm];
  if (record.rule != ArmRule::kCanary) return 1;
  const double share = std::clamp(record.share, 0.0, 1.0);
  return arm == 1 ? share : 1 - share;
}

}  // namespace anabranch
