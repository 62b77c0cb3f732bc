#include "engine/run/failure_keeper.h"

#include <optional>
#include <utility>

#include "engine/fault_point.h"
#include "engine/keep/kept_batch.h"
#include "engine/plan_graph.h"
#include "engine/record_id.h"
#include "engine/run/guarded.h"

namespace anabranch {
namespace {

constexpr size_t kRecordsNamed = 10;

}  // namespace

void FailureKeeper::NoteStopped(const BatchWindow::Flight& flight) {
  stage_ = flight.failed_stage;
  if (flight.status.code() == Code::kCancelled) return;
  failure_.stage = shared_.plan.StageName(stage_);
  failure_.error_class = flight.failed_class;
  failure_.attempts = flight.attempts;
  failure_.records.clear();
  const RecordBatch& batch = *flight.batch;
  const std::vector<uint8_t>& active = batch.stages[stage_].active;
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    if (row >= active.size() || active[row] == 0) continue;
    NoteRecord(batch.partitions->at(batch.partition[row]), batch.offset[row]);
  }
}

void FailureKeeper::NoteRefused(const RefusedRow& row) {
  if (row.target == shared_.plan.dead_letters()) return;
  failure_.stage = shared_.plan.targets[row.target].id;
  failure_.error_class = ErrorClass::kTarget;
  stage_ = FindStage(shared_.plan, failure_.stage);
}

void FailureKeeper::NoteStuck(const std::string& stage, const Status& why) {
  stage_ = FindStage(shared_.plan, stage);
  failure_.stage = stage;
  failure_.error_class = ErrorClass::kTimeout;
  failure_.message = why.message();
  for (const auto& flight : window_.flights()) {
    if (flight->done.load(std::memory_order_acquire)) continue;
    const RecordBatch& batch = *flight->batch;
    for (uint32_t row = 0; row < batch.rows(); ++row) {
      NoteRecord(batch.partitions->at(batch.partition[row]), batch.offset[row]);
    }
    return;
  }
}

Status FailureKeeper::Keep(Status status) {
  NameOutside();
  // An input that cannot be reached stops nothing for good: the next run continues where this one was.
  if (failure_.error_class == ErrorClass::kSource && status.code() == Code::kUnavailable) {
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

void FailureKeeper::KeepForOthers() {
  if (Status s = Guarded([this] { return KeepRest(); }); !s.ok()) {
    shared_.warn("nothing could be kept (" + s.message() + ")");
  }
}

void FailureKeeper::NameOutside() {
  if (!failure_.stage.empty()) return;
  const bool lost = assignment_.stops_for_loss();
  const size_t target = writer_.failed_committer();
  // A writer that was only stopped is kCancelled.
  const Code code = writer_.status().code();
  const bool failed = (code != Code::kOk && code != Code::kCancelled) || writer_.refuses();
  const bool of_target = !lost && failed && target < parts_.committer_stages.size();
  failure_.stage = of_target ? parts_.committer_stages[target] : parts_.source_id;
  const auto one = of_target ? parts_.committers[target]->FailedTarget() : std::nullopt;
  if (one && *one != shared_.plan.dead_letters()) failure_.stage = shared_.plan.targets[*one].id;
  failure_.error_class = lost ? ErrorClass::kLostPosition : of_target ? ErrorClass::kTarget : ErrorClass::kSource;
  stage_ = FindStage(shared_.plan, failure_.stage);
}

void FailureKeeper::NoteRecord(const SourcePartition& from, int64_t offset) {
  if (failure_.records.size() >= kRecordsNamed) return;
  failure_.records.push_back(RecordId(from, offset));
}

// What the failed stage and the stages below it need, and nothing that they will make again.
std::vector<bool> FailureKeeper::DoneAbove(const RecordBatch& batch) const {
  const std::vector<bool> again = StageAndBelow(shared_.plan, stage_);
  std::vector<bool> done(again.size());
  for (StageId stage = 0; stage < done.size(); ++stage) done[stage] = batch.stages[stage].done && !again[stage];
  return done;
}

// Every row from the committed position to the last one read: first those that had left their stages, then the others.
Status FailureKeeper::KeepRest() {
  if (shared_.kept == nullptr) return Status::Ok();
  FaultPoint("failure.keep");
  std::vector<std::string> frames;
  const auto outputs = [this](const EncodedBatch& batch, int64_t rows) {
    return WriteKeptOutputs(shared_.plan, *parts_.partitions, parts_.source_stage, batch, rows);
  };
  writer_.ForEachUncommitted([&](const EncodedBatch& batch, int64_t rows) {
    frames.push_back(outputs(batch, rows));
    failure_.kept_rows += rows;
    if (failure_.error_class != ErrorClass::kTarget || (rows == 0 && !batch.has_rows())) return;
    for (const PositionRange& range : batch.positions) {
      NoteRecord(parts_.partitions->at(range.partition), range.first);
    }
  });
  for (const auto& flight : window_.flights()) {
    const RecordBatch& batch = *flight->batch;
    frames.push_back(batch.complete ? outputs(batch.encoded, flight->rows)
                                    : WriteKeptBatch(shared_.plan, batch, DoneAbove(batch)));
    failure_.kept_rows += flight->rows;
  }
  for (const std::string& frame : frames) failure_.kept_bytes += static_cast<int64_t>(frame.size());
  RETURN_IF_ERROR(shared_.kept->Keep(parts_.number, frames));
  FaultPoint("failure.kept");
  return feed_.SettleFed();
}

}  // namespace anabranch
