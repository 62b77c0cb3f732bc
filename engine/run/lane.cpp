#include "engine/run/lane.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace anabranch {
namespace {

constexpr int64_t kIdleWaitNs = 50'000'000;
constexpr int64_t kBusyWaitNs = 1'000'000;
constexpr int64_t kWitnessNs = 1'000'000'000;
constexpr int kRecoverPolls = 60;  // 3 s

std::vector<Committer*> Pointers(const std::vector<std::unique_ptr<Committer>>& committers) {
  std::vector<Committer*> pointers;
  for (const auto& committer : committers) pointers.push_back(committer.get());
  return pointers;
}

}  // namespace

Lane::Lane(RunShared& shared, Parts parts)
    : shared_(shared),
      parts_(std::move(parts)),
      max_in_flight_(shared.crew == nullptr ? 1 : static_cast<size_t>(std::thread::hardware_concurrency()) + 2),
      writer_(Pointers(parts_.committers), shared.lane_bytes, shared.stop,
              {[this](const EpochEnd& end, int64_t rows) { NoteCommitted(end, rows); }}) {}

Lane::~Lane() = default;

Status Lane::Run() {
  Status status = Loop();
  WaitForAll();
  in_flight_.clear();
  const bool may_commit = !status.ok() && status.code() != Code::kCancelled && status.code() != Code::kFenced;
  if (may_commit && writer_.status().ok()) {
    // What was complete before the failure is good work: commit it, then report.
    if (Status s = Finish(); !s.ok())
      status = status.WithContext("then, while committing what was complete: " + s.message());
  }
  writer_.Stop();
  WriteWitness();
  if (!status.ok() && status.code() != Code::kCancelled) shared_.stop.Raise(CancelToken::kDrain);
  parts_.source->Close();
  for (auto& committer : parts_.committers) committer->Close();
  return status.code() == Code::kCancelled ? Status::Ok() : status;
}

Status Lane::Loop() {
  while (!shared_.stop.draining()) {
    RETURN_IF_ERROR(Step());
    if (at_end_ && shared_.lanes_at_end.load() >= shared_.lanes) break;
  }
  if (shared_.stop.now()) return {Code::kCancelled, "stopped"};
  RETURN_IF_ERROR(ReleaseFinished(true));
  return Finish();
}

// A commit that stays aborted often means that the group took the partitions away and this member has not
// heard of it yet: listen for that before giving up. Rows polled meanwhile are dropped uncommitted.
Status Lane::Recover(Status failure) {
  if (failure.code() != Code::kRetry) return failure;
  for (int i = 0; i < kRecoverPolls && !shared_.stop.draining(); ++i) {
    RecordBatch dropped;
    dropped.Clear(shared_.plan.columns.size(), shared_.plan.stages());
    auto event = parts_.source->Poll(dropped, shared_.plan.batch, kIdleWaitNs);
    const bool gone = event.ok() && (*event == SourceEvent::kLost || *event == SourceEvent::kRevoked);
    dropped.Clear(0, 0);
    if (!event.ok()) return event.status();
    if (gone) return OnRevoked(true);
  }
  return failure;
}

Status Lane::Step() {
  if (Status failure = writer_.status(); !failure.ok()) return Recover(std::move(failure));
  RETURN_IF_ERROR(ReleaseFinished(false));
  auto batch = TakeBatch();
  batch->source = parts_.source_stage;
  batch->partitions = parts_.partitions.get();
  auto event = parts_.source->Poll(*batch, shared_.plan.batch, WaitNs());
  if (!event.ok()) return event.status();
  return OnEvent(*event, std::move(batch));
}

Status Lane::OnEvent(SourceEvent event, std::unique_ptr<RecordBatch> batch) {
  if (event == SourceEvent::kRows) {
    ReadOn();
    shared_.counters.AddRead(batch->rows());
    Submit(std::move(batch));
    RETURN_IF_ERROR(ReleaseFinished(false));
    return CloseEpochIfDue(false);
  }
  batch->Clear(shared_.plan.columns.size(), shared_.plan.stages());
  spare_.push_back(std::move(batch));
  switch (event) {
    case SourceEvent::kIdle: return OnIdle();
    case SourceEvent::kAssigned: return OnAssigned();
    case SourceEvent::kRevoked: return OnRevoked(false);
    case SourceEvent::kLost: return OnRevoked(true);
    case SourceEvent::kEnd: return OnEnd();
    case SourceEvent::kRows: break;
  }
  return Status::Ok();
}

// Where to go on: the least of what the targets still want and what the source stored; a target that
// has more suppresses the rows it has. A target without progress begins where the source's stored
// position is, or, without one, at the source's `start`.
Status Lane::OnAssigned() {
  ReadOn();
  RETURN_IF_ERROR(ReleaseFinished(true));
  RETURN_IF_ERROR(Finish());
  const std::vector<PartitionId> partitions = parts_.source->partitions();
  ASSIGN_OR_RETURN(const std::vector<int64_t> stored, parts_.source->StoredPositions(partitions));
  std::vector<int64_t> least(partitions.size(), kWantsNothing);
  std::vector<bool> unknown(partitions.size(), false);
  for (auto& committer : parts_.committers) {
    ASSIGN_OR_RETURN(const std::vector<int64_t> wanted, committer->Progress(partitions));
    for (size_t i = 0; i < partitions.size(); ++i) {
      if (wanted[i] == kNoPosition) unknown[i] = true;
      if (wanted[i] != kNoPosition) least[i] = std::min(least[i], wanted[i]);
    }
  }
  RETURN_IF_ERROR(CheckWitness(partitions, stored));
  std::vector<int64_t> next(partitions.size(), kNoPosition);
  for (size_t i = 0; i < partitions.size(); ++i) {
    if (stored[i] != kNoPosition) {
      next[i] = std::min(stored[i], least[i]);
    } else if (!unknown[i] && least[i] != kWantsNothing) {
      next[i] = least[i];
    }
  }
  return parts_.source->Assign(partitions, next);
}

std::string Lane::WitnessName(PartitionId partition) const {
  const SourcePartition& from = parts_.partitions->at(partition);
  return "position:" + parts_.source_id + ":" + from.topic + "/" + std::to_string(from.partition);
}

// What the outside stores is the truth; the ledger remembers the last position that it saw committed. A
// group that forgot it would be read again from its start: refuse instead of doubling or skipping.
Status Lane::CheckWitness(const std::vector<PartitionId>& partitions, const std::vector<int64_t>& stored) {
  if (shared_.ledger == nullptr || !parts_.stores_positions) return Status::Ok();
  for (size_t i = 0; i < partitions.size(); ++i) {
    ASSIGN_OR_RETURN(const auto seen, shared_.ledger->Get(WitnessName(partitions[i])));
    if (!seen || stored[i] >= std::stoll(*seen)) continue;
    const SourcePartition& from = parts_.partitions->at(partitions[i]);
    return {Code::kStage, "source \"" + parts_.source_id + "\": the stored position of " + from.topic + "/" +
                              std::to_string(from.partition) + " is " +
                              (stored[i] == kNoPosition ? std::string("gone") : std::to_string(stored[i])) +
                              ", but this pipeline has committed up to " + *seen +
                              ": the group's offsets expired or were reset. Set them back to " + *seen +
                              " with the tools of the outside system, or start over with --fresh --new-identity"};
  }
  return Status::Ok();
}

void Lane::NoteCommitted(const EpochEnd& end, int64_t rows) {
  shared_.counters.AddCommitted(rows);
  if (shared_.ledger == nullptr || !parts_.stores_positions) return;
  for (const PositionRange& range : end.positions) committed_[range.partition] = range.next;
  const int64_t now = shared_.clock.NowNs();
  if (now - witnessed_ns_ < kWitnessNs) return;
  witnessed_ns_ = now;
  WriteWitness();
}

void Lane::WriteWitness() {
  std::map<std::string, std::string> facts;
  for (const auto& [partition, next] : committed_) facts[WitnessName(partition)] = std::to_string(next);
  committed_.clear();
  if (facts.empty()) return;
  if (Status s = shared_.ledger->Put(facts); !s.ok()) shared_.warn("the ledger: " + s.message());
}

Status Lane::OnRevoked(bool lost) {
  ReadOn();
  if (!lost) {
    RETURN_IF_ERROR(ReleaseFinished(true));
    const Status finished = Finish();
    lost = finished.code() == Code::kRetry;
    if (!finished.ok() && !lost) return finished;
  }
  if (lost) {
    WaitForAll();
    in_flight_.clear();
    ForgetOpenEpoch();
    RETURN_IF_ERROR(writer_.AbandonOpen());
  }
  return parts_.source->Release();
}

// More may come after all: this lane does not count as ended any more.
void Lane::ReadOn() {
  if (!at_end_) return;
  at_end_ = false;
  --shared_.lanes_at_end;
}

Status Lane::OnIdle() {
  if (!in_flight_.empty()) return ReleaseFinished(false);
  return CloseEpochIfDue(true);
}

Status Lane::OnEnd() {
  if (at_end_) {
    std::this_thread::sleep_for(std::chrono::nanoseconds(kBusyWaitNs));
    return Status::Ok();
  }
  RETURN_IF_ERROR(ReleaseFinished(true));
  RETURN_IF_ERROR(Finish());
  at_end_ = true;
  ++shared_.lanes_at_end;
  return Status::Ok();
}

void Lane::Submit(std::unique_ptr<RecordBatch> batch) {
  // A full batch means that more is waiting: hand it over and poll on. Otherwise it runs here, without a
  // hop, and idle threads are there for its branches.
  const bool more_waits = batch->rows() >= shared_.plan.batch.max_rows;
  auto flight = std::make_shared<InFlight>();
  flight->batch = std::move(batch);
  in_flight_.push_back(flight);
  const auto compute = [this, flight](PlanWorker& worker) {
    flight->status = worker.Run(*flight->batch, shared_.crew);
    flight->failed_stage = worker.failed_stage();
    flight->done.store(true, std::memory_order_release);
    flight->done.notify_all();
  };
  if (more_waits && in_flight_.size() < max_in_flight_ && shared_.crew != nullptr && shared_.crew->TryRun(compute))
    return;
  compute(*parts_.worker);
}

Status Lane::ReleaseFinished(bool wait_for_all) {
  while (!in_flight_.empty()) {
    InFlight& head = *in_flight_.front();
    if (wait_for_all || in_flight_.size() >= max_in_flight_) head.done.wait(false);
    if (!head.done.load(std::memory_order_acquire)) return Status::Ok();
    if (!head.status.ok()) {
      failed_stage_ = shared_.plan.StageName(head.failed_stage);
      return head.status;
    }
    RETURN_IF_ERROR(Release(head));
    in_flight_.pop_front();
  }
  return Status::Ok();
}

void Lane::WaitForAll() {
  for (auto& flight : in_flight_) flight->done.wait(false);
}

Status Lane::Release(InFlight& flight) {
  RecordBatch& batch = *flight.batch;
  shared_.counters.Add(batch);
  // A push may wait for room, and only a commit makes room: the open epoch must never hold it all.
  const size_t bytes = batch.encoded.bytes();
  if (open_batches_ > 0 && open_bytes_ + bytes > shared_.lane_bytes / 2) {
    ForgetOpenEpoch();
    RETURN_IF_ERROR(writer_.CloseEpoch());
  }
  if (open_batches_ == 0) open_since_ns_ = shared_.clock.NowNs();
  ++open_batches_;
  open_rows_ += batch.rows();
  open_bytes_ += bytes;
  RETURN_IF_ERROR(writer_.Push(std::move(batch.encoded), batch.rows()));
  batch.encoded = writer_.TakeSpare();
  batch.Clear(shared_.plan.columns.size(), shared_.plan.stages());
  spare_.push_back(std::move(flight.batch));
  return CloseEpochIfDue(false);
}

// An idle lane closes its epoch at once, unless a commit is running: then the next epoch grows
// meanwhile, which keeps the number of commits in step with what the targets can take.
Status Lane::CloseEpochIfDue(bool idle) {
  if (open_batches_ == 0) return Status::Ok();
  const EpochLimits& limits = shared_.plan.epoch;
  const bool full = open_rows_ >= limits.max_rows || open_bytes_ >= limits.max_bytes ||
                    shared_.clock.NowNs() - open_since_ns_ >= limits.commit_ns;
  if (!full && !(idle && writer_.idle())) return Status::Ok();
  ForgetOpenEpoch();
  return writer_.CloseEpoch();
}

Status Lane::Finish() {
  if (open_batches_ > 0) {
    ForgetOpenEpoch();
    RETURN_IF_ERROR(writer_.CloseEpoch());
  }
  return writer_.WaitIdle();
}

void Lane::ForgetOpenEpoch() {
  open_batches_ = 0;
  open_rows_ = 0;
  open_bytes_ = 0;
}

int64_t Lane::WaitNs() const { return in_flight_.empty() && open_batches_ == 0 ? kIdleWaitNs : kBusyWaitNs; }

std::unique_ptr<RecordBatch> Lane::TakeBatch() {
  if (spare_.empty()) {
    auto batch = std::make_unique<RecordBatch>();
    batch->Clear(shared_.plan.columns.size(), shared_.plan.stages());
    return batch;
  }
  auto batch = std::move(spare_.back());
  spare_.pop_back();
  return batch;
}

}  // namespace anabranch
