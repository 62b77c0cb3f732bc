#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/measure/lane_clock.h"
#include "engine/mutex.h"
#include "engine/plan.h"
#include "engine/run/epoch_meter.h"
#include "engine/source.h"
#include "engine/state/watermark.h"

namespace anabranch {

// What one target of a run did, whatever lane committed it.
struct TargetRecord {
  explicit TargetRecord(std::span<const double> seconds);

  Histogram commit_seconds, event_seconds, intake_seconds;
  std::atomic<int64_t> rows{0}, bytes{0}, last_commit_ms{kUnknown};
  mutable Mutex mutex;
  std::map<std::string, int64_t> errors GUARDED_BY(mutex);
};

// What one lane measures: its time, what it reads, and what its writer commits. The lane's thread and its writer's
// write, any thread reads.
class LaneMeter : public EpochMeter {
 public:
  struct Parts {
    int number = 0;
    std::string source_id;
    size_t culprit_of_source = 0;                   // as LaneClock has it
    bool numbers_records = false;                   // SourceProgram::NumbersRecords
    const SourceTable* partitions = nullptr;        // of the lane
    std::vector<std::vector<TargetId>> committers;  // the targets of each; none: source positions
    std::vector<size_t> culprits;                   // of each, as LaneClock has it
  };
  LaneMeter(const Clock& clock, std::vector<std::string> names, std::span<TargetRecord* const> targets, Parts parts);

  LaneClock& clock() { return clock_; }

  // The lane's thread.
  // Calls Poll, and says when the batch came in: what it waited for is the source's. About once a second it also looks
  // how far the input goes.
  Result<SourceEvent> Poll(Source& source, RecordBatch& batch, const BatchLimits& limits, int64_t wait_ns);
  int64_t polled_ns() const { return polled_ns_; }  // when the last Poll returned
  void Assigned(std::span<const PartitionId> partitions, std::span<const int64_t> next);
  void Released();
  void Rebalanced() { rebalances_.fetch_add(1, std::memory_order_relaxed); }
  void InFlight(int64_t bytes) { batches_bytes_.store(bytes, std::memory_order_relaxed); }
  void NoteEpoch(uint64_t rows, int64_t open_ns);
  // How far the event time of the assigned partitions has come.
  void NoteWatermarks(const Watermarks& watermarks);

  // EpochMeter.
  void Works(size_t committer) override { writer_.Enter(committer * 2); }
  void Pauses(size_t committer) override { writer_.Enter(committer * 2 + 1); }
  void Rests() override { writer_.Enter(parts_.committers.size() * 2); }
  void Failed(size_t committer, const char* why) override;
  void CommitBegins(size_t committer) override;
  void CommitEnds(size_t committer) override;
  void Committed(std::span<const EncodedBatch* const> batches) override;
  void Aborted() override { aborted_.fetch_add(1, std::memory_order_relaxed); }
  void Abandoned() override { abandoned_.fetch_add(1, std::memory_order_relaxed); }
  void Holds(size_t bytes) override { epoch_bytes_.store(static_cast<int64_t>(bytes), std::memory_order_relaxed); }
  void WaitBegins(LaneState state) override;
  void WaitEnds() override;

  // Any thread: adds to what is there.
  void Fill(int64_t wall_ms, MeasureSnapshot* snapshot) const;

 private:
  struct Partition {
    PartitionId id;
    int64_t next = kUnknown;
    int64_t end = kUnknown;
    int64_t newest_ms = kUnknown;  // timestamp of the last committed record
    int64_t watermark_us = kNoTime;
  };

  void NoteEnds(const Source& source);
  void FillSource(int64_t wall_ms, MeasureSnapshot* snapshot) const;
  void NoteRows(std::span<const EncodedBatch* const> batches, TargetId target, int64_t now_ns, int64_t wall_ms);

  const Clock& now_;
  const Parts parts_;
  const std::vector<TargetRecord*> targets_;  // by TargetId
  LaneClock clock_;

  // The writer's thread writes.
  TimeSheet writer_;
  int64_t commit_begin_ns_ = 0;

  // The lane's thread.
  LaneState waits_in_ = LaneState::kBusy;
  std::vector<int64_t> writer_before_;
  size_t before_wait_ = 0;
  int64_t polled_ns_ = 0;
  int64_t ends_at_ns_ = 0;

  std::atomic<int64_t> records_{0}, bytes_{0}, tombstones_{0}, rebalances_{0};
  std::atomic<int64_t> batches_bytes_{0}, epoch_bytes_{0};
  std::atomic<int64_t> committed_{0}, aborted_{0}, abandoned_{0};
  Histogram epoch_rows_, epoch_open_seconds_;
  mutable Mutex mutex_;
  std::vector<Partition> assigned_ GUARDED_BY(mutex_);
};

}  // namespace anabranch
