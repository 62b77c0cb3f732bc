#include "engine/run/lane.h"

#include <algorithm>
#include <chrono>
#include <ranges>
#include <thread>
#include <utility>

#include "engine/fault_point.h"
#include "engine/plan_graph.h"
#include "engine/run/guarded.h"

namespace anabranch {
namespace {

constexpr int64_t kIdleWaitNs = 50'000'000;
constexpr int64_t kBusyWaitNs = 1'000'000;
constexpr size_t kHeldBatches = 4096;
constexpr std::string_view kSplitClass = "split";
constexpr int kLeavingTries = 6;  // of half a second

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
      pacer_(shared.plan, ChooseBatch(shared.plan)),
      feed_(shared.plan, shared.rules, parts_.live->rereads_kept() ? nullptr : shared.kept, parts_.source_id,
            *parts_.partitions),
      keeps_always_(shared.kept != nullptr && std::ranges::any_of(shared.plan.nodes, &PlanNode::keep_always)),
      commits_when_idle_(std::ranges::any_of(parts_.committers, [](const auto& c) { return c->ShowsAtCommit(); })),
      witness_(shared.ledger, shared.clock, shared.warn, parts_.source_id, *parts_.partitions,
               parts_.source->position_owner()),
      writer_(Pointers(parts_.committers), shared.lane_bytes, shared.stop,
              {[this] { SyncKept(); }, [this](const EpochEnd& end, int64_t rows) { NoteCommitted(end, rows); }}) {}

Lane::~Lane() = default;

Status Lane::Run() {
  Status status = Guarded([this] { return Loop(); });
  WaitForAll();
  const bool fenced = status.code() == Code::kFenced;
  const bool stopped = status.code() == Code::kCancelled && shared_.stop.now();
  const bool stage_failed = !status.ok() && status.code() != Code::kCancelled && !fenced;
  failing_ = stage_failed;
  if (stage_failed) NoteLost(&status);
  if (!status.ok() && !fenced && !stopped) CommitComplete(&status);
  writer_.Stop();
  witness_.Flush();
  if (stage_failed && status.code() != Code::kRetry) {
    status = KeepFailure(std::move(status));
  } else if (status.code() == Code::kCancelled && !stopped && !in_flight_.empty()) {
    // Another lane failed while a stage here waited to try again: the restart takes these rows up too.
    if (Status s = Guarded([this] { return KeepRest(); }); !s.ok()) {
      shared_.warn("nothing could be kept (" + s.message() + ")");
    }
  }
  in_flight_.clear();
  if (stage_failed || fenced) shared_.stop.Raise(CancelToken::kDrain);
  parts_.source->Close();
  for (auto& committer : parts_.committers) committer->Close();
  return status.code() == Code::kCancelled ? Status::Ok() : status;
}

void Lane::Unpark() {
  Place parked = Place::kParked;
  if (!place_.compare_exchange_strong(parked, Place::kMoving)) place_.wait(Place::kTaken);  // for good
}

Status Lane::Loop() {
  while (!shared_.stop.draining()) {
    Status status = Step();
    while (group_change_ || HearsOfRefusal(status)) status = group_change_ ? OnGroupChange() : OnRefused();
    RETURN_IF_ERROR(std::move(status));
    if (at_end_ && shared_.lanes_at_end.load() >= shared_.lanes) break;
  }
  if (shared_.stop.now()) return {Code::kCancelled, "stopped"};
  Status drained = ReleaseFinished(true);
  if (drained.ok()) drained = Finish();
  if (drained.ok()) drained = feed_.SettleReleased();
  if (group_change_) return OnRevoked(true);
  return writer_.refuses() ? DropOpen() : drained;  // the next run reads those rows and hears of them again
}

bool Lane::HearsOfRefusal(const Status& status) const {
  return writer_.refuses() && (status.ok() || status.code() == Code::kAborted);
}

// Does what the writer refuses while a target is in trouble, again and again: meanwhile the group is served, so that it
// does not take this lane for dead.
Status Lane::Patiently(const std::function<Status()>& step) {
  for (int tries = 1;; ++tries) {
    Status status = step();
    if (status.code() != Code::kRetry || !writer_.status().ok()) return status;
    if (leaving_ && tries >= kLeavingTries) return status;
    if (failing_) shared_.stop.Raise(CancelToken::kDrain);  // a target in trouble is not waited for without end
    if (!leaving_) RETURN_IF_ERROR(ServeGroup());
  }
}

// Rows that come meanwhile are few (one per call) and wait their turn.
Status Lane::ServeGroup() {
  if (shared_.stop.now()) return {Code::kCancelled, "stopped"};
  if (held_.size() >= kHeldBatches) return Status::Ok();
  auto batch = TakeBatch();
  batch->source = parts_.source_stage;
  batch->partitions = parts_.partitions.get();
  BatchLimits one = shared_.plan.batch;
  one.max_rows = 1;
  auto event = parts_.source->Poll(*batch, one, 0);
  if (!event.ok()) return event.status();
  if (*event == SourceEvent::kRows) {
    held_.push_back(std::move(batch));
  } else if (*event == SourceEvent::kRevoked || *event == SourceEvent::kLost || *event == SourceEvent::kAssigned) {
    group_change_ = *event;
    return {Code::kAborted, "the group gave the partitions to others"};
  } else {
    end_heard_ = end_heard_ || *event == SourceEvent::kEnd;
    spare_.push_back(std::move(batch));
  }
  return Status::Ok();
}

// The partitions go while their rows cannot be committed: their next owner reads them again.
Status Lane::OnGroupChange() {
  const SourceEvent event = *group_change_;
  group_change_.reset();
  RETURN_IF_ERROR(OnRevoked(true));
  return event == SourceEvent::kAssigned ? OnAssigned() : Status::Ok();
}

Status Lane::Step() {
  RETURN_IF_ERROR(writer_.status());
  RETURN_IF_ERROR(ReleaseFinished(false));
  // A log waits for room, and only a commit makes room: never let the open epoch be what it waits for.
  if (keeps_always_ && open_batches_ > 0 && shared_.kept->bytes() > shared_.plan.limits.kept_bytes / 2) {
    RETURN_IF_ERROR(ReleaseFinished(true));
    RETURN_IF_ERROR(Finish());
  }
  if (end_heard_ && held_.empty()) {
    end_heard_ = false;
    return OnEnd();
  }
  if (!held_.empty()) {
    std::unique_ptr<RecordBatch> batch = std::move(held_.front());
    held_.pop_front();
    return OnEvent(SourceEvent::kRows, std::move(batch));
  }
  if (feed_.pending()) RETURN_IF_ERROR(Feed());
  auto batch = TakeBatch();
  batch->source = parts_.source_stage;
  batch->partitions = parts_.partitions.get();
  BatchLimits limits = pacer_.limits();
  if (open_batches_ > 0) limits.linger_ns = std::min(limits.linger_ns, std::max<int64_t>(0, DueNs()));
  auto event = parts_.source->Poll(*batch, limits, feed_.pending() ? 0 : WaitNs());
  if (!event.ok()) return event.status();
  return OnEvent(*event, std::move(batch));
}

// One kept batch, or, after the last, the turn to live input. Between two of them the source is polled: a group
// must hear of its members.
Status Lane::Feed() {
  if (!feed_.has_more()) return StartLive();
  auto batch = TakeBatch();
  batch->source = parts_.source_stage;
  batch->partitions = parts_.partitions.get();
  RETURN_IF_ERROR(feed_.Next(batch.get(), &fed_rows_));
  return OnBatch(std::move(batch), 0);
}

Status Lane::StartLive() {
  RETURN_IF_ERROR(ReleaseFinished(true));
  RETURN_IF_ERROR(Finish());
  RETURN_IF_ERROR(feed_.SettleReleased());
  const std::vector<PartitionId> partitions = feed_.partitions();
  std::vector<int64_t> next = feed_.next();
  feed_.Close();
  if (!lost_.empty()) RETURN_IF_ERROR(Recover(partitions, &next));
  FaultPoint("restart.live");
  const bool reads = parts_.live->Begin(partitions, next);
  if (reads) {
    if (!parts_.live->rereads_kept()) NoteFed();
    return parts_.source->Assign(partitions, next);
  }
  NoteFed();
  return OnEnd();
}

void Lane::NoteFed() {
  if (fed_) return;
  fed_ = true;
  ++shared_.lanes_fed;
}

Status Lane::OnBatch(std::unique_ptr<RecordBatch> batch, int64_t read) {
  batch->lane = parts_.number;
  batch->sequence = ++sequence_;
  shared_.counters.AddRead(read);
  Submit(std::move(batch), read);
  RETURN_IF_ERROR(ReleaseFinished(false));
  return CloseEpochIfDue(false);
}

Status Lane::OnEvent(SourceEvent event, std::unique_ptr<RecordBatch> batch) {
  if (event == SourceEvent::kRows) {
    ReadOn();
    RETURN_IF_ERROR(CloseEpochIfDue(false));  // computing may take long
    if (parts_.live->Take(*batch)) {
      const int64_t rows = batch->rows();
      RETURN_IF_ERROR(OnBatch(std::move(batch), rows));
    }
    return parts_.live->AtEnd() ? OnEnd() : Status::Ok();
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
// position is, or, without one, at the source's `start`, which is stored before anything is read: whoever owns the
// partition later begins there, and a stored position that is gone was deleted.
Status Lane::OnAssigned() {
  ReadOn();
  RETURN_IF_ERROR(ReleaseFinished(true));
  RETURN_IF_ERROR(Finish());
  const std::vector<PartitionId> partitions = parts_.source->partitions();
  ASSIGN_OR_RETURN(std::vector<int64_t> next, WhereToGoOn(partitions));
  RETURN_IF_ERROR(feed_.Claim(partitions, std::move(next)));
  if (fed_ && feed_.has_more()) {
    fed_ = false;
    --shared_.lanes_fed;
  }
  return feed_.has_more() ? Status::Ok() : StartLive();
}

Result<std::vector<int64_t>> Lane::WhereToGoOn(const std::vector<PartitionId>& partitions) {
  std::vector<int64_t> least(partitions.size(), kWantsNothing), most(partitions.size(), kNoPosition);
  std::vector<bool> unknown(partitions.size(), false);
  // The committers first: what they left open after a failure hides the stored positions.
  for (auto& committer : parts_.committers) {
    ASSIGN_OR_RETURN(const std::vector<int64_t> wanted, committer->Progress(partitions));
    for (size_t i = 0; i < partitions.size(); ++i) {
      if (wanted[i] == kNoPosition) unknown[i] = true;
      if (wanted[i] != kNoPosition) least[i] = std::min(least[i], wanted[i]);
      if (wanted[i] != kWantsNothing) most[i] = std::max(most[i], wanted[i]);
    }
  }
  ASSIGN_OR_RETURN(const std::vector<int64_t> stored, parts_.source->StoredPositions(partitions));
  ASSIGN_OR_RETURN(lost_, witness_.FindLost(partitions, stored, most));
  // Whether the others can be read by now shows when they are.
  if (!shared_.accept_loss) std::erase_if(lost_, [](const auto& lost) { return lost.why != LostPosition::Why::kGone; });
  if (!lost_.empty() && !shared_.accept_loss) return witness_.Refusal(lost_, partitions, stored, *parts_.source);
  ASSIGN_OR_RETURN(std::vector<int64_t> next, witness_.Starts(*parts_.source, partitions));
  std::vector<PartitionId> fresh;
  std::vector<int64_t> starts;
  for (size_t i = 0; i < partitions.size(); ++i) {
    const auto lost = std::ranges::find(lost_, partitions[i], &LostPosition::partition);
    if (lost != lost_.end()) {
      // Rows that were kept begin there: they are older than the loss.
      const bool gone = lost->why == LostPosition::Why::kGone;
      next[i] = gone ? std::max(stored[i], lost->position) : stored[i] == kNoPosition ? lost->position : stored[i];
      set_by_hand_[partitions[i]] = gone && stored[i] < lost->position ? stored[i] : kNoPosition;
    } else if (stored[i] != kNoPosition) {
      next[i] = std::min(stored[i], least[i]);
    } else {
      if (!unknown[i] && least[i] != kWantsNothing) next[i] = least[i];
      fresh.push_back(partitions[i]);
      starts.push_back(next[i]);
    }
  }
  RETURN_IF_ERROR(Store(fresh, starts));
  // What passed by is behind every target; new rows must not look like old ones to the one that is ahead.
  for (size_t i = 0; i < partitions.size() && !parts_.repeats; ++i) next[i] = std::max<int64_t>(most[i], 0);
  return next;
}

// Has the outside store `next`, tried until the group changes hands: then nothing of this assignment counts.
Status Lane::Store(const std::vector<PartitionId>& partitions, const std::vector<int64_t>& next) {
  if (partitions.empty() || parts_.source->position_owner().empty()) return Status::Ok();
  std::vector<PositionRange> ranges;
  for (size_t i = 0; i < partitions.size(); ++i) {
    if (next[i] != kNoPosition) ranges.push_back({partitions[i], next[i], next[i]});
  }
  RETURN_IF_ERROR(Patiently([&] {
    if (shared_.stop.draining()) return Status(Code::kCancelled, "stopped");
    Status status = parts_.source->CommitPositions(ranges);
    if (status.code() == Code::kRetry) std::this_thread::sleep_for(std::chrono::nanoseconds(kIdleWaitNs));
    return status;
  }));
  return witness_.Moved(partitions, next);
}

// In an order in which the loss stands until the end: killed anywhere, the next start finds it again.
Status Lane::Recover(const std::vector<PartitionId>& partitions, std::vector<int64_t>* next) {
  std::vector<PartitionId> ids;
  std::vector<int64_t> moved;
  for (const LostPosition& lost : lost_) {
    const auto at = static_cast<size_t>(std::ranges::find(partitions, lost.partition) - partitions.begin());
    ASSIGN_OR_RETURN((*next)[at], parts_.source->FirstReadable(lost, set_by_hand_[lost.partition]));
    ids.push_back(lost.partition);
    moved.push_back((*next)[at]);
    const SourcePartition& from = parts_.partitions->at(lost.partition);
    shared_.warn("loss accepted: " + from.topic + "/" + std::to_string(from.partition) + " goes on at " +
                 std::to_string(moved.back()) + "; it was at " + std::to_string(lost.position));
  }
  for (auto& committer : parts_.committers) RETURN_IF_ERROR(MoveProgress(*committer, ids, moved));
  RETURN_IF_ERROR(Store(ids, moved));
  lost_.clear();
  return Status::Ok();
}

// Only where the topic begins anew does a target go back; else what it has beyond the loss stays written.
Status Lane::MoveProgress(Committer& committer, const std::vector<PartitionId>& ids, std::vector<int64_t> next) {
  ASSIGN_OR_RETURN(const std::vector<int64_t> had, committer.Progress(ids));
  for (size_t i = 0; i < ids.size(); ++i) {
    const bool gone = std::ranges::find(lost_, ids[i], &LostPosition::partition)->why == LostPosition::Why::kGone;
    if (!gone && had[i] != kWantsNothing) next[i] = std::max(next[i], had[i]);
  }
  return committer.MoveProgress(ids, next);
}

void Lane::NoteCommitted(const EpochEnd& end, int64_t rows) {
  shared_.counters.AddCommitted(rows);
  {
    const std::lock_guard lock(counted_mutex_);
    for (int64_t left = rows; left > 0 && !counted_.empty(); counted_.pop_front()) left -= counted_.front().rows;
  }
  if (keeps_always_ || parts_.live->rereads_kept()) {
    std::vector<KeptHeader::Range> ranges;
    for (const PositionRange& range : end.positions) {
      ranges.push_back({parts_.partitions->at(range.partition), range.first, range.next});
    }
    if (Status s = shared_.kept->Committed(ranges); !s.ok()) shared_.warn("kept results: " + s.message());
  }
  for (const PositionRange& range : end.positions) {
    shared_.refused.Forget(parts_.partitions->at(range.partition), range.next);
  }
  witness_.Committed(end.positions);
}

// Results that were kept on the way only save work: what cannot be kept is told and will be computed again.
void Lane::SyncKept() {
  if (!keeps_always_) return;
  if (Status s = shared_.kept->SyncLog(parts_.number); !s.ok()) shared_.warn("kept results: " + s.message());
}

Status Lane::OnRevoked(bool lost) {
  ReadOn();
  held_.clear();
  if (!lost) {
    leaving_ = true;  // a target in trouble does not hold the group up: the next owner reads the rows again
    Status finished = ReleaseFinished(true);
    if (finished.ok()) finished = Finish();
    leaving_ = false;
    lost = finished.code() == Code::kRetry || writer_.refuses();
    if (finished.ok()) finished = feed_.SettleReleased();
    if (!finished.ok() && !lost) return finished;
  }
  if (lost) RETURN_IF_ERROR(DropOpen());
  feed_.Close();
  witness_.Flush();  // another lane may note these partitions from now on
  return parts_.source->Release();
}

// What is not committed is left to whoever reads those rows again.
Status Lane::DropOpen() {
  WaitForAll();
  held_.clear();
  end_heard_ = false;
  ForgetOpenEpoch();
  RETURN_IF_ERROR(writer_.AbandonOpen());
  TakeCountsBack();
  in_flight_.clear();
  ForgetKept();
  return Status::Ok();
}

// Each record is counted by whoever commits it.
void Lane::TakeCountsBack() {
  const std::lock_guard lock(counted_mutex_);
  for (const Counted& counted : counted_) {
    shared_.counters.Add(counted.counts, -1);
    shared_.counters.AddRead(-counted.read);
  }
  counted_.clear();
  for (const auto& flight : in_flight_) shared_.counters.AddRead(-flight->read);
}

// The next owner of the partitions computes their rows: what was kept of them on the way serves nobody.
void Lane::ForgetKept() {
  if (!keeps_always_ || feed_.pending()) return;
  std::vector<KeptHeader::Range> ranges;
  for (const PartitionId partition : parts_.source->partitions()) {
    ranges.push_back({parts_.partitions->at(partition), 0, INT64_MAX});
  }
  if (Status s = shared_.kept->Committed(ranges); !s.ok()) shared_.warn("kept results: " + s.message());
}

// More may come after all: this lane does not count as ended any more.
void Lane::ReadOn() {
  if (!at_end_) return;
  at_end_ = false;
  --shared_.lanes_at_end;
}

Status Lane::OnIdle() {
  RETURN_IF_ERROR(ReleaseFinished(false));
  const bool idle = in_flight_.empty() && !feed_.pending();
  if (idle && unsent_) {
    unsent_ = false;
    writer_.SendNow();
  }
  return CloseEpochIfDue(idle && commits_when_idle_);
}

Status Lane::OnEnd() {
  if (at_end_) {
    std::this_thread::sleep_for(std::chrono::nanoseconds(kBusyWaitNs));
    return Status::Ok();
  }
  RETURN_IF_ERROR(ReleaseFinished(true));
  RETURN_IF_ERROR(Finish());
  if (parts_.live->ends_with_kept()) NoteFed();
  at_end_ = true;
  ++shared_.lanes_at_end;
  return Status::Ok();
}

void Lane::Submit(std::unique_ptr<RecordBatch> batch, int64_t read) {
  // A full batch means that more is waiting: hand it over and poll on. Otherwise it runs here, without a
  // hop, and idle threads are there for its branches.
  const bool more_waits = batch->rows() >= pacer_.limits().max_rows;
  auto flight = std::make_shared<InFlight>();
  flight->rows = batch->complete ? fed_rows_ : batch->rows();
  flight->read = read;
  flight->batch = std::move(batch);
  in_flight_.push_back(flight);
  const auto compute = [this, flight](PlanWorker& worker) { Compute(*flight, worker); };
  if (more_waits && in_flight_.size() < max_in_flight_ && shared_.crew != nullptr && shared_.crew->TryRun(compute))
    return;
  ComputeHere(*flight);
}

Status Lane::ReleaseFinished(bool wait_for_all) {
  while (!in_flight_.empty()) {
    InFlight& head = *in_flight_.front();
    if (std::exchange(head.waits, false)) ComputeHere(head);
    if (wait_for_all || in_flight_.size() >= max_in_flight_) Await(head);
    if (!head.done.load(std::memory_order_acquire)) return Status::Ok();
    if (!head.status.ok() && head.failed_class == kSplitClass) {
      RETURN_IF_ERROR(SplitHead());
      continue;
    }
    if (!head.status.ok()) {
      failed_at_ = head.failed_stage;
      if (head.status.code() != Code::kCancelled) FailStage(head);
      return head.status;
    }
    RETURN_IF_ERROR(HandOver());
    RETURN_IF_ERROR(CloseEpochIfDue(false));
  }
  return Status::Ok();
}

void Lane::Await(InFlight& flight) {
  if (flight.waits || flight.done.load(std::memory_order_acquire)) return;
  place_ = Place::kParked;
  flight.done.wait(false);
  Unpark();
}

void Lane::WaitForAll() {
  for (auto& flight : in_flight_) Await(*flight);
}

void Lane::Pace(const InFlight& flight) {
  if (flight.batch->restored) return;
  pacer_.Note(flight.batch->rows(), flight.busy_ns);
  if (const BatchMiss miss = pacer_.TakeMiss(); miss.rows > 0) shared_.warn(TooSlowNow(shared_.plan, miss));
}

// Gives the first batch in flight to the writer. On an error the batch is where it was: whole, and in the window.
Status Lane::HandOver() {
  const InFlight& head = *in_flight_.front();
  RecordBatch& batch = *head.batch;
  Pace(head);
  // A push may wait for room, and only a commit makes room: the open epoch must never hold it all.
  const size_t bytes = batch.encoded.bytes();
  if (open_batches_ > 0 && open_bytes_ + bytes > shared_.lane_bytes / 2) {
    ForgetOpenEpoch();
    RETURN_IF_ERROR(Patiently([this] { return writer_.CloseEpoch(); }));
  }
  RETURN_IF_ERROR(Patiently([&] { return writer_.Push(std::move(batch.encoded), head.rows); }));
  if (open_batches_ == 0) open_since_ns_ = shared_.clock.NowNs();
  ++open_batches_;
  open_rows_ += batch.rows();
  open_bytes_ += bytes;
  NoteCounted(head.rows, head.read, batch);
  unsent_ = !commits_when_idle_;
  if (feed_.pending() && head.last_part) feed_.NoteReleased();
  PassNoticesOn(batch);
  std::unique_ptr<RecordBatch> done = std::move(in_flight_.front()->batch);
  in_flight_.pop_front();
  Recycle(std::move(done));
  return Status::Ok();
}

// Counts it until it is dropped.
void Lane::NoteCounted(int64_t rows, int64_t read, const RecordBatch& batch) {
  Counted counted{rows, read, shared_.counters.Of(batch)};
  shared_.counters.Add(counted.counts);
  const std::lock_guard lock(counted_mutex_);
  counted_.push_back(std::move(counted));
}

void Lane::PassNoticesOn(const RecordBatch& batch) {
  if (batch.complete) return;  // its stages did not run
  for (StageId stage = 0; stage < batch.stages.size(); ++stage) {
    const std::string& notice = batch.stages[stage].notice;
    if (!notice.empty()) shared_.warn("node \"" + shared_.plan.StageName(stage) + "\": " + notice);
  }
}

void Lane::Recycle(std::unique_ptr<RecordBatch> batch) {
  batch->encoded = writer_.TakeSpare();
  batch->Clear(shared_.plan.columns.size(), shared_.plan.stages());
  spare_.push_back(std::move(batch));
}

// An idle lane whose readers wait for a commit closes its epoch at once, unless a commit is running: then the next
// epoch grows meanwhile, which keeps the number of commits in step with what the targets can take.
Status Lane::CloseEpochIfDue(bool idle) {
  if (open_batches_ == 0) return Status::Ok();
  const EpochLimits& limits = shared_.plan.epoch;
  const bool full = open_rows_ >= limits.max_rows || open_bytes_ >= limits.max_bytes || DueNs() <= 0;
  if (!full && !(idle && writer_.idle())) return Status::Ok();
  ForgetOpenEpoch();
  return Patiently([this] { return writer_.CloseEpoch(); });
}

Status Lane::Finish() {
  if (open_batches_ > 0) {
    ForgetOpenEpoch();
    RETURN_IF_ERROR(Patiently([this] { return writer_.CloseEpoch(); }));
  }
  return Patiently([this] { return writer_.WaitIdle(); });
}

void Lane::ForgetOpenEpoch() {
  open_batches_ = 0;
  open_rows_ = 0;
  open_bytes_ = 0;
  unsent_ = false;
}

// Until the open epoch is to be closed.
int64_t Lane::DueNs() const { return open_since_ns_ + shared_.plan.epoch.commit_ns - shared_.clock.NowNs(); }

// How long the source may take to say that nothing is at hand.
int64_t Lane::WaitNs() const {
  if (!in_flight_.empty()) return kBusyWaitNs;
  if (unsent_) return 0;
  if (open_batches_ == 0) return kIdleWaitNs;
  if (commits_when_idle_) return kBusyWaitNs;
  return std::clamp(DueNs(), kBusyWaitNs, kIdleWaitNs);
}

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
