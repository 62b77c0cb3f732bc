#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/restart/failure.h"
#include "engine/run/arm_counting.h"
#include "engine/run/assignment.h"
#include "engine/run/away_part.h"
#include "engine/run/batch_window.h"
#include "engine/run/epoch_writer.h"
#include "engine/run/failure_keeper.h"
#include "engine/run/kept_feed.h"
#include "engine/run/lane_meter.h"
#include "engine/run/lane_parts.h"
#include "engine/run/open_epoch.h"
#include "engine/run/patience.h"
#include "engine/run/position_witness.h"
#include "engine/run/run_shared.h"
#include "engine/run/switches.h"
#include "engine/run/uncommitted_counts.h"
#include "engine/state/watermark.h"
#include "engine/status.h"

namespace anabranch {

// A flag that the lanes of a run count together.
class CountedFlag {
 public:
  explicit CountedFlag(std::atomic<int>& count) : count_(count) {}
  operator bool() const { return set_; }
  void Set(bool set) {
    if (set != set_) count_ += set ? 1 : -1;
    set_ = set;
  }

 private:
  std::atomic<int>& count_;
  bool set_ = false;
};

// One way through the plan: the loop that joins a source, the batches that are computed, and the targets. A record's
// walk: Step() polls it, the window computes its batch, HandOver() gives that to the open epoch, the writer commits it.
// Between two steps the lane answers the source's group and its targets.
//
// Run() is called once, on the lane's thread. The counts of `shared` go up and down with the lane's state.
class Lane {
 public:
  using Parts = LaneParts;
  Lane(RunShared& shared, Parts parts);
  ~Lane();

  // Until the input ends, a stop is requested, or something fails. On a stage failure the complete batches before the
  // failing one are committed first. kCancelled is turned into Ok.
  Status Run();
  // After Run(): where it failed, and what was kept. Its stage is empty when no stage failed.
  const Failure& failure() const { return keeper_.failure(); }

  // Any thread: whom this lane waits for outside, and whether its source was ever given to read.
  void AddAway(std::vector<AwayPart>* away) const;
  const std::string& source() const { return parts_.source_id; }
  bool joined() const { return joined_.load(std::memory_order_relaxed); }

  // From another thread, when a call of `stage` never returns: commits what was complete and keeps the rest, in the
  // lane's place. False: the lane ends by itself, wait for it. After true the lane never ends and must not be
  // destroyed.
  bool TakeOver(const std::string& stage, const Status& why);

 private:
  // The loop.
  Status Loop();
  Status Step();
  Status OnEvent(SourceEvent event, std::unique_ptr<RecordBatch> batch);
  Status OnRows(std::unique_ptr<RecordBatch> batch);
  Status OnIdle();
  Status OnEnd();
  Status TakeIn(std::unique_ptr<RecordBatch> batch, BatchWindow::Intake intake, bool switches);
  Status Rest();
  void TellWork(LaneWork work);
  Status Switch();
  Status ReleaseFinished(bool wait_for_all);
  Status HandOver();
  Status ReleaseAll();
  Status MakeRoomForLogs();
  int64_t WaitNs() const;

  // The source's group.
  Status OnGroupChange();
  Status OnAssigned();
  void NoteAssigned(std::span<const PartitionId> partitions, std::span<const int64_t> next);
  Status OnRevoked(bool lost);
  Status Feed();
  Status StartLive();

  // Rows that targets refuse.
  bool HearsOfRefusal(const Status& status) const;
  Status OnRefused();
  Status NoteRefused(const RefusedRow& row);
  Status StopAtRefused(const RefusedRow& row, const char* why);
  Status DropOpen();

  // What a commit does besides; writer thread.
  void OnCommitted(const EpochEnd& end, int64_t rows);
  void OnCommitBegins();
  void SyncKept();

  void CommitComplete(Status* status);
  void NoteTimes(const RecordBatch& batch);
  void PassNoticesOn(const RecordBatch& batch);
  Status CompareArms(RecordBatch& batch);
  void ForgetKept();
  void TellKept(const std::vector<KeptHeader::Range>& committed);

  RunShared& shared_;
  Parts parts_;
  const bool logs_results_;      // some node has "keep": "always"
  const bool settles_by_place_;  // commits settle kept rows and logs by position
  LaneMeter& meter_;
  UncommittedCounts counts_;
  BatchWindow window_;
  KeptFeed feed_;
  PositionWitness witness_;
  Patience patience_;
  ArmCounting arms_;
  std::optional<Watermarks> watermarks_;  // of a source with a `time` rule
  OpenEpoch open_;
  Assignment assignment_;
  Switches switches_;
  FailureKeeper keeper_;
  CountedFlag fed_;     // the kept rows of its assignment are fed
  CountedFlag at_end_;  // nothing more comes, unless the group assigns it more
  uint64_t sequence_ = 0;
  int64_t commit_began_ns_ = 0;  // writer's thread; only where somebody looks
  bool refused_said_ = false;
  bool unseen_said_ = false;
  std::atomic<bool> joined_{false};
  EpochWriter writer_;  // last: its thread uses the members above
};

}  // namespace anabranch
