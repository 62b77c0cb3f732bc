#include "engine/run/lane.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "engine/fault_point.h"
#include "engine/run/guarded.h"
#include "engine/run/waits.h"

namespace anabranch {
namespace {

constexpr int64_t kRestPollNs = 200'000'000;  // each poll may bring a record, which is held

std::vector<Committer*> Pointers(const std::vector<std::unique_ptr<Committer>>& committers) {
  std::vector<Committer*> pointers;
  for (const auto& committer : committers) pointers.push_back(committer.get());
  return pointers;
}

bool ShowAtCommit(const std::vector<std::unique_ptr<Committer>>& committers) {
  return std::ranges::any_of(committers, [](const auto& committer) { return committer->ShowsAtCommit(); });
}

// Dead letters come from several sources and in no order of time: their lane has none.
std::optional<Watermarks> WatermarksOf(const Plan& plan, const std::string& source_id) {
  const auto source = std::ranges::find(plan.sources, source_id, &PlanSource::id);
  if (source == plan.sources.end() || !source->time) return std::nullopt;
  return Watermarks(source->time->lateness_us);
}

}  // namespace

Lane::Lane(RunShared& shared, Parts parts)
    : shared_(shared),
      parts_(std::move(parts)),
      logs_results_(shared.kept != nullptr && std::ranges::any_of(shared.plan.nodes, &PlanNode::keep_always)),
      settles_by_place_(logs_results_ || parts_.live->rereads_kept()),
      meter_(shared.measures.AddLane(parts_.number, parts_.source_id, *parts_.partitions, parts_.committer_stages,
                                     parts_.committer_targets)),
      counts_(shared.counters),
      window_(shared, parts_, counts_, meter_),
      feed_(shared.plan, shared.rules, parts_.live->rereads_kept() ? nullptr : shared.kept, parts_.source_id,
            *parts_.partitions),
      witness_(shared.ledger, shared.clock, shared.warn, parts_.source_id, *parts_.partitions,
               parts_.source->position_owner()),
      patience_(*parts_.source, writer_, window_, meter_, shared.stop, shared.plan.batch),
      arms_(shared.plan, shared.generations),
      watermarks_(WatermarksOf(shared.plan, parts_.source_id)),
      open_(shared.plan.epoch, shared.clock, writer_, patience_, meter_, arms_, shared.lane_bytes,
            ShowAtCommit(parts_.committers)),
      assignment_(shared, parts_, writer_, witness_, patience_),
      switches_(shared.generations, parts_, writer_, shared.stop),
      keeper_(shared, parts_, writer_, window_, assignment_, feed_),
      fed_(shared.lanes_fed),
      at_end_(shared.lanes_at_end),
      writer_(Pointers(parts_.committers), shared.lane_bytes, shared.stop,
              {[this] { OnCommitBegins(); }, [this](const EpochEnd& end, int64_t rows) { OnCommitted(end, rows); },
               &meter_}) {
  parts_.worker->SetLaneClock(&meter_.clock());
}

Lane::~Lane() = default;

Status Lane::Run() {
  meter_.clock().Begin();
  TellWork(LaneWork::kWorks);
  Status status = Guarded([this] { return Loop(); });
  window_.WaitForAll();
  const bool fenced = status.code() == Code::kFenced;
  const bool stopped = status.code() == Code::kCancelled && shared_.stop.now();
  const bool stage_failed = !status.ok() && status.code() != Code::kCancelled && !fenced;
  if (stage_failed) {
    patience_.set_failing();
    assignment_.NoteLost(&status);
  }
  if (!status.ok() && !fenced && !stopped) CommitComplete(&status);
  writer_.Stop();
  witness_.Flush();
  if (stage_failed && status.code() != Code::kRetry) {
    status = keeper_.Keep(std::move(status));
  } else if (status.code() == Code::kCancelled && !stopped && !window_.empty()) {
    // Another lane failed while a stage here waited to try again: the restart takes these rows up too.
    keeper_.KeepForOthers();
  }
  window_.Clear();
  if (stage_failed || fenced) shared_.stop.Raise(CancelToken::kDrain);
  parts_.source->Close();
  for (auto& committer : parts_.committers) committer->Close();
  meter_.clock().sheet().End();
  TellWork(LaneWork::kGone);
  return status.code() == Code::kCancelled ? Status::Ok() : status;
}

Status Lane::Loop() {
  while (!shared_.stop.draining()) {
    Status status = Step();
    while (patience_.group_changed() || HearsOfRefusal(status)) {
      status = patience_.group_changed() ? OnGroupChange() : OnRefused();
    }
    RETURN_IF_ERROR(std::move(status));
    if (at_end_ && shared_.lanes_at_end.load() >= shared_.lanes) break;
  }
  if (shared_.stop.now()) return {Code::kCancelled, "stopped"};
  Status drained = ReleaseAll();
  if (drained.ok()) drained = feed_.SettleReleased();
  if (patience_.group_changed()) return OnRevoked(true);
  return writer_.refuses() ? DropOpen() : drained;  // the next run reads those rows, and they are refused again
}

Status Lane::Step() {
  RETURN_IF_ERROR(writer_.status());
  RETURN_IF_ERROR(ReleaseFinished(false));
  RETURN_IF_ERROR(MakeRoomForLogs());
  RETURN_IF_ERROR(Rest());
  RETURN_IF_ERROR(Switch());
  if (patience_.TakeEnd()) return OnEnd();
  if (std::unique_ptr<RecordBatch> held = patience_.TakeHeld()) return OnEvent(SourceEvent::kRows, std::move(held));
  if (feed_.pending()) RETURN_IF_ERROR(Feed());
  std::unique_ptr<RecordBatch> batch = window_.TakeBatch();
  BatchLimits limits = window_.limits();
  if (!open_.empty()) limits.linger_ns = std::min(limits.linger_ns, std::max<int64_t>(0, open_.DueNs()));
  auto event = meter_.Poll(*parts_.source, *batch, limits, feed_.pending() ? 0 : WaitNs());
  if (!event.ok()) return event.status();
  return OnEvent(*event, std::move(batch));
}

Status Lane::OnEvent(SourceEvent event, std::unique_ptr<RecordBatch> batch) {
  if (event == SourceEvent::kRows || event == SourceEvent::kPositions) return OnRows(std::move(batch));
  window_.Recycle(std::move(batch));
  switch (event) {
    case SourceEvent::kIdle: return OnIdle();
    case SourceEvent::kAssigned: return OnAssigned();
    case SourceEvent::kRevoked: return OnRevoked(false);
    case SourceEvent::kLost: return OnRevoked(true);
    case SourceEvent::kEnd: return OnEnd();
    case SourceEvent::kRows:
    case SourceEvent::kPositions: break;
  }
  return Status::Ok();
}

Status Lane::OnRows(std::unique_ptr<RecordBatch> batch) {
  at_end_.Set(false);
  RETURN_IF_ERROR(open_.CloseIfDue(false));  // computing may take long
  if (parts_.live->Take(*batch)) {
    if (batch->rows() == 0) batch->PassPositions(shared_.plan.targets.size());
    // A complete batch is a letter that is only passed on: it is read, and no row of this run.
    const int64_t read = batch->rows();
    const int64_t rows = batch->complete ? 0 : read;
    const bool switches = switches_.Stamp(batch.get());
    RETURN_IF_ERROR(TakeIn(std::move(batch), {.rows = rows, .read = read}, switches));
  }
  return parts_.live->AtEnd() ? OnEnd() : Status::Ok();
}

Status Lane::TakeIn(std::unique_ptr<RecordBatch> batch, BatchWindow::Intake intake, bool switches) {
  batch->lane = parts_.number;
  batch->sequence = ++sequence_;
  shared_.counters.AddRead(intake.read);
  if (switches) intake.switches = switches_.oldest();
  window_.Submit(std::move(batch), intake);
  RETURN_IF_ERROR(ReleaseFinished(false));
  return open_.CloseIfDue(false);
}

void Lane::TellWork(LaneWork work) {
  if (shared_.generations != nullptr) shared_.generations->Works(parts_.number, work);
}

// What scores is exchanged: everything that was read is committed, and until it is there the lane answers its group
// only. Rows that some target has are computed first, as only the version that goes may score them.
Status Lane::Rest() {
  const Generations* const generations = shared_.generations;
  if (generations == nullptr || !generations->rests() || !switches_.settled()) return Status::Ok();
  RETURN_IF_ERROR(ReleaseAll());
  TellWork(LaneWork::kRests);
  const LaneClock::Spell paused(&meter_.clock(), LaneState::kPaused, parts_.worker->costliest());
  Status status;
  int64_t poll_ns = 0;
  while (status.ok() && generations->rests() && !shared_.stop.draining()) {
    const int64_t now = shared_.clock.NowNs();
    if (now >= poll_ns) {
      status = patience_.ServeGroup();
      poll_ns = now + kRestPollNs;
    }
    std::this_thread::sleep_for(std::chrono::nanoseconds(kBusyWaitNs));
  }
  TellWork(LaneWork::kWorks);
  return status;
}

// Nothing waits for it: the batches before it are on their way. At the end of its input a lane switches as idle ones
// do.
Status Lane::Switch() {
  if (at_end_ && parts_.live->ends_with_kept()) return Status::Ok();
  std::vector<PositionRange> ranges = switches_.Take();
  if (ranges.empty()) return Status::Ok();
  FaultPoint("lane.switch");
  std::unique_ptr<RecordBatch> batch = window_.TakeBatch();
  batch->positions = std::move(ranges);
  batch->intake_ns = meter_.polled_ns();
  batch->PassPositions(shared_.plan.targets.size());
  return TakeIn(std::move(batch), {}, true);
}

Status Lane::ReleaseFinished(bool wait_for_all) {
  while (true) {
    ASSIGN_OR_RETURN(const BatchWindow::Flight* oldest, window_.Finished(wait_for_all));
    if (oldest == nullptr) return Status::Ok();
    if (!oldest->status.ok()) {
      keeper_.NoteStopped(*oldest);
      if (shared_.show_stopped) shared_.show_stopped(*oldest->batch);
      return oldest->status;
    }
    RETURN_IF_ERROR(HandOver());
    RETURN_IF_ERROR(open_.CloseIfDue(false));
  }
}

// Gives the oldest batch to the writer. On an error it stays where it is, whole.
Status Lane::HandOver() {
  const BatchWindow::Flight& oldest = *window_.flights().front();
  if (oldest.switches) RETURN_IF_ERROR(open_.Close());
  if (shared_.show) shared_.show(*oldest.batch);
  oldest.batch->encoded.intake_ns = oldest.batch->intake_ns;
  oldest.batch->encoded.newest_ms = NewestOf(*oldest.batch);
  RETURN_IF_ERROR(open_.Push(oldest.batch->encoded, oldest.batch->rows(), oldest.rows));
  const std::shared_ptr<BatchWindow::Flight> flight = window_.Pop();
  RecordBatch& batch = *flight->batch;
  counts_.Add(flight->rows, flight->read, batch);
  if (flight->kept && flight->last_part) feed_.NoteReleased();
  if (flight->switches) switches_.Computed(*flight->switches);
  if (watermarks_) NoteTimes(batch);
  PassNoticesOn(batch);
  Status compared = CompareArms(batch);
  batch.encoded = writer_.TakeSpare();
  window_.Recycle(std::move(flight->batch));
  return compared;
}

Status Lane::ReleaseAll() {
  RETURN_IF_ERROR(ReleaseFinished(true));
  return open_.Finish();
}

// A log waits for room, and only a commit makes room: never let the open epoch be what it waits for.
Status Lane::MakeRoomForLogs() {
  if (!logs_results_ || open_.empty()) return Status::Ok();
  return shared_.kept->bytes() > shared_.plan.limits.kept_bytes / 2 ? ReleaseAll() : Status::Ok();
}

// In the order of each partition, as batches are handed over in the lane's order. Rows that were left to a later batch
// count there.
void Lane::NoteTimes(const RecordBatch& batch) {
  if (batch.time_us.empty()) return;
  const std::vector<Outcome>& outcome = batch.stages[batch.source].outcome;
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    if (outcome[row] != Outcome::kAbsent) watermarks_->Note(batch.partition[row], batch.time_us[row]);
  }
  meter_.NoteWatermarks(*watermarks_);
}

void Lane::PassNoticesOn(const RecordBatch& batch) {
  if (batch.complete) return;  // its stages did not run
  for (StageId stage = 0; stage < batch.stages.size(); ++stage) {
    const std::string& notice = batch.stages[stage].notice;
    if (!notice.empty()) shared_.warn("node \"" + shared_.plan.StageName(stage) + "\": " + notice);
  }
}

// Nobody waits for it but the rows that come next: where none do, the results of the batch are committed meanwhile.
// What fails there costs figures, never a row.
Status Lane::CompareArms(RecordBatch& batch) {
  if (shared_.generations == nullptr || batch.complete || batch.restored) return Status::Ok();
  const bool idle = window_.empty() && !feed_.pending() && batch.rows() < window_.limits().max_rows;
  if (idle && parts_.worker->WorksAfterHandOver()) RETURN_IF_ERROR(open_.CloseIfDue(true));
  Status status;
  window_.Park([&] { status = parts_.worker->RunAfterHandOver(batch); });
  if (!status.ok() && !std::exchange(unseen_said_, true)) {
    shared_.warn(status.message() + ": these rows are not compared. This is said once");
  }
  arms_.Count(batch, writer_.written(), open_.empty());
  return Status::Ok();
}

Status Lane::OnIdle() {
  RETURN_IF_ERROR(ReleaseFinished(false));
  const bool idle = window_.empty() && !feed_.pending();
  if (idle) open_.Send();
  return open_.CloseIfDue(idle);
}

Status Lane::OnEnd() {
  if (at_end_) {
    RETURN_IF_ERROR(OnIdle());  // it may have switched
    const LaneClock::Spell starved(&meter_.clock(), LaneState::kStarved, meter_.clock().source());
    std::this_thread::sleep_for(std::chrono::nanoseconds(kBusyWaitNs));
    return Status::Ok();
  }
  RETURN_IF_ERROR(ReleaseAll());
  if (parts_.live->ends_with_kept()) fed_.Set(true);
  at_end_.Set(true);
  return Status::Ok();
}

int64_t Lane::WaitNs() const { return window_.empty() ? open_.WaitNs() : kBusyWaitNs; }

void Lane::AddAway(std::vector<AwayPart>* away) const {
  if (std::string why = parts_.source->origin().WhyAway(); !why.empty()) {
    away->push_back({AwayPart::Kind::kSource, parts_.source_id, std::move(why)});
  }
  const std::optional<EpochWriter::Trouble> trouble = writer_.trouble();
  for (size_t i = 0; i < parts_.committers.size(); ++i) {
    std::string why = parts_.committers[i]->WhyAway();
    if (why.empty() && trouble && trouble->committer == i) why = trouble->why;
    const std::string& stage = parts_.committer_stages[i];
    if (!why.empty() && stage != parts_.source_id) away->push_back({AwayPart::Kind::kTarget, stage, std::move(why)});
  }
}

Status Lane::OnAssigned() {
  joined_.store(true, std::memory_order_relaxed);
  at_end_.Set(false);
  RETURN_IF_ERROR(ReleaseAll());
  const std::vector<PartitionId> partitions = parts_.source->partitions();
  ASSIGN_OR_RETURN(const std::vector<int64_t> next, assignment_.WhereToContinue(partitions));
  NoteAssigned(partitions, next);
  RETURN_IF_ERROR(feed_.Claim(partitions, next));
  RETURN_IF_ERROR(switches_.Begin(partitions, next, feed_.Scored()));
  if (!feed_.has_more()) return StartLive();
  fed_.Set(false);
  return Status::Ok();
}

void Lane::NoteAssigned(std::span<const PartitionId> partitions, std::span<const int64_t> next) {
  meter_.Assigned(partitions, next);
  if (watermarks_) meter_.NoteWatermarks(*watermarks_);
}

// One kept batch, or, after the last, the turn to live input. Between two of them the source is polled: a group must
// hear of its members.
Status Lane::Feed() {
  if (!feed_.has_more()) return StartLive();
  std::unique_ptr<RecordBatch> batch = window_.TakeBatch();
  int64_t rows = 0;
  const bool scored = feed_.NextIsScored();
  RETURN_IF_ERROR(feed_.Next(batch.get(), &rows));
  if (!batch->complete) rows = batch->rows();
  batch->intake_ns = meter_.polled_ns();
  const bool switches = scored ? switches_.Follow(batch.get()) : switches_.Stamp(batch.get());
  return TakeIn(std::move(batch), {.rows = rows, .kept = true}, switches);
}

Status Lane::StartLive() {
  RETURN_IF_ERROR(ReleaseAll());
  RETURN_IF_ERROR(feed_.SettleReleased());
  const std::vector<PartitionId> partitions = feed_.partitions();
  std::vector<int64_t> next = feed_.next();
  feed_.Close();
  const std::vector<int64_t> fed_to = next;
  RETURN_IF_ERROR(assignment_.Recover(partitions, &next));
  switches_.Move(partitions, fed_to, next);
  FaultPoint("restart.live");
  NoteAssigned(partitions, next);
  const bool reads = parts_.live->Begin(partitions, next);
  if (!reads || !parts_.live->rereads_kept()) fed_.Set(true);
  return reads ? parts_.source->Assign(partitions, next) : OnEnd();
}

// The partitions go while their rows cannot be committed: their next owner reads them again.
Status Lane::OnGroupChange() {
  const auto event = patience_.TakeGroupChange();
  RETURN_IF_ERROR(OnRevoked(true));
  return event == SourceEvent::kAssigned ? OnAssigned() : Status::Ok();
}

Status Lane::OnRevoked(bool lost) {
  at_end_.Set(false);
  meter_.Rebalanced();
  patience_.DropHeld();
  if (!lost) {
    patience_.set_leaving(true);  // the next owner reads what a target in trouble did not take
    Status finished = ReleaseAll();
    patience_.set_leaving(false);
    lost = finished.code() == Code::kRetry || writer_.refuses();
    if (finished.ok()) finished = feed_.SettleReleased();
    if (!finished.ok() && !lost) return finished;
  }
  if (lost) RETURN_IF_ERROR(DropOpen());
  feed_.Close();
  witness_.Flush();  // another lane may note these partitions from now on
  switches_.End();
  if (watermarks_) {
    for (const PartitionId partition : parts_.source->partitions()) watermarks_->Forget(partition);
  }
  meter_.Released();
  return parts_.source->Release();
}

bool Lane::HearsOfRefusal(const Status& status) const {
  return writer_.refuses() && (status.ok() || status.code() == Code::kAborted);
}

// Targets will never take some rows. Everything since the last commit is computed again; those rows fail in their
// stages then, or go out as smaller letters.
Status Lane::OnRefused() {
  at_end_.Set(false);
  const std::vector<RefusedRow> rows = writer_.refused();
  if (!parts_.repeats && !rows.empty())
    return StopAtRefused(rows.front(), "; what its source gave cannot be read again");
  for (const RefusedRow& row : rows) RETURN_IF_ERROR(NoteRefused(row));
  RETURN_IF_ERROR(DropOpen());
  switches_.Repeat();
  if (!rows.empty() && !refused_said_) {
    refused_said_ = true;
    shared_.warn(rows.front().reason + ": what was not committed yet is computed again without it");
  }
  FaultPoint("lane.refused");
  return OnAssigned();
}

Status Lane::NoteRefused(const RefusedRow& row) {
  const RefusedRows::Noted noted = shared_.refused.Note(row);
  if (noted == RefusedRows::Noted::kNew) return Status::Ok();
  // Kept results that hold it do not go through its stage: they are made again, too.
  ASSIGN_OR_RETURN(const bool dropped, feed_.Drop(row.partition, row.offset));
  if (dropped) return Status::Ok();
  return StopAtRefused(row, noted == RefusedRows::Noted::kFull ? "; it refuses too many records" : "");
}

Status Lane::StopAtRefused(const RefusedRow& row, const char* why) {
  keeper_.NoteRefused(row);
  return {Code::kStage, row.reason + why};
}

// What is not committed is left to whoever reads those rows again.
Status Lane::DropOpen() {
  window_.WaitForAll();
  patience_.DropHeld();
  patience_.ForgetEnd();
  open_.Forget();
  RETURN_IF_ERROR(writer_.AbandonOpen());
  counts_.TakeBack();
  arms_.Forget();
  window_.Drop();
  ForgetKept();
  return Status::Ok();
}

void Lane::OnCommitBegins() {
  if (shared_.committed) commit_began_ns_ = shared_.clock.NowNs();
  SyncKept();
}

void Lane::OnCommitted(const EpochEnd& end, int64_t rows) {
  if (shared_.committed) {
    shared_.committed({parts_.number, rows, end.positions, commit_began_ns_, shared_.clock.NowNs()});
  }
  counts_.Commit(rows);
  if (settles_by_place_) {
    std::vector<KeptHeader::Range> ranges;
    for (const PositionRange& range : end.positions) {
      ranges.push_back({parts_.partitions->at(range.partition), range.first, range.next});
    }
    TellKept(ranges);
  }
  for (const PositionRange& range : end.positions) {
    shared_.refused.Forget(parts_.partitions->at(range.partition), range.next);
  }
  witness_.Committed(end.positions);
  switches_.Committed(end.positions);
  arms_.Committed();
}

// Results that are kept on the way only save work: what cannot be kept is reported, and will be computed again.
void Lane::SyncKept() {
  if (!logs_results_) return;
  if (Status s = shared_.kept->SyncLog(parts_.number); !s.ok()) shared_.warn("kept results: " + s.message());
}

// The next owner of the partitions computes their rows: what was logged of them serves nobody.
void Lane::ForgetKept() {
  if (!logs_results_ || feed_.pending()) return;
  std::vector<KeptHeader::Range> ranges;
  for (const PartitionId partition : parts_.source->partitions()) {
    ranges.push_back({parts_.partitions->at(partition), 0, INT64_MAX});
  }
  TellKept(ranges);
}

void Lane::TellKept(const std::vector<KeptHeader::Range>& committed) {
  if (Status s = shared_.kept->Committed(committed); !s.ok()) shared_.warn("kept results: " + s.message());
}

// What was complete before the failure is good work: commit it, then report.
void Lane::CommitComplete(Status* status) {
  if (!writer_.status().ok()) return;
  if (!keeper_.stopped()) (void)ReleaseFinished(true);
  Status finished = open_.Finish();
  if (finished.ok()) finished = feed_.SettleReleased();
  if (!finished.ok()) *status = status->WithContext("then, while committing what was complete: " + finished.message());
}

bool Lane::TakeOver(const std::string& stage, const Status& why) {
  if (!window_.TakeOver()) return false;
  const auto patiently = [this](const std::function<Status()>& step) {
    while (step().code() == Code::kRetry && writer_.status().ok() && !shared_.stop.now()) {
    }
  };
  patiently([this] { return writer_.CloseEpoch(); });
  patiently([this] { return writer_.WaitIdle(); });
  writer_.Stop();
  witness_.Flush();
  keeper_.NoteStuck(stage, why);
  keeper_.KeepForOthers();
  return true;
}

}  // namespace anabranch
