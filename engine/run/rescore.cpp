#include "engine/run/rescore.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/lane_context.h"

namespace anabranch {
namespace {

// Takes rows out of a batch that was read and not yet decoded.
class RowFilter {
 public:
  explicit RowFilter(RecordBatch* batch) : batch_(*batch) {}

  template <typename Keep>
  void Apply(const Keep& keep) {
    uint32_t unwanted = 0;
    while (unwanted < batch_.rows() && keep(unwanted)) ++unwanted;
    if (unwanted == batch_.rows()) return;
    std::vector<RowHeader> headers;
    size_t error = 0;
    for (uint32_t row = 0; row < batch_.rows(); ++row) {
      const bool has_error = error < batch_.source_errors.size() && batch_.source_errors[error].row == row;
      if (keep(row)) {
        for (const RowHeader& header : batch_.row_headers(row)) headers.push_back(header);
        if (has_error) batch_.source_errors[error].row = kept_;
        ends_.push_back(static_cast<uint32_t>(headers.size()));
        Move(row);
        if (has_error) ++error;
      } else if (has_error) {
        batch_.source_errors.erase(batch_.source_errors.begin() + static_cast<std::ptrdiff_t>(error));
      }
    }
    batch_.headers = std::move(headers);
    Cut();
  }

 private:
  void Move(uint32_t row) {
    bytes_ += batch_.payload[row].size();
    batch_.partition[kept_] = batch_.partition[row];
    batch_.offset[kept_] = batch_.offset[row];
    batch_.timestamp_ms[kept_] = batch_.timestamp_ms[row];
    batch_.key[kept_] = batch_.key[row];
    batch_.key_present[kept_] = batch_.key_present[row];
    batch_.payload[kept_] = batch_.payload[row];
    ++kept_;
  }
  void Cut() {
    batch_.partition.resize(kept_);
    batch_.offset.resize(kept_);
    batch_.timestamp_ms.resize(kept_);
    batch_.key.resize(kept_);
    batch_.key_present.resize(kept_);
    batch_.payload.resize(kept_);
    batch_.header_end = std::move(ends_);
    batch_.payload_bytes = bytes_;
  }

  RecordBatch& batch_;
  std::vector<uint32_t> ends_;
  uint32_t kept_ = 0;
  size_t bytes_ = 0;
};

class RescoreSource : public Source {
 public:
  RescoreSource(std::unique_ptr<Source> source, const RescoreInput::Ranges& ranges, const SourceTable& table)
      : source_(std::move(source)), ranges_(ranges), table_(table) {}

  Status Open() override { return source_->Open(); }
  Result<SourceEvent> Poll(RecordBatch& batch, const BatchLimits& limits, int64_t wait_ns) override;
  std::vector<PartitionId> partitions() const override;
  Result<std::vector<int64_t>> StoredPositions(std::span<const PartitionId> partitions) override {
    return source_->StoredPositions(partitions);
  }
  Scoring StoredScoring(PartitionId partition) const override { return source_->StoredScoring(partition); }
  Result<std::vector<int64_t>> StartPositions(std::span<const PartitionId> partitions) override;
  std::string position_owner() const override { return source_->position_owner(); }
  std::string SetPositionCommand(PartitionId partition, int64_t position) const override {
    return source_->SetPositionCommand(partition, position);
  }
  std::vector<LostPosition> lost() const override { return source_->lost(); }
  Status Assign(std::span<const PartitionId> partitions, std::span<const int64_t> next) override;
  Status Release() override { return source_->Release(); }
  Status CommitPositions(std::span<const PositionRange> positions) override {
    return source_->CommitPositions(positions);
  }
  int64_t waited_ns() const override { return source_->waited_ns(); }
  Source& origin() override { return source_->origin(); }
  void Close() override { source_->Close(); }

 private:
  const RescoreInput::Range* RangeOf(PartitionId partition) const;
  bool Wants(PartitionId partition, int64_t offset) const;
  bool NoteRead(RecordBatch& batch);
  Status ReadRest();

  const std::unique_ptr<Source> source_;
  const RescoreInput::Ranges& ranges_;
  const SourceTable& table_;
  std::map<PartitionId, int64_t> next_;  // of what was assigned and is not read to its end
  bool assigned_ = false;
};

const RescoreInput::Range* RescoreSource::RangeOf(PartitionId partition) const {
  const auto range = ranges_.find(table_.at(partition));
  return range == ranges_.end() ? nullptr : &range->second;
}

bool RescoreSource::Wants(PartitionId partition, int64_t offset) const {
  const RescoreInput::Range* const range = RangeOf(partition);
  return range != nullptr && offset >= range->first && offset < range->next;
}

std::vector<PartitionId> RescoreSource::partitions() const {
  std::vector<PartitionId> all = source_->partitions();
  std::erase_if(all, [this](PartitionId each) { return RangeOf(each) == nullptr; });
  return all;
}

Result<std::vector<int64_t>> RescoreSource::StartPositions(std::span<const PartitionId> partitions) {
  std::vector<int64_t> starts;
  for (const PartitionId each : partitions) {
    const RescoreInput::Range* const range = RangeOf(each);
    starts.push_back(range == nullptr ? kNoPosition : range->first);
  }
  return starts;
}

// What a run before stored may lie below the range: its records are deleted by now.
Status RescoreSource::Assign(std::span<const PartitionId> partitions, std::span<const int64_t> next) {
  next_.clear();
  for (size_t i = 0; i < partitions.size(); ++i) {
    const RescoreInput::Range* const range = RangeOf(partitions[i]);
    const int64_t begin = range == nullptr ? 0 : std::max(next[i], range->first);
    if (range != nullptr && begin < range->next) next_[partitions[i]] = begin;
  }
  assigned_ = true;
  return next_.empty() ? Status::Ok() : ReadRest();
}

Status RescoreSource::ReadRest() {
  std::vector<PartitionId> partitions;
  std::vector<int64_t> next;
  for (const auto& [partition, position] : next_) {
    partitions.push_back(partition);
    next.push_back(position);
  }
  return source_->Assign(partitions, next);
}

Result<SourceEvent> RescoreSource::Poll(RecordBatch& batch, const BatchLimits& limits, int64_t wait_ns) {
  if (assigned_ && next_.empty()) return SourceEvent::kEnd;
  ASSIGN_OR_RETURN(const SourceEvent event, source_->Poll(batch, limits, wait_ns));
  if (event == SourceEvent::kAssigned || event == SourceEvent::kRevoked) assigned_ = false;
  if (event != SourceEvent::kRows && event != SourceEvent::kPositions) return event;
  RowFilter(&batch).Apply([&](uint32_t row) {
    return Wants(batch.partition[row], batch.offset[row]) && batch.payload[row].data() != nullptr;
  });
  // The rest of a partition may be long, and nobody wants it.
  if (NoteRead(batch) && !next_.empty()) RETURN_IF_ERROR(ReadRest());
  if (batch.rows() > 0) return SourceEvent::kRows;
  return batch.positions.empty() ? SourceEvent::kIdle : SourceEvent::kPositions;
}

// True: a partition was read to the end of its range.
bool RescoreSource::NoteRead(RecordBatch& batch) {
  bool ended = false;
  for (PositionRange& range : batch.positions) {
    const RescoreInput::Range* const wanted = RangeOf(range.partition);
    range.next = std::min(range.next, wanted == nullptr ? range.first : wanted->next);
    const auto known = next_.find(range.partition);
    if (known == next_.end()) continue;
    known->second = std::max(known->second, range.next);
    if (known->second < wanted->next) continue;
    next_.erase(known);
    ended = true;
  }
  std::erase_if(batch.positions, [](const PositionRange& range) { return range.next <= range.first; });
  return ended;
}

class RescoreProgram : public RescoreInput {
 public:
  RescoreProgram(std::shared_ptr<const SourceProgram> reader, StageId stage, std::string source_id,
                 std::string identity, Ranges ranges)
      : reader_(std::move(reader)),
        stage_(stage),
        source_id_(std::move(source_id)),
        identity_(std::move(identity)),
        ranges_(std::move(ranges)) {}

  const std::string& identity() const override { return identity_; }
  StageId stage() const override { return stage_; }
  const std::string& source_id() const override { return source_id_; }

  int Lanes(int /*workers*/) const override { return 1; }
  bool bounded() const override { return true; }
  std::string Describe() const override { return reader_->Describe(); }
  std::string PlaceInProject() const override { return reader_->PlaceInProject(); }
  bool KeepsPosition() const override { return reader_->KeepsPosition(); }
  RowLayout row_layout() const override { return reader_->row_layout(); }
  bool NumbersRecords() const override { return reader_->NumbersRecords(); }
  const SourceProgram& origin() const override { return reader_->origin(); }
  Result<std::unique_ptr<Source>> OpenLane(const LaneContext& lane) const override {
    ASSIGN_OR_RETURN(std::unique_ptr<Source> source, reader_->OpenLane(lane));
    return std::unique_ptr<Source>(std::make_unique<RescoreSource>(std::move(source), ranges_, *lane.partitions));
  }

 private:
  const std::shared_ptr<const SourceProgram> reader_;
  const StageId stage_;
  const std::string source_id_;
  const std::string identity_;
  const Ranges ranges_;
};

}  // namespace

std::shared_ptr<const RescoreInput> MakeRescoreInput(std::shared_ptr<const SourceProgram> reader, StageId stage,
                                                     std::string source_id, std::string identity,
                                                     RescoreInput::Ranges ranges) {
  return std::make_shared<RescoreProgram>(std::move(reader), stage, std::move(source_id), std::move(identity),
                                          std::move(ranges));
}

}  // namespace anabranch
