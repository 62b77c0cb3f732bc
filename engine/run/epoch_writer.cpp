#include "engine/run/epoch_writer.h"

#include <algorithm>
#include <chrono>

namespace anabranch {
namespace {

constexpr int kCommitAttempts = 8;
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

EpochWriter::~EpochWriter() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
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
  std::lock_guard lock(mutex_);
  if (!status_.ok()) return status_;
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
    if (abandon_) {
      queue_.clear();
      held_bytes_ = 0;
      lock.unlock();
      pinned_.clear();
      Status aborted;
      for (Committer* committer : committers_) {
        if (Status s = committer->Abort(); !s.ok() && aborted.ok()) aborted = std::move(s);
      }
      lock.lock();
      abandon_ = false;
      if (!aborted.ok()) status_ = std::move(aborted);
      changed_.notify_all();
      continue;
    }
    if (queue_.empty() || (stop_ && (!status_.ok() || cancel_.now()))) return;
    Item item = std::move(queue_.front());
    queue_.pop_front();
    if (!status_.ok()) continue;
    busy_ = true;
    lock.unlock();
    Status status;
    if (item.end) {
      status = CommitEpoch();
    } else {
      pinned_.push_back(std::move(item));
      status = WriteBatch(pinned_.back().batch);
    }
    lock.lock();
    busy_ = false;
    if (!status.ok()) status_ = std::move(status);
    changed_.notify_all();
  }
}

Status EpochWriter::WriteBatch(const EncodedBatch& batch) {
  for (Committer* committer : committers_) {
    Status status = committer->Write(batch);
    if (status.code() == Code::kAborted) status = Rewrite(*committer);
    RETURN_IF_ERROR(status);
  }
  return Status::Ok();
}

Status EpochWriter::Rewrite(Committer& committer) {
  for (const Item& item : pinned_) RETURN_IF_ERROR(committer.Write(item.batch));
  return Status::Ok();
}

Status EpochWriter::CommitOne(Committer& committer, const EpochEnd& end) {
  auto backoff = kFirstBackoff;
  Status status = committer.Commit(end);
  for (int attempt = 1; status.code() == Code::kAborted && attempt < kCommitAttempts && !cancel_.now(); ++attempt) {
    std::this_thread::sleep_for(backoff);
    backoff = std::min<std::chrono::milliseconds>(backoff * 2, kLastBackoff);
    status = Rewrite(committer);
    if (status.ok()) status = committer.Commit(end);
  }
  if (status.code() == Code::kAborted) {
    return {Code::kRetry,
            "the epoch was aborted " + std::to_string(kCommitAttempts) + " times, last: " + status.message()};
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
  for (Committer* committer : committers_) RETURN_IF_ERROR(CommitOne(*committer, end));
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
