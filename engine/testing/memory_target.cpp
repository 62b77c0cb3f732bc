#include "engine/testing/memory_target.h"

#include <chrono>
#include <thread>
#include <utility>

#include "engine/lane_context.h"
#include "engine/unbound_connector.h"

namespace anabranch {
namespace {

class PayloadEncoder : public RowEncoder {
 public:
  Status Encode(const RecordBatch& batch, std::span<const uint8_t> active, EncodedRows* out) override {
    for (uint32_t r = 0; r < batch.rows(); ++r) {
      if (!active[r]) continue;
      if (!out->HasRoom()) break;
      EncodedRows::Row row;
      row.partition = batch.partition[r];
      row.offset = batch.offset[r];
      row.timestamp_ms = batch.timestamp_ms[r];
      row.key = out->Here();
      row.key_size = static_cast<uint32_t>(batch.key[r].size());
      out->bytes.append(batch.key[r]);
      row.value = out->Here();
      row.value_size = static_cast<uint32_t>(batch.payload[r].size());
      out->bytes.append(batch.payload[r]);
      out->AddRow(row, r, row.key);
    }
    return Status::Ok();
  }
};

class MemoryCommitter : public Committer {
 public:
  MemoryCommitter(std::vector<std::pair<TargetId, std::shared_ptr<MemoryOutput>>> outputs, const LaneContext& lane)
      : outputs_(std::move(outputs)), cancel_(lane.cancel), table_(lane.partitions) {}

  Status Open() override { return Status::Ok(); }

  Result<std::vector<TargetProgress>> Progress(std::span<const PartitionId> partitions) override {
    MemoryOutput& first = *outputs_.front().second;  // they commit together
    const MutexLock lock(first.mutex);
    std::vector<TargetProgress> progress;
    for (const auto& output : outputs_) {
      progress.push_back({output.first, std::vector<int64_t>(partitions.size(), first.next)});
    }
    return progress;
  }

  Status Write(const EncodedBatch& batch) override {
    for (const auto& output : outputs_) std::this_thread::sleep_for(output.second->write_takes);
    for (auto& [target, output] : outputs_) {
      const MutexLock lock(output->mutex);
      const EncodedRows& rows = batch.targets[target];
      for (const EncodedRows::Row& row : rows.rows) {
        const bool late = output->refuses_timestamps && row.timestamp_ms >= 0;
        if (late || output->refuses.contains(row.offset)) {
          const auto why = late ? RefusedRow::Why::kTimestamp : RefusedRow::Why::kContent;
          const SourceTable& table = batch.replayed != nullptr ? batch.replayed->record : *table_;
          refused_.push_back({target, table.at(row.partition), row.offset, why, "it does not fit"});
          continue;
        }
        output->open.push_back({row.offset, std::string(rows.key(row)), std::string(rows.value(row))});
        written_.emplace_back(rows.value(row), rows.value(row));
      }
    }
    return refused_.empty() ? Status::Ok() : Status(Code::kAborted, "rows were refused");
  }

  std::vector<RefusedRow> TakeRefused() override { return std::exchange(refused_, {}); }

  Status Commit(const EpochEnd& end) override {
    for (const auto& output : outputs_) std::this_thread::sleep_for(output.second->commit_takes);
    for (auto& [target, output] : outputs_) {
      const MutexLock lock(output->mutex);
      while (output->corked && !cancel_->now()) {
        output->changed.WaitUntil(output->mutex, std::chrono::steady_clock::now() + std::chrono::milliseconds(5));
      }
      if (output->corked) return {Code::kCancelled, "stopped while corked"};
      if (!output->failures.empty()) {
        Status failure = std::move(output->failures.front());
        output->failures.pop_front();
        const MutexUnlock unlock(output->mutex);
        DropAll();
        if (failure.code() == Code::kAborted) written_.clear();
        return failure;
      }
      output->rows.insert(output->rows.end(), output->open.begin(), output->open.end());
      output->open.clear();
      output->next = end.positions.front().next;
      ++output->commit_count;
      output->changed.NotifyAll();
    }
    written_.clear();
    return Status::Ok();
  }

  Status Abort() override {
    written_.clear();
    DropAll();
    return Status::Ok();
  }

  bool ShowsAtCommit() const override { return outputs_.front().second->shows_at_commit; }
  void SendNow() override {
    for (auto& [target, output] : outputs_) {
      const MutexLock lock(output->mutex);
      output->sent_count = output->open.size();
    }
  }
  CommitOrder commit_order() const override { return CommitOrder::kLocalFile; }
  void Close() override {
    MemoryOutput& first = *outputs_.front().second;
    const MutexLock lock(first.mutex);
    for (const auto& [bytes, copy] : written_) first.bytes_gone |= bytes != copy;
    written_.clear();
  }

 private:
  void DropAll() {
    for (auto& [target, output] : outputs_) {
      const MutexLock lock(output->mutex);
      output->dropped.insert(output->dropped.end(), output->open.begin(), output->open.end());
      output->open.clear();
    }
  }

  std::vector<std::pair<TargetId, std::shared_ptr<MemoryOutput>>> outputs_;
  const CancelToken* cancel_;
  const SourceTable* table_;
  std::vector<RefusedRow> refused_;
  std::vector<std::pair<std::string_view, std::string>> written_;  // as a producer that copies nothing has it
};

class MemoryConnector : public UnboundConnector {
 public:
  MemoryConnector() : UnboundConnector("memory") {}
  Result<std::unique_ptr<Committer>> OpenCommitter(
      const LaneContext& lane, const std::vector<std::pair<TargetId, const TargetProgram*>>& targets,
      const SourceProgram&, Source&) const override {
    std::vector<std::pair<TargetId, std::shared_ptr<MemoryOutput>>> outputs;
    for (const auto& [id, program] : targets) {
      outputs.emplace_back(id, static_cast<const MemoryTargetProgram*>(program)->output());
    }
    return std::unique_ptr<Committer>(std::make_unique<MemoryCommitter>(std::move(outputs), lane));
  }
};

}  // namespace

void MemoryOutput::Cork() {
  const MutexLock lock(mutex);
  corked = true;
}

void MemoryOutput::Uncork() {
  const MutexLock lock(mutex);
  corked = false;
  changed.NotifyAll();
}

void MemoryOutput::FailNextCommit(Status status) {
  const MutexLock lock(mutex);
  failures.push_back(std::move(status));
}

std::vector<MemoryOutput::Row> MemoryOutput::committed() {
  const MutexLock lock(mutex);
  return rows;
}

std::vector<MemoryOutput::Row> MemoryOutput::aborted() {
  const MutexLock lock(mutex);
  return dropped;
}

size_t MemoryOutput::sent() {
  const MutexLock lock(mutex);
  return sent_count;
}

size_t MemoryOutput::commits() {
  const MutexLock lock(mutex);
  return commit_count;
}

std::unique_ptr<RowEncoder> MemoryTargetProgram::MakeEncoder(const ResultIdentity&) const {
  return std::make_unique<PayloadEncoder>();
}

std::unique_ptr<Connector> MakeMemoryConnector() { return std::make_unique<MemoryConnector>(); }

}  // namespace anabranch
