// How a lane ends when something failed: what is complete is committed, the rest is kept.
#include <algorithm>

#include "engine/fault_point.h"
#include "engine/keep/kept_batch.h"
#include "engine/plan_graph.h"
#include "engine/run/guarded.h"
#include "engine/run/lane.h"

namespace anabranch {
namespace {

constexpr size_t kRecordsNamed = 10;

}  // namespace

Status Lane::KeepFailure(Status status) {
  NameFailedTarget();
  // An input that cannot be reached stops nothing for good: the next run goes on where this one was.
  if (failure_.error_class == "source" && status.code() == Code::kUnavailable) {
    failure_ = {};
    return status;
  }
  if (Status s = Guarded([this] { return KeepRest(); }); !s.ok()) {
    failure_.kept_rows = failure_.kept_bytes = 0;
    failure_.not_kept = s.message();
    return {s.code(), status.message()};
  }
  return status;
}

// Before anything more is committed: that stores positions again, which hides the loss from the next start.
void Lane::NoteLost(Status* status) {
  const std::vector<LostPosition> lost = parts_.source->lost();
  if (lost.empty()) return;
  *status = {status->code(), status->message() + kAcceptLoss};
  if (Status s = witness_.NoteLost(lost); !s.ok()) shared_.warn("the ledger: " + s.message());
}

// What was complete before the failure is good work: commit it, then report.
void Lane::CommitComplete(Status* status) {
  if (!writer_.status().ok()) return;
  if (failed_at_ == kNoStage) (void)ReleaseFinished(true);
  Status finished = Finish();
  if (finished.ok()) finished = feed_.SettleReleased();
  if (!finished.ok()) *status = status->WithContext("then, while committing what was complete: " + finished.message());
}

bool Lane::TakeOver(const std::string& stage, const Status& why) {
  Place parked = Place::kParked;
  if (!place_.compare_exchange_strong(parked, Place::kTaken)) return false;
  failed_at_ = FindStage(shared_.plan, stage);
  failure_.stage = stage;
  failure_.error_class = "timeout";
  failure_.message = why.message();
  const auto patiently = [this](const std::function<Status()>& step) {
    while (step().code() == Code::kRetry && writer_.status().ok() && !shared_.stop.now()) {
    }
  };
  patiently([this] { return writer_.CloseEpoch(); });
  patiently([this] { return writer_.WaitIdle(); });
  writer_.Stop();
  witness_.Flush();
  for (const auto& flight : in_flight_) {
    if (flight->done.load(std::memory_order_acquire)) continue;
    const RecordBatch& batch = *flight->batch;
    for (uint32_t row = 0; row < batch.rows(); ++row) {
      NoteRecord(batch.partitions->at(batch.partition[row]), batch.offset[row]);
    }
    break;
  }
  if (Status s = KeepRest(); !s.ok()) shared_.warn("nothing could be kept (" + s.message() + ")");
  return true;
}

// Targets will never take some rows. Everything since the last commit is computed again; those rows fail in their
// stages then, or go out as smaller letters.
Status Lane::OnRefused() {
  ReadOn();
  const std::vector<RefusedRow> rows = writer_.refused();
  if (!parts_.repeats && !rows.empty())
    return StopAtRefused(rows.front(), "; what its source gave cannot be read again");
  for (const RefusedRow& row : rows) RETURN_IF_ERROR(NoteRefused(row));
  RETURN_IF_ERROR(DropOpen());
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
  // Results that were kept with it inside do not go through its stage: they are made again, too.
  ASSIGN_OR_RETURN(const bool dropped, feed_.Drop(row.partition, row.offset));
  if (dropped) return Status::Ok();
  return StopAtRefused(row, noted == RefusedRows::Noted::kFull ? "; it refuses too many records" : "");
}

Status Lane::StopAtRefused(const RefusedRow& row, const char* why) {
  if (row.target != shared_.plan.dead_letters()) {
    failure_.stage = shared_.plan.targets[row.target].id;
    failure_.error_class = "target";
    failed_at_ = FindStage(shared_.plan, failure_.stage);
  }
  return {Code::kStage, row.reason + why};
}

void Lane::NoteRecord(const SourcePartition& from, int64_t offset) {
  if (failure_.records.size() >= kRecordsNamed) return;
  failure_.records.push_back(from.topic + "/" + std::to_string(from.partition) + "/" + std::to_string(offset));
}

void Lane::FailStage(const InFlight& flight) {
  const RecordBatch& batch = *flight.batch;
  failure_.stage = shared_.plan.StageName(failed_at_);
  failure_.error_class = flight.failed_class;
  failure_.attempts = flight.attempts;
  failure_.records.clear();
  const std::vector<uint8_t>& active = batch.stages[failed_at_].active;
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    if (row >= active.size() || active[row] == 0) continue;
    NoteRecord(batch.partitions->at(batch.partition[row]), batch.offset[row]);
  }
}

// A failure that no stage reported is the targets', or else the source's.
void Lane::NameFailedTarget() {
  if (!failure_.stage.empty()) return;
  const bool lost = !parts_.source->lost().empty() || (!lost_.empty() && !shared_.accept_loss);
  const size_t target = writer_.failed_committer();
  // A writer that was only stopped is kCancelled.
  const Code code = writer_.status().code();
  const bool failed = (code != Code::kOk && code != Code::kCancelled) || writer_.refuses();
  const bool of_target = !lost && failed && target < parts_.committer_stages.size();
  failure_.stage = of_target ? parts_.committer_stages[target] : parts_.source_id;
  const auto one = of_target ? parts_.committers[target]->FailedTarget() : std::nullopt;
  if (one && *one != shared_.plan.dead_letters()) failure_.stage = shared_.plan.targets[*one].id;
  failure_.error_class = lost ? kLostClass : of_target ? "target" : "source";
  failed_at_ = FindStage(shared_.plan, failure_.stage);
}

// What `failed` and the stages below it need, and nothing that they will make again.
std::vector<bool> Lane::DoneAbove(const RecordBatch& batch, StageId failed) const {
  const std::vector<bool> again = StageAndBelow(shared_.plan, failed);
  std::vector<bool> done(again.size());
  for (StageId stage = 0; stage < done.size(); ++stage) done[stage] = batch.stages[stage].done && !again[stage];
  return done;
}

// Every row from the committed position to the last one taken in: first what had left its stages, then what had not.
Status Lane::KeepRest() {
  if (shared_.kept == nullptr) return Status::Ok();
  FaultPoint("failure.keep");
  std::vector<std::string> frames;
  writer_.ForEachUncommitted([&](const EncodedBatch& batch, int64_t rows) {
    frames.push_back(WriteKeptOutputs(shared_.plan, *parts_.partitions, parts_.source_stage, batch, rows));
    failure_.kept_rows += rows;
    for (const PositionRange& range : batch.positions) {
      if (failure_.error_class == "target") NoteRecord(parts_.partitions->at(range.partition), range.first);
    }
  });
  for (const auto& flight : in_flight_) {
    const RecordBatch& batch = *flight->batch;
    frames.push_back(batch.complete ? WriteKeptOutputs(shared_.plan, *parts_.partitions, parts_.source_stage,
                                                       batch.encoded, flight->rows)
                                    : WriteKeptBatch(shared_.plan, batch, DoneAbove(batch, failed_at_)));
    failure_.kept_rows += flight->rows;
  }
  for (const std::string& frame : frames) failure_.kept_bytes += static_cast<int64_t>(frame.size());
  RETURN_IF_ERROR(shared_.kept->Keep(parts_.number, frames));
  FaultPoint("failure.kept");
  return feed_.SettleFed();
}

}  // namespace anabranch
