#include "topologies/trial/trial_ends.h"

#include <algorithm>
#include <utility>

#include "engine/lane_context.h"
#include "engine/unbound_connector.h"

namespace anabranch {
namespace {

class TrialSource : public Source {
 public:
  TrialSource(const TrialRecords& records, SourceTable* table) : records_(records), table_(table) {}

  Status Open() override {
    for (const TrialRecord* record : records_) {
      ASSIGN_OR_RETURN(const PartitionId id, table_->Find(record->partition));
      next_.emplace(id, kNoPosition);
    }
    if (!records_.empty()) return Status::Ok();
    ASSIGN_OR_RETURN(const PartitionId none, table_->Find({"none", 0}));
    next_.emplace(none, kNoPosition);
    return Status::Ok();
  }

  Result<SourceEvent> Poll(RecordBatch& batch, const BatchLimits& limits, int64_t /*wait_ns*/) override {
    if (!assigned_ && !announced_) {
      announced_ = true;
      return SourceEvent::kAssigned;
    }
    if (!assigned_) return SourceEvent::kIdle;
    while (at_ < records_.size() && batch.rows() < limits.max_rows) AddRecord(*records_[at_++], batch);
    if (batch.rows() == 0) return SourceEvent::kEnd;
    batch.partitions = table_;
    return SourceEvent::kRows;
  }

  std::vector<PartitionId> partitions() const override {
    std::vector<PartitionId> all;
    for (const auto& [id, next] : next_) all.push_back(id);
    return all;
  }
  Result<std::vector<int64_t>> StoredPositions(std::span<const PartitionId> partitions) override {
    return std::vector<int64_t>(partitions.size(), kNoPosition);
  }
  Status Assign(std::span<const PartitionId> partitions, std::span<const int64_t> next) override {
    for (size_t i = 0; i < partitions.size(); ++i) next_[partitions[i]] = next[i];
    at_ = 0;
    assigned_ = true;
    return Status::Ok();
  }
  Status Release() override {
    assigned_ = announced_ = false;
    return Status::Ok();
  }
  Status CommitPositions(std::span<const PositionRange>) override { return Status::Ok(); }
  void Close() override {}

 private:
  void AddRecord(const TrialRecord& record, RecordBatch& batch) {
    const PartitionId id = *table_->Find(record.partition);
    if (record.offset < next_.at(id)) return;
    for (const auto& [name, value] : record.headers) {
      batch.headers.push_back({name, value ? std::string_view(*value) : std::string_view()});
    }
    if (!record.error_code.empty()) {
      batch.source_errors.push_back({batch.rows(), record.error_code, record.error_message});
    }
    batch.AddRow(id, record.offset, record.timestamp_ms,
                 record.key ? std::string_view(*record.key) : std::string_view(), record.key.has_value(), record.value);
    const auto same = [&](const PositionRange& range) { return range.partition == id; };
    const auto range = std::ranges::find_if(batch.positions, same);
    if (range == batch.positions.end()) {
      batch.positions.push_back({id, record.offset, record.offset + 1});
    } else {
      range->next = record.offset + 1;
    }
  }

  const TrialRecords& records_;
  SourceTable* table_;
  std::map<PartitionId, int64_t> next_;
  size_t at_ = 0;
  bool assigned_ = false;
  bool announced_ = false;
};

class TrialSourceProgram : public SourceProgram {
 public:
  TrialSourceProgram(std::shared_ptr<const SourceProgram> origin, TrialRecords records)
      : origin_(std::move(origin)), records_(std::move(records)) {}
  int Lanes(int) const override { return 1; }
  Result<std::unique_ptr<Source>> OpenLane(const LaneContext& lane) const override {
    return std::unique_ptr<Source>(std::make_unique<TrialSource>(records_, lane.partitions));
  }
  bool bounded() const override { return true; }
  std::string Describe() const override { return origin_->Describe(); }
  std::string PlaceInProject() const override { return origin_->PlaceInProject(); }
  RowLayout row_layout() const override { return origin_->row_layout(); }

 private:
  const std::shared_ptr<const SourceProgram> origin_;
  const TrialRecords records_;
};

class TrialTargetProgram : public TargetProgram {
 public:
  TrialTargetProgram(std::shared_ptr<const TargetProgram> origin, std::shared_ptr<TrialTargets> targets)
      : origin_(std::move(origin)), targets_(std::move(targets)) {}
  std::string commit_unit() const override { return origin_->commit_unit(); }
  std::string connector() const override { return "trial"; }
  bool ExactlyOnce(const SourceProgram&, std::string*) const override { return true; }
  std::unique_ptr<RowEncoder> MakeEncoder(const ResultIdentity& identity) const override {
    return origin_->MakeEncoder(identity);
  }
  std::string Describe() const override { return origin_->Describe(); }
  TrialTargets& targets() const { return *targets_; }

 private:
  const std::shared_ptr<const TargetProgram> origin_;
  const std::shared_ptr<TrialTargets> targets_;
};

TrialRow CopyRow(const EncodedRows& rows, const EncodedRows::Row& row) {
  TrialRow copy;
  copy.timestamp_ms = row.timestamp_ms;
  if (row.key_size != EncodedRows::kNone) copy.key = std::string(rows.key(row));
  if (row.value_size != EncodedRows::kNone) copy.value = std::string(rows.value(row));
  rows.ForEachHeader(row, [&](std::string_view name, std::string_view value) {
    copy.headers.emplace_back(name, value.data() == nullptr ? std::nullopt : std::optional<std::string>(value));
  });
  return copy;
}

class TrialCommitter : public Committer {
 public:
  TrialCommitter(const LaneContext& lane, std::vector<TargetId> ids, TrialTargets& targets)
      : table_(*lane.partitions), ids_(std::move(ids)), targets_(targets), open_(ids_.size()) {}

  Status Open() override { return Status::Ok(); }
  Result<std::vector<TargetProgress>> Progress(std::span<const PartitionId> partitions) override {
    std::vector<int64_t> next;
    for (const PartitionId partition : partitions) {
      const auto known = progress_.find(partition);
      next.push_back(known == progress_.end() ? kNoPosition : known->second);
    }
    std::vector<TargetProgress> all;
    for (const TargetId id : ids_) all.push_back({id, next});
    return all;
  }
  Status Write(const EncodedBatch& batch) override {
    for (size_t i = 0; i < ids_.size(); ++i) {
      const EncodedRows& rows = batch.targets[ids_[i]];
      for (const EncodedRows::Row& row : rows.rows) {
        open_[i].push_back({table_.at(row.partition), row.offset, CopyRow(rows, row)});
      }
    }
    return Status::Ok();
  }
  Status Commit(const EpochEnd& end) override {
    for (const TargetId id : ids_) {
      if (!targets_.TakeFailure(id)) continue;
      Drop();
      return {Code::kAborted, "this commit fails because the test says so"};
    }
    for (size_t i = 0; i < ids_.size(); ++i) targets_.Add(ids_[i], std::exchange(open_[i], {}));
    for (const PositionRange& range : end.positions) progress_[range.partition] = range.next;
    return Status::Ok();
  }
  Status Abort() override {
    Drop();
    return Status::Ok();
  }
  CommitOrder commit_order() const override { return CommitOrder::kLocalFile; }
  void Close() override {}

 private:
  void Drop() {
    for (auto& rows : open_) rows.clear();
  }

  const SourceTable& table_;
  const std::vector<TargetId> ids_;
  TrialTargets& targets_;
  std::vector<std::vector<TrialCommit>> open_;  // by place in ids_
  std::map<PartitionId, int64_t> progress_;
};

class TrialConnector : public UnboundConnector {
 public:
  TrialConnector() : UnboundConnector("trial") {}
  Result<std::unique_ptr<Committer>> OpenCommitter(
      const LaneContext& lane, const std::vector<std::pair<TargetId, const TargetProgram*>>& targets,
      const SourceProgram&, Source&) const override {
    std::vector<TargetId> ids;
    for (const auto& [id, program] : targets) ids.push_back(id);
    TrialTargets& all = static_cast<const TrialTargetProgram*>(targets.front().second)->targets();
    return std::unique_ptr<Committer>(std::make_unique<TrialCommitter>(lane, std::move(ids), all));
  }
};

}  // namespace

TrialRecord MakeTrialRecord(StageId source, const RecordBatch& batch, uint32_t row) {
  TrialRecord record;
  record.source = source;
  record.partition = batch.partitions->at(batch.partition[row]);
  record.offset = batch.offset[row];
  record.timestamp_ms = batch.timestamp_ms[row];
  if (batch.key_present[row] != 0) record.key = std::string(batch.key[row]);
  record.value = std::string(batch.payload[row]);
  for (const RowHeader& header : batch.row_headers(row)) {
    const bool null = header.value.data() == nullptr;
    record.headers.emplace_back(header.name, null ? std::nullopt : std::optional<std::string>(header.value));
  }
  const auto error = std::ranges::find(batch.source_errors, row, &RowError::row);
  if (error != batch.source_errors.end()) {
    record.error_code = error->code;
    record.error_message = error->message;
  }
  return record;
}

void TrialTargets::FailNext(TargetId target, int commits) {
  const MutexLock lock(mutex_);
  failing_[target] = commits;
}

bool TrialTargets::TakeFailure(TargetId target) {
  const MutexLock lock(mutex_);
  if (failing_[target] == 0) return false;
  --failing_[target];
  return true;
}

void TrialTargets::Add(TargetId target, std::vector<TrialCommit> rows) {
  const MutexLock lock(mutex_);
  for (TrialCommit& row : rows) commits_[target].push_back(std::move(row));
}

std::vector<std::vector<TrialCommit>> TrialTargets::Take() {
  const MutexLock lock(mutex_);
  return std::exchange(commits_, {});
}

std::shared_ptr<const SourceProgram> MakeTrialSource(std::shared_ptr<const SourceProgram> origin,
                                                     TrialRecords records) {
  return std::make_shared<TrialSourceProgram>(std::move(origin), std::move(records));
}

std::shared_ptr<const TargetProgram> MakeTrialTarget(std::shared_ptr<const TargetProgram> origin,
                                                     std::shared_ptr<TrialTargets> targets) {
  return std::make_shared<TrialTargetProgram>(std::move(origin), std::move(targets));
}

std::unique_ptr<Connector> MakeTrialConnector() { return std::make_unique<TrialConnector>(); }

}  // namespace anabranch
