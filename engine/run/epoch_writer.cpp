#include "engine/run/epoch_writer.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "engine/fault_point.h"
#include "engine/run/guarded.h"

namespace anabranch {
namespace {

constexpr size_t kClosedEpochs = 2;  // one that commits and one that waits: a drain stays short
constexpr auto kWaitSlice = std::chrono::milliseconds(500);
constexpr auto kDrainPatience = std::chrono::seconds(10);
constexpr size_t kSpares = 64;
constexpr auto kFirstBackoff = std::chrono::milliseconds(50);
constexpr int kTroubledAttempts = 4;  // fewer pass by themselves, in less than half a second
constexpr auto kLastBackoff = std::chrono::milliseconds(2000);

void Merge(const std::vector<PositionRange>& from, std::vector<PositionRange>* into) {
  for (const PositionRange& range : from) {
    auto at = std::find_if(into->begin(), into->end(), [&](const auto& r) { return r.partition == range.partition; });
    if (at == into->end()) {
      into->push_back(range);
    } else {
      at->first = std::min(at->first, range.first);
      at->next = std::max(at->next, range.next);
      at->scoring = range.scoring;
    }
  }
}

// Of an error that ends the writer; empty: it is none, or was reported before.
const char* WordFor(Code code) {
  switch (code) {
    case Code::kInvalid: return "invalid";
    case Code::kUnavailable: return "unavailable";
    case Code::kStage: return "stage";
    case Code::kTimedOut: return "timed_out";
    case Code::kFenced: return "fenced";
    case Code::kInternal: return "internal";
    case Code::kOk:
    case Code::kRetry:
    case Code::kAborted:
    case Code::kCancelled: break;
  }
  return "";
}

}  // namespace

EpochWriter::EpochWriter(std::vector<Committer*> committers, size_t max_bytes, const CancelToken& cancel,
                         Callbacks callbacks)
    : committers_(std::move(committers)),
      max_bytes_(max_bytes),
      cancel_(cancel),
      callbacks_(std::move(callbacks)),
      meter_(callbacks_.meter != nullptr ? *callbacks_.meter : no_meter_),
      progress_(committers_.size()),
      failed_(committers_.size()),
      thread_([this] { Loop(); }) {}

EpochWriter::~EpochWriter() { Stop(); }

void EpochWriter::Stop() {
  {
    const MutexLock lock(mutex_);
    if (status_.ok()) status_ = {Code::kCancelled, "stopped"};
    stop_ = true;
  }
  changed_.NotifyAll();
  if (thread_.joinable()) thread_.join();
}

template <typename Ready>
Status EpochWriter::WaitFor(LaneState state, Ready ready) {
  const auto done = [&]() NO_THREAD_SAFETY_ANALYSIS { return !status_.ok() || !refused_.empty() || ready(); };
  if (!done()) {
    meter_.WaitBegins(state);
    const bool in_time = changed_.WaitFor(mutex_, kWaitSlice, done);
    meter_.WaitEnds();
    if (!in_time) return {Code::kRetry, "a target takes its time"};
  }
  if (status_.ok() && !refused_.empty()) return {Code::kAborted, "a target refuses records"};
  return status_;
}

Result<std::vector<int64_t>> EpochWriter::Progress(size_t i, std::span<const PartitionId> partitions) {
  ASSIGN_OR_RETURN(progress_[i], committers_[i]->Progress(partitions));
  written_.Learn(partitions, progress_[i]);
  return LeastOf(progress_[i], partitions.size());
}

Status EpochWriter::MoveProgress(size_t i, std::span<const PartitionId> partitions, std::span<const int64_t> next) {
  RETURN_IF_ERROR(committers_[i]->MoveProgress(partitions, next));
  written_.Move(partitions, next, progress_[i]);
  return Status::Ok();
}

Status EpochWriter::Push(EncodedBatch&& batch, int64_t rows) {
  const size_t bytes = batch.bytes();
  const MutexLock lock(mutex_);
  RETURN_IF_ERROR(WaitFor(LaneState::kBlocked,
                          [&]() REQUIRES(mutex_) { return held_bytes_ == 0 || held_bytes_ + bytes <= max_bytes_; }));
  Item& item = queue_.emplace_back();
  try {
    written_.Drop(&batch, &item.whole);
  } catch (...) {
    queue_.pop_back();
    throw;
  }
  item.batch = std::move(batch);
  item.rows = rows;
  item.bytes = bytes;
  held_bytes_ += bytes;
  meter_.Holds(held_bytes_);
  changed_.NotifyAll();
  return Status::Ok();
}

Status EpochWriter::CloseEpoch() {
  const MutexLock lock(mutex_);
  RETURN_IF_ERROR(WaitFor(LaneState::kCommitting, [this]() REQUIRES(mutex_) { return closed_ < kClosedEpochs; }));
  ++closed_;
  queue_.push_back({{}, 0, true, 0, {}});
  changed_.NotifyAll();
  return Status::Ok();
}

void EpochWriter::SendNow() {
  {
    const MutexLock lock(mutex_);
    send_now_ = true;
  }
  changed_.NotifyAll();
}

Status EpochWriter::WaitIdle() {
  const MutexLock lock(mutex_);
  return WaitFor(LaneState::kCommitting, [this]() REQUIRES(mutex_) { return queue_.empty() && !busy_ && !send_now_; });
}

Status EpochWriter::AbandonOpen() {
  const MutexLock lock(mutex_);
  if (!status_.ok()) return status_;
  abandon_ = true;
  for (Committer* committer : committers_) committer->Interrupt();
  changed_.NotifyAll();
  meter_.WaitBegins(LaneState::kCommitting);
  changed_.Wait(mutex_, [this]() REQUIRES(mutex_) { return !status_.ok() || !abandon_; });
  meter_.WaitEnds();
  return status_;
}

std::vector<RefusedRow> EpochWriter::refused() const {
  const MutexLock lock(mutex_);
  return refused_;
}

bool EpochWriter::idle() const {
  const MutexLock lock(mutex_);
  return queue_.empty() && !busy_;
}

Status EpochWriter::status() const {
  const MutexLock lock(mutex_);
  return status_;
}

EncodedBatch EpochWriter::TakeSpare() {
  const MutexLock lock(mutex_);
  if (spare_.empty()) return {};
  EncodedBatch batch = std::move(spare_.back());
  spare_.pop_back();
  return batch;
}

void EpochWriter::Loop() {
  const MutexLock lock(mutex_);
  while (true) {
    changed_.Wait(mutex_, [this]() REQUIRES(mutex_) {
      const bool at_work = status_.ok() && refused_.empty();
      return stop_ || abandon_ || (at_work && (!queue_.empty() || send_now_));
    });
    if (stop_) return;
    if (abandon_) {
      Abandon();
      continue;
    }
    busy_ = true;
    Status status = TakeNext();
    meter_.Rests();
    busy_ = false;
    if (!status.ok() && status_.ok() && refused_.empty() && !abandon_) status_ = std::move(status);
    changed_.NotifyAll();
  }
}

// What is queued comes first: SendNow() is of what was pushed before it.
Status EpochWriter::TakeNext() {
  if (queue_.empty()) {
    send_now_ = false;
    const MutexUnlock unlock(mutex_);
    for (Committer* committer : committers_) committer->SendNow();
    return Status::Ok();
  }
  Item item = std::move(queue_.front());
  queue_.pop_front();
  const bool end = item.end;
  Status status;
  {
    const MutexUnlock unlock(mutex_);
    if (end) {
      status = CommitEpoch();
    } else {
      pinned_.push_back(std::move(item));
      status = WriteBatch(pinned_.back().batch);
    }
  }
  if (end) --closed_;
  return status;
}

// The bytes stay until every committer has let go of them: some are written without a copy.
void EpochWriter::Abandon() {
  if (held_bytes_ > 0) meter_.Abandoned();
  queue_.clear();
  closed_ = 0;
  send_now_ = false;
  failed_ = committers_.size();
  for (Committer* committer : committers_) committer->Resume();
  Status aborted;
  {
    const MutexUnlock unlock(mutex_);
    for (Committer* committer : committers_) {
      if (Status s = committer->Abort(); !s.ok() && aborted.ok()) aborted = std::move(s);
    }
    if (aborted.ok()) pinned_.clear();
  }
  held_bytes_ = 0;
  meter_.Holds(0);
  abandon_ = false;
  refused_.clear();
  refuses_ = false;
  if (!aborted.ok()) status_ = std::move(aborted);
  changed_.NotifyAll();
}

bool EpochWriter::WaitToRetry(Backoff::Duration pause) {
  const MutexLock lock(mutex_);
  return !changed_.WaitFor(mutex_, pause, [this]() REQUIRES(mutex_) { return stop_ || abandon_; }) && !cancel_.now();
}

Status EpochWriter::WriteBatch(const EncodedBatch& batch) {
  for (size_t i = 0; i < committers_.size(); ++i) {
    meter_.Works(i);
    if (Status s = UntilResolved(i, Guarded([&] { return committers_[i]->Write(batch); }), {}); !s.ok()) {
      failed_ = i;
      return s;
    }
  }
  return Status::Ok();
}

Status EpochWriter::Rewrite(Committer& committer) {
  for (const Item& item : pinned_) RETURN_IF_ERROR(committer.Write(item.batch));
  return Status::Ok();
}

bool EpochWriter::TakeRefused(Committer& committer) {
  std::vector<RefusedRow> rows = committer.TakeRefused();
  const MutexLock lock(mutex_);
  refused_ = std::move(rows);
  refuses_ = !refused_.empty();
  return refuses_;
}

std::optional<EpochWriter::Trouble> EpochWriter::trouble() const {
  const MutexLock lock(mutex_);
  return trouble_;
}

// Ok: it is over.
void EpochWriter::NoteTrouble(size_t committer, const Status& status) {
  const MutexLock lock(mutex_);
  trouble_ = status.ok() ? std::nullopt : std::optional(Trouble{committer, status.message()});
}

Status EpochWriter::UntilResolved(size_t i, Status status, const Step& then) {
  Committer& committer = *committers_[i];
  Backoff backoff(kFirstBackoff, kLastBackoff);
  std::optional<std::chrono::steady_clock::time_point> draining_since;
  int attempts = 1;
  for (; status.code() == Code::kAborted; ++attempts) {
    const bool refused = TakeRefused(committer);
    meter_.Failed(i, refused ? "refused" : "aborted");
    if (refused) break;  // its rows go elsewhere: no trouble is left
    meter_.Pauses(i);
    if (cancel_.draining() && !draining_since) draining_since = std::chrono::steady_clock::now();
    const bool drained_enough = draining_since && std::chrono::steady_clock::now() - *draining_since > kDrainPatience;
    if (drained_enough || !WaitToRetry(backoff.Next())) {
      status = {Code::kRetry,
                "the epoch was aborted " + std::to_string(attempts) + " times, last: " + status.message()};
      break;
    }
    if (attempts == kTroubledAttempts) NoteTrouble(i, status);
    meter_.Works(i);
    meter_.Aborted();
    status = Guarded([&] {
      RETURN_IF_ERROR(Rewrite(committer));
      return then ? then(committer) : Status::Ok();
    });
  }
  if (attempts >= kTroubledAttempts) NoteTrouble(i, Status::Ok());
  if (const char* failed = WordFor(status.code()); *failed != 0) meter_.Failed(i, failed);
  return status;
}

Status EpochWriter::OnEach(size_t first, bool commits, const Step& step) {
  for (size_t i = first; i < committers_.size(); ++i) {
    meter_.Works(i);
    if (commits) meter_.CommitBegins(i);
    if (Status s = UntilResolved(i, Guarded([&] { return step(*committers_[i]); }), step); !s.ok()) {
      failed_ = i;
      return s;
    }
    if (commits) meter_.CommitEnds(i);
  }
  return Status::Ok();
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
  if (callbacks_.before_commit) callbacks_.before_commit();
  // What a later unit refuses must be known before an earlier one commits: the record may leave as a dead letter there.
  RETURN_IF_ERROR(OnEach(1, false, [](Committer& committer) { return committer.Prepare(); }));
  const auto commit = [&end](Committer& committer) {
    const Status fault = FaultStatus("target.commit");
    return fault.ok() ? committer.Commit(end) : fault;
  };
  RETURN_IF_ERROR(OnEach(0, true, commit));
  FaultPoint("epoch.committed");
  TellMeter();
  if (callbacks_.committed) callbacks_.committed(end, rows);

  const MutexLock lock(mutex_);
  for (Item& item : pinned_) {
    held_bytes_ -= item.bytes;
    if (spare_.size() < kSpares) {
      item.batch.Clear(item.batch.targets.size());
      spare_.push_back(std::move(item.batch));
    }
  }
  pinned_.clear();
  meter_.Holds(held_bytes_);
  return Status::Ok();
}

void EpochWriter::TellMeter() const {
  std::vector<const EncodedBatch*> batches;
  for (const Item& item : pinned_) batches.push_back(&item.batch);
  meter_.Committed(batches);
}

}  // namespace anabranch
