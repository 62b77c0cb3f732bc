#include "engine/testing/memory_source.h"

#include <chrono>

#include "engine/clock.h"

namespace anabranch {
namespace {

class MemorySource : public Source {
 public:
  MemorySource(std::shared_ptr<MemoryInput> input, const LaneContext& lane)
      : input_(std::move(input)),
        name_(lane.source_id),
        table_(lane.partitions),
        id_(*lane.partitions->Find({"memory", 0})) {}

  Status Open() override { return Status::Ok(); }

  Result<SourceEvent> Poll(RecordBatch& batch, const BatchLimits& limits, int64_t wait_ns) override {
    if (first_poll_ns_ == 0) first_poll_ns_ = Clock::Real().NowNs();
    if (!assigned_ && !told_) {
      told_ = true;
      return SourceEvent::kAssigned;
    }
    const MutexLock lock(input_->mutex);
    const int64_t begin = Clock::Real().NowNs();
    input_->changed.WaitFor(input_->mutex, std::chrono::nanoseconds(wait_ns), [this] {
      return next_ < input_->records.size() || input_->ended || !input_->events.empty();
    });
    if (!input_->events.empty()) {
      const SourceEvent event = input_->events.front();
      input_->events.pop_front();
      return event;
    }
    if (!assigned_) return SourceEvent::kIdle;
    if (next_ >= input_->records.size()) return input_->ended ? SourceEvent::kEnd : SourceEvent::kIdle;
    const auto first = static_cast<int64_t>(next_);
    batch.partitions = table_;
    if (input_->records[next_].marker) {
      ++input_->markers_told;
      batch.positions.push_back({id_, first, static_cast<int64_t>(++next_)});
      return SourceEvent::kPositions;
    }
    input_->changed.WaitFor(input_->mutex, std::chrono::nanoseconds(limits.linger_ns), [&] {
      return input_->records.size() - next_ >= limits.max_rows || input_->ended || !input_->events.empty();
    });
    waited_ns_ += Clock::Real().NowNs() - begin;
    while (next_ < input_->records.size() && batch.rows() < limits.max_rows) {
      const MemoryInput::Record& record = input_->records[next_];
      if (record.marker) break;
      batch.AddRow(id_, static_cast<int64_t>(next_), record.timestamp_ms, record.key, true, record.payload);
      ++next_;
    }
    batch.positions.push_back({id_, first, static_cast<int64_t>(next_)});
    return SourceEvent::kRows;
  }

  int64_t waited_ns() const override { return waited_ns_; }
  std::vector<PartitionEnd> Ends() const override {
    const MutexLock lock(input_->mutex);
    return {{id_, static_cast<int64_t>(input_->records.size())}};
  }
  std::vector<PartitionId> partitions() const override { return {id_}; }
  std::string position_owner() const override { return input_->keeps_position ? "memory" : ""; }

  Result<std::vector<int64_t>> StoredPositions(std::span<const PartitionId>) override {
    const MutexLock lock(input_->mutex);
    return std::vector<int64_t>{input_->stored};
  }

  Status Assign(std::span<const PartitionId>, std::span<const int64_t> next) override {
    const MutexLock lock(input_->mutex);
    next_ = next[0] == kNoPosition ? 0 : static_cast<size_t>(next[0]);
    input_->assigned = static_cast<int64_t>(next_);
    assigned_ = true;
    return Status::Ok();
  }

  Status Release() override {
    assigned_ = told_ = false;
    return Status::Ok();
  }

  Status CommitPositions(std::span<const PositionRange> positions) override {
    const MutexLock lock(input_->mutex);
    input_->stored = positions[0].next;
    return Status::Ok();
  }

  void Close() override {
    if (first_poll_ns_ == 0) return;
    const MutexLock lock(input_->mutex);
    input_->read_for_ns[name_] = Clock::Real().NowNs() - first_poll_ns_;
  }

 private:
  std::shared_ptr<MemoryInput> input_;
  const std::string name_;
  SourceTable* table_;
  PartitionId id_;
  size_t next_ = 0;
  int64_t waited_ns_ = 0;
  int64_t first_poll_ns_ = 0;
  bool assigned_ = false;
  bool told_ = false;
};

}  // namespace

void MemoryInput::Push(std::string key, std::string payload, int64_t timestamp_ms) {
  const MutexLock lock(mutex);
  records.push_back({.key = std::move(key), .payload = std::move(payload), .timestamp_ms = timestamp_ms});
  changed.NotifyAll();
}

void MemoryInput::PushMarker() {
  const MutexLock lock(mutex);
  records.push_back({"", "", true});
  changed.NotifyAll();
}

void MemoryInput::End() {
  const MutexLock lock(mutex);
  ended = true;
  changed.NotifyAll();
}

void MemoryInput::Revoke(bool lost) {
  const MutexLock lock(mutex);
  events.push_back(lost ? SourceEvent::kLost : SourceEvent::kRevoked);
  changed.NotifyAll();
}

Result<std::unique_ptr<Source>> MemorySourceProgram::OpenLane(const LaneContext& lane) const {
  return std::unique_ptr<Source>(std::make_unique<MemorySource>(input_, lane));
}

}  // namespace anabranch
