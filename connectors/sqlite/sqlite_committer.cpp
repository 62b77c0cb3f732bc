#include <algorithm>
#include <map>

#include "connectors/sqlite/sqlite_table.h"
#include "connectors/sqlite/sqlite_target.h"
#include "engine/fault_point.h"
#include "engine/sqlite/sqlite.h"

namespace anabranch {
namespace {

constexpr int kBusyMs = 10'000;

// Writes an epoch's rows with the positions in one short transaction at its commit, so that lanes and other processes
// wait for each other no longer than that. Until then it refers to the pinned rows.
class SqliteCommitter : public Committer {
 public:
  SqliteCommitter(const LaneContext& lane, std::vector<std::pair<TargetId, const SqliteTargetProgram*>> programs)
      : lane_(lane), programs_(std::move(programs)) {}

  Status Open() override;
  Result<std::vector<TargetProgress>> Progress(std::span<const PartitionId> partitions) override;
  Status MoveProgress(std::span<const PartitionId> partitions, std::span<const int64_t> next) override;
  Status Write(const EncodedBatch& batch) override;
  Status Commit(const EpochEnd& end) override;
  Status Abort() override {
    pending_.clear();
    return {};
  }
  CommitOrder commit_order() const override { return CommitOrder::kLocalDatabase; }
  void Close() override {
    targets_.clear();
    db_.reset();
  }

 private:
  struct Target {
    TargetId id;
    std::unique_ptr<SqliteTable> table;
    std::map<PartitionId, SqliteTable::Stored> stored;   // as this lane last saw it
    std::map<PartitionId, SqliteTable::Stored> settled;  // what the running commit makes of it
  };

  Status Claim();
  Status CommitTarget(Target& target, const EpochEnd& end);
  Status Settle(Target& target, const PositionRange& range);
  static Status AfterCommit(const Status& status);

  const LaneContext& lane_;
  const std::vector<std::pair<TargetId, const SqliteTargetProgram*>> programs_;
  std::unique_ptr<SqliteDatabase> db_;
  std::vector<Target> targets_;
  std::vector<const EncodedBatch*> pending_;  // of the open epoch, pinned by the caller
};

Status SqliteCommitter::Open() {
  ASSIGN_OR_RETURN(db_, SqliteDatabase::Open(programs_[0].second->path(), SqliteDatabase::Mode::kReadWrite, kBusyMs));
  for (const auto& [id, program] : programs_) {
    targets_.push_back({id, std::make_unique<SqliteTable>(*program, lane_.topology, *db_), {}, {}});
  }
  RETURN_IF_ERROR(Claim());
  for (Target& target : targets_) RETURN_IF_ERROR(target.table->Prepare());
  return {};
}

Status SqliteCommitter::Claim() {
  SqliteTransaction transaction(*db_);
  RETURN_IF_ERROR(transaction.Begin());
  RETURN_IF_ERROR(CreateSqliteBooks(*db_));
  for (Target& target : targets_) RETURN_IF_ERROR(target.table->Claim());
  return transaction.Commit();
}

Result<std::vector<TargetProgress>> SqliteCommitter::Progress(std::span<const PartitionId> partitions) {
  std::vector<TargetProgress> progress;
  for (Target& target : targets_) {
    TargetProgress& mine = progress.emplace_back(target.id);
    for (const PartitionId partition : partitions) {
      ASSIGN_OR_RETURN(const auto stored, target.table->Progress(lane_.partitions->at(partition)));
      target.stored[partition] = stored;
      mine.next.push_back(stored.next);
      mine.scoring.push_back(stored.scoring);
    }
  }
  return progress;
}

Status SqliteCommitter::MoveProgress(std::span<const PartitionId> partitions, std::span<const int64_t> next) {
  SqliteTransaction transaction(*db_);
  RETURN_IF_ERROR(transaction.Begin());
  for (Target& target : targets_) {
    for (size_t i = 0; i < partitions.size(); ++i) {
      const SourcePartition& from = lane_.partitions->at(partitions[i]);
      ASSIGN_OR_RETURN(SqliteTable::Stored stored, target.table->Progress(from));
      const SqliteTable::Stored expected = stored;
      stored.next = next[i];
      stored.scoring.since = std::min(stored.scoring.since, next[i]);
      if (expected.next != kNoPosition) RETURN_IF_ERROR(target.table->Advance(from, expected, stored));
      target.stored.erase(partitions[i]);
    }
  }
  return transaction.Commit();
}

Status SqliteCommitter::Write(const EncodedBatch& batch) {
  pending_.push_back(&batch);
  return {};
}

Status SqliteCommitter::Commit(const EpochEnd& end) {
  SqliteTransaction transaction(*db_);
  Status status = transaction.Begin();
  for (Target& target : targets_) {
    if (status.ok()) status = CommitTarget(target, end);
  }
  if (status.ok()) {
    FaultPoint("sqlite.commit");
    status = transaction.Commit();
  }
  if (status.ok()) {
    FaultPoint("sqlite.committed");
    for (Target& target : targets_) {
      for (const auto& [partition, stored] : target.settled) target.stored[partition] = stored;
    }
  }
  RETURN_IF_ERROR(Abort());
  return AfterCommit(status);
}

// A database that stayed busy left no trace: the epoch can be written again.
Status SqliteCommitter::AfterCommit(const Status& status) {
  return status.code() == Code::kRetry ? Status(Code::kAborted, status.message()) : status;
}

Status SqliteCommitter::CommitTarget(Target& target, const EpochEnd& end) {
  target.settled.clear();
  for (const PositionRange& range : end.positions) RETURN_IF_ERROR(Settle(target, range));
  for (const EncodedBatch* batch : pending_) {
    if (target.id >= batch->targets.size()) continue;
    const EncodedRows& rows = batch->targets[target.id];
    for (const EncodedRows::Row& row : rows.rows) {
      if (batch->replayed != nullptr) {
        ASSIGN_OR_RETURN(const bool newest, target.table->IsNewest(rows, row));
        if (!newest) continue;
      }
      RETURN_IF_ERROR(target.table->Upsert(rows, row));
    }
  }
  return {};
}

// Advances the progress of one partition. Where it is ahead of the range, other targets were behind: it stays.
Status SqliteCommitter::Settle(Target& target, const PositionRange& range) {
  const SourcePartition& from = lane_.partitions->at(range.partition);
  auto known = target.stored.find(range.partition);
  if (known == target.stored.end()) {
    ASSIGN_OR_RETURN(const auto stored, target.table->Progress(from));
    known = target.stored.emplace(range.partition, stored).first;
  }
  SqliteTable::Stored now = known->second;
  if (range.next >= now.next) now = {range.next, range.scoring};
  RETURN_IF_ERROR(target.table->Advance(from, known->second, now));
  target.settled[range.partition] = now;
  return Status::Ok();
}

}  // namespace

Result<std::unique_ptr<Committer>> MakeSqliteCommitter(
    const LaneContext& lane, const std::vector<std::pair<TargetId, const TargetProgram*>>& targets) {
  std::vector<std::pair<TargetId, const SqliteTargetProgram*>> programs;
  for (const auto& [id, program] : targets) {
    const auto* mine = dynamic_cast<const SqliteTargetProgram*>(program);
    if (mine == nullptr) return Status(Code::kInternal, program->Describe() + " is no SQLite target");
    for (const auto& [other_id, other] : programs) {
      if (other->table() != mine->table()) continue;
      return Status(Code::kInvalid, "two persist nodes write " + mine->Describe() + ": give each its own \"table\"");
    }
    programs.emplace_back(id, mine);
  }
  if (programs.empty()) return Status(Code::kInternal, "a committer without targets");
  return std::unique_ptr<Committer>(std::make_unique<SqliteCommitter>(lane, std::move(programs)));
}

}  // namespace anabranch
