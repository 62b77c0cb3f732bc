#include "engine/run/epoch_writer.h"

#include <algorithm>
#include <chrono>

#include "engine/fault_point.h"

namespace anabranch {
namespace {

constexpr size_t kClosedEpochs = 2;  // one that commits and one that waits: a drain stays short
constexpr int kAttempts = 12;
constexpr size_t kSpares = 64;
constexpr auto kFirstBackoff = std::chrono::milliseconds(50);
constexpr auto kLastBackoff = std::chrono::milliseconds(2000);

void Merge(const std::vector<PositionRange>& from, std::vector<PositionRange>* into) {
  for (const PositionRange& range : from) {
    auto at = std::find_if(into->begin(), into->end(), [&](const auto& r) { return r.partition == range.partition; });
    if (at == into->end()) {
      into->push_back(range);
    } else {
      at->first = std::min(at->first, range.first);
      at->next = std::max(at->next, range.next);
    }
  }
}

}  // namespace

EpochWriter::EpochWriter(std::vector<Committer*> committers, size_t max_bytes, const CancelToken& cancel,
                         Callbacks callbacks)
    : committers_(std::move(committers)),
      max_bytes_(max_bytes),
      cancel_(cancel),
      callbacks_(std::move(callbacks)),
      thread_([this] { Loop(); }) {}

EpochWriter::~EpochWriter() { Stop(); }

void EpochWriter::Stop() {
  {
    std::lock_guard lock(mutex_);
    if (status_.ok()) status_ = {Code::kCancelled, "stopped"};
    stop_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Status EpochWriter::Push(EncodedBatch&& batch, int64_t rows) {
  const size_t bytes = batch.bytes();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !status_.ok() || held_bytes_ == 0 || held_bytes_ + bytes <= max_bytes_; });
  if (!status_.ok()) return status_;
  held_bytes_ += bytes;
  queue_.push_back({std::move(batch), rows, false});
  changed_.notify_all();
  return Status::Ok();
}

Status EpochWriter::CloseEpoch() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !status_.ok() || closed_ < kClosedEpochs; });
  if (!status_.ok()) return status_;
  ++closed_;
  queue_.push_back({{}, 0, true});
  changed_.notify_all();
  return Status::Ok();
}

Status EpochWriter::WaitIdle() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !status_.ok() || (queue_.empty() && !busy_); });
  return status_;
}

Status EpochWriter::AbandonOpen() {
  std::unique_lock lock(mutex_);
  if (status_.code() == Code::kRetry) status_ = Status::Ok();
  if (!status_.ok()) return status_;
  abandon_ = true;
  changed_.notify_all();
  changed_.wait(lock, [this] { return !status_.ok() || !abandon_; });
  return status_;
}

bool EpochWriter::idle() const {
  std::lock_guard lock(mutex_);
  return queue_.empty() && !busy_;
}

Status EpochWriter::status() const {
  std::lock_guard lock(mutex_);
  return status_;
}

EncodedBatch EpochWriter::TakeSpare() {
  std::lock_guard lock(mutex_);
  if (spare_.empty()) return {};
  EncodedBatch batch = std::move(spare_.back());
  spare_.pop_back();
  return batch;
}

void EpochWriter::Loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stop_ || abandon_ || !queue_.empty(); });
    if (stop_) return;
    if (abandon_) {
      Abandon(lock);
      continue;
    }
    Item item = std::move(queue_.front());
    queue_.pop_front();
    if (!status_.ok()) continue;
    busy_ = true;
    const bool end = item.end;
    lock.unlock();
    Status status;
    if (end) {
      status = CommitEpoch();
    } else {
      pinned_.push_back(std::move(item));
      status = WriteBatch(pinned_.back().batch);
    }
    lock.lock();
    busy_ = false;
    if (end) --closed_;
    if (!status.ok() && status_.ok() && !abandon_) status_ = std::move(status);
    changed_.notify_all();
  }
}

// The bytes stay until every committer has let go of them: some are written without a copy.
void EpochWriter::Abandon(std::unique_lock<std::mutex>& lock) {
  queue_.clear();
  closed_ = 0;
  lock.unlock();
  Status aborted;
  for (Committer* committer : committers_) {
    if (Status s = committer->Abort(); !s.ok() && aborted.ok()) aborted = std::move(s);
  }
  if (aborted.ok()) pinned_.clear();
  lock.lock();
  held_bytes_ = 0;
  abandon_ = false;
  if (!aborted.ok()) status_ = std::move(aborted);
  changed_.notify_all();
}

bool EpochWriter::WaitToRetry(std::chrono::milliseconds pause) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, pause, [this] { return stop_ || abandon_; }) && !cancel_.now();
}

Status EpochWriter::WriteBatch(const EncodedBatch& batch) {
  for (Committer* committer : committers_) {
    RETURN_IF_ERROR(UntilResolved(*committer, committer->Write(batch), nullptr));
  }
  return Status::Ok();
}

Status EpochWriter::Rewrite(Committer& committer) {
  for (const Item& item : pinned_) RETURN_IF_ERROR(committer.Write(item.batch));
  return Status::Ok();
}

Status EpochWriter::UntilResolved(Committer& committer, Status status, const EpochEnd* end) {
  auto pause = kFirstBackoff;
  for (int attempt = 1; status.code() == Code::kAborted; ++attempt) {
    if (attempt >= kAttempts || !WaitToRetry(pause)) {
      return {Code::kRetry, "the epoch was aborted " + std::to_string(attempt) + " times, last: " + status.message()};
    }
    pause = std::min<std::chrono::milliseconds>(pause * 2, kLastBackoff);
    status = Rewrite(committer);
    if (status.ok() && end != nullptr) status = committer.Commit(*end);
  }
  return status;
}

Status EpochWriter::CommitEpoch() {
  if (pinned_.empty()) return Status::Ok();
  EpochEnd end;
  end.epoch = ++epoch_;
  int64_t rows = 0;
  for (const Item& item : pinned_) {
    Merge(item.batch.positions, &end.positions);
    rows += item.rows;
  }
  for (Committer* committer : committers_) {
    FaultPoint("target.commit");
    RETURN_IF_ERROR(UntilResolved(*committer, committer->Commit(end), &end));
  }
  FaultPoint("epoch.committed");
  if (callbacks_.committed) callbacks_.committed(end, rows);

  std::lock_guard lock(mutex_);
  for (Item& item : pinned_) {
    held_bytes_ -= item.batch.bytes();
    if (spare_.size() < kSpares) {
      item.batch.Clear(item.batch.targets.size());
      spare_.push_back(std::move(item.batch));
    }
  }
  pinned_.clear();
  return Status::Ok();
}

}  // namespace anabranch
