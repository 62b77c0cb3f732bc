#include "engine/run/lane_meter.h"

#include <algorithm>
#include <utility>

#include "engine/clock.h"
#include "engine/record_batch.h"

namespace anabranch {
namespace {

constexpr int64_t kEndsEveryNs = 1'000'000'000;

double Seconds(int64_t ns) { return static_cast<double>(std::max<int64_t>(0, ns)) * 1e-9; }

}  // namespace

TargetRecord::TargetRecord(std::span<const double> seconds)
    : commit_seconds(seconds), event_seconds(seconds), intake_seconds(seconds) {}

LaneMeter::LaneMeter(const Clock& clock, std::vector<std::string> names, std::span<TargetRecord* const> targets,
                     Parts parts)
    : now_(clock),
      parts_(std::move(parts)),
      targets_(targets.begin(), targets.end()),
      clock_(clock, std::move(names), parts_.culprit_of_source),
      writer_(clock, parts_.committers.size() * 2 + 1),
      epoch_rows_(EpochRowsEdges()),
      epoch_open_seconds_(SecondsEdges()) {
  writer_.Begin(parts_.committers.size() * 2);
}

Result<SourceEvent> LaneMeter::Poll(Source& source, RecordBatch& batch, const BatchLimits& limits, int64_t wait_ns) {
  TimeSheet& sheet = clock_.sheet();
  const size_t busy = clock_.Cell(LaneState::kBusy, clock_.source());
  const size_t starved = clock_.Cell(LaneState::kStarved, clock_.source());
  const size_t before = sheet.now_in();
  const int64_t begin = sheet.NowNs();
  const int64_t waited_before = source.waited_ns();
  sheet.Open(begin);
  Result<SourceEvent> event = source.Poll(batch, limits, wait_ns);
  batch.intake_ns = polled_ns_ = sheet.NowNs();
  const int64_t whole = polled_ns_ - begin;
  const bool rows = event.ok() && *event == SourceEvent::kRows;
  const int64_t waited = rows ? std::clamp<int64_t>(source.waited_ns() - waited_before, 0, whole) : whole;
  const TimeSheet::Part parts[] = {{starved, waited}, {busy, whole - waited}};
  sheet.Divide(parts, before, polled_ns_);
  records_.fetch_add(batch.rows(), std::memory_order_relaxed);
  bytes_.fetch_add(static_cast<int64_t>(batch.payload_bytes), std::memory_order_relaxed);
  if (polled_ns_ >= ends_at_ns_) NoteEnds(source);
  return event;
}

void LaneMeter::Assigned(std::span<const PartitionId> partitions, std::span<const int64_t> next) {
  const MutexLock lock(mutex_);
  assigned_.clear();
  for (size_t i = 0; i < partitions.size(); ++i) {
    assigned_.push_back({partitions[i], next[i] == kNoPosition ? kUnknown : next[i]});
  }
  ends_at_ns_ = 0;
}

void LaneMeter::Released() {
  const MutexLock lock(mutex_);
  assigned_.clear();
}

void LaneMeter::NoteEnds(const Source& source) {
  ends_at_ns_ = polled_ns_ + kEndsEveryNs;
  tombstones_.store(static_cast<int64_t>(source.tombstones()), std::memory_order_relaxed);
  const std::vector<PartitionEnd> ends = source.Ends();
  const MutexLock lock(mutex_);
  for (const PartitionEnd& each : ends) {
    const auto at = std::ranges::find(assigned_, each.partition, &Partition::id);
    if (at != assigned_.end() && each.end != kNoPosition) at->end = each.end;
  }
}

void LaneMeter::NoteEpoch(uint64_t rows, int64_t open_ns) {
  epoch_rows_.Add(static_cast<double>(rows));
  epoch_open_seconds_.Add(Seconds(open_ns));
}

void LaneMeter::NoteWatermarks(const Watermarks& watermarks) {
  const MutexLock lock(mutex_);
  for (Partition& each : assigned_) each.watermark_us = watermarks.Of(each.id);
}

void LaneMeter::Failed(size_t committer, const char* why) {
  for (const TargetId target : parts_.committers[committer]) {
    const MutexLock lock(targets_[target]->mutex);
    ++targets_[target]->errors[why];
  }
}

void LaneMeter::CommitBegins(size_t /*committer*/) { commit_begin_ns_ = now_.NowNs(); }

void LaneMeter::CommitEnds(size_t committer) {
  const double seconds = Seconds(now_.NowNs() - commit_begin_ns_);
  for (const TargetId target : parts_.committers[committer]) targets_[target]->commit_seconds.Add(seconds);
}

void LaneMeter::Committed(std::span<const EncodedBatch* const> batches) {
  const int64_t now = now_.NowNs();
  const int64_t wall_ms = now_.WallMs();
  committed_.fetch_add(1, std::memory_order_relaxed);
  for (const auto& unit : parts_.committers) {
    for (const TargetId target : unit) NoteRows(batches, target, now, wall_ms);
  }
  const MutexLock lock(mutex_);
  for (const EncodedBatch* batch : batches) {
    for (size_t i = 0; i < batch->positions.size(); ++i) {
      const auto at = std::ranges::find(assigned_, batch->positions[i].partition, &Partition::id);
      if (at == assigned_.end()) continue;
      at->next = batch->positions[i].next;
      if (i < batch->newest_ms.size() && batch->newest_ms[i] >= 0) at->newest_ms = batch->newest_ms[i];
    }
  }
}

void LaneMeter::NoteRows(std::span<const EncodedBatch* const> batches, TargetId target, int64_t now_ns,
                         int64_t wall_ms) {
  TargetRecord& record = *targets_[target];
  HistogramTally event(&record.event_seconds), intake(&record.intake_seconds);
  int64_t count = 0, bytes = 0;
  for (const EncodedBatch* batch : batches) {
    if (target >= batch->targets.size() || batch->targets[target].rows.empty()) continue;
    const EncodedRows& rows = batch->targets[target];
    count += static_cast<int64_t>(rows.rows.size());
    bytes += static_cast<int64_t>(rows.bytes.size());
    if (batch->intake_ns > 0) intake.Add(Seconds(now_ns - batch->intake_ns), static_cast<int64_t>(rows.rows.size()));
    // Records that follow each other often have the same millisecond.
    for (size_t begin = 0, end = 0; begin < rows.rows.size(); begin = end) {
      const int64_t ms = rows.rows[begin].timestamp_ms;
      while (end < rows.rows.size() && rows.rows[end].timestamp_ms == ms) ++end;
      if (ms >= 0) event.Add(Seconds((wall_ms - ms) * kNsPerMs), static_cast<int64_t>(end - begin));
    }
  }
  record.last_commit_ms.store(wall_ms, std::memory_order_relaxed);
  if (count == 0) return;
  record.rows.fetch_add(count, std::memory_order_relaxed);
  record.bytes.fetch_add(bytes, std::memory_order_relaxed);
}

void LaneMeter::WaitBegins(LaneState state) {
  waits_in_ = state;
  before_wait_ = clock_.sheet().now_in();
  int64_t wall_ns = 0;
  writer_before_ = writer_.Read(&wall_ns);
  clock_.sheet().Open(clock_.sheet().NowNs());
}

void LaneMeter::WaitEnds() {
  int64_t wall_ns = 0;
  const std::vector<int64_t> after = writer_.Read(&wall_ns);
  std::vector<TimeSheet::Part> parts;
  for (size_t i = 0; i < after.size(); ++i) {
    const bool rests = i / 2 >= parts_.culprits.size();
    const size_t by = rests ? parts_.culprits.back() : parts_.culprits[i / 2];
    const LaneState state = !rests && i % 2 == 1 ? LaneState::kPaused : waits_in_;
    parts.push_back({clock_.Cell(state, by), after[i] - writer_before_[i]});
  }
  clock_.sheet().Divide(parts, before_wait_, clock_.sheet().NowNs());
}

void LaneMeter::Fill(int64_t wall_ms, MeasureSnapshot* snapshot) const {
  LaneMeasures& lane = snapshot->lanes.emplace_back();
  lane.lane = parts_.number;
  lane.source = parts_.source_id;
  clock_.Fill(&lane);
  FillSource(wall_ms, snapshot);
  snapshot->epochs_committed += committed_.load(std::memory_order_relaxed);
  snapshot->epochs_aborted += aborted_.load(std::memory_order_relaxed);
  snapshot->epochs_abandoned += abandoned_.load(std::memory_order_relaxed);
  snapshot->epoch_rows.Add(epoch_rows_.Counts());
  snapshot->epoch_open_seconds.Add(epoch_open_seconds_.Counts());
  snapshot->held_batches += batches_bytes_.load(std::memory_order_relaxed);
  snapshot->held_epoch += epoch_bytes_.load(std::memory_order_relaxed);
}

void LaneMeter::FillSource(int64_t wall_ms, MeasureSnapshot* snapshot) const {
  auto at = std::ranges::find(snapshot->sources, parts_.source_id, &SourceMeasures::id);
  if (at == snapshot->sources.end()) {
    snapshot->sources.emplace_back().id = parts_.source_id;
    at = snapshot->sources.end() - 1;
  }
  at->records += records_.load(std::memory_order_relaxed);
  at->bytes += bytes_.load(std::memory_order_relaxed);
  at->tombstones += tombstones_.load(std::memory_order_relaxed);
  at->rebalances += rebalances_.load(std::memory_order_relaxed);
  const MutexLock lock(mutex_);
  for (const Partition& each : assigned_) {
    PartitionMeasures& measures = at->partitions.emplace_back();
    const SourcePartition& name = parts_.partitions->at(each.id);
    measures.topic = name.topic;
    measures.partition = name.partition;
    measures.next = each.next;
    measures.watermark_us = std::max(each.watermark_us, kUnknown);
    measures.end = each.end == kUnknown ? kUnknown : std::max(each.end, each.next);
    if (measures.end == kUnknown || measures.next == kUnknown) continue;
    const bool behind = measures.next < measures.end;
    if (parts_.numbers_records || !behind) measures.lag_records = measures.end - measures.next;
    if (!behind) measures.lag_seconds = 0;
    if (behind && each.newest_ms >= 0) measures.lag_seconds = Seconds((wall_ms - each.newest_ms) * kNsPerMs);
  }
}

}  // namespace anabranch
