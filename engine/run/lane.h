#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/cancel.h"
#include "engine/clock.h"
#include "engine/plan.h"
#include "engine/run/batch_pacer.h"
#include "engine/run/counters.h"
#include "engine/run/crew.h"
#include "engine/run/epoch_writer.h"
#include "engine/run/kept_feed.h"
#include "engine/run/ledger.h"
#include "engine/run/plan_worker.h"
#include "engine/run/position_witness.h"
#include "engine/run/refused_rows.h"
#include "engine/run/run_mode.h"
#include "engine/run/run_shared.h"

namespace anabranch {

// One road through the plan: a source, the batches in flight, the targets' committers. Takes batches,
// computes them here or on the crew, releases them in the order they were taken, closes epochs. Owned
// by the runner; Run() is called once, on the lane's thread.
class Lane {
 public:
  struct Parts {
    int number = 0;  // of the lane in its run
    StageId source_stage;
    std::string source_id;
    bool repeats = true;  // what was read can be read again (SourceProgram::CanRepeat)
    std::unique_ptr<SourceTable> partitions;
    std::unique_ptr<Source> source;
    std::vector<std::unique_ptr<Committer>> committers;  // rank order
    std::vector<std::string> committer_stages;           // whose rows each commits: a persist node, or the source
    std::unique_ptr<LiveInput> live;
    std::unique_ptr<PlanWorker> worker;
  };
  Lane(RunShared& shared, Parts parts);
  ~Lane();

  // Until the input ends, a stop is asked for, or something fails. On a stage failure the complete
  // batches before the failing one are committed first. kCancelled is turned into Ok.
  Status Run();
  // After Run(): where it failed, and what was kept. Its stage is empty when no stage failed.
  const Failure& failure() const { return failure_; }

  // From another thread, when a call of `stage` never returns: commits what was complete and keeps the rest in its
  // place. False: the lane found its own end meanwhile, wait for it. After true the lane never ends and must not be
  // destroyed: the process is to end.
  bool TakeOver(const std::string& stage, const Status& why);

 private:
  // A batch on its way: computed on some thread, released by the lane. It owns its batch for as long as it is in
  // in_flight_; HandOver() is the only way out, and takes batch and entry away together once the writer has the rows.
  // So every row taken in and not committed is in the window or in the writer, never in both and never in neither:
  // that is what KeepRest() and TakeOver() rely on, whatever fails between two batches.
  struct InFlight {
    std::unique_ptr<RecordBatch> batch;  // never null in in_flight_
    int64_t rows = 0;                    // source rows it completes
    int64_t read = 0;                    // of these, counted as read by this run
    bool waits = false;                  // a part of a batch that was too large: computed when it is the first
    bool last_part = true;
    int64_t busy_ns = 0;
    Status status;
    StageId failed_stage;
    std::string failed_class;
    int attempts = 1;
    std::atomic<bool> done{false};
  };

  Status Loop();
  Status Step();
  Status Patiently(const std::function<Status()>& step);
  Status ServeGroup();
  Status OnGroupChange();
  bool HearsOfRefusal(const Status& status) const;
  Status OnRefused();
  Status MoveProgress(Committer& committer, const std::vector<PartitionId>& ids, std::vector<int64_t> next);
  Status NoteRefused(const RefusedRow& row);
  Status StopAtRefused(const RefusedRow& row, const char* why);
  Status DropOpen();
  void TakeCountsBack();
  Status StartLive();
  Result<std::vector<int64_t>> WhereToGoOn(const std::vector<PartitionId>& partitions);
  Status Store(const std::vector<PartitionId>& partitions, const std::vector<int64_t>& next);
  Status Recover(const std::vector<PartitionId>& partitions, std::vector<int64_t>* next);
  Status Feed();
  Status OnBatch(std::unique_ptr<RecordBatch> batch, int64_t read);
  void CommitComplete(Status* status);
  void FailStage(const InFlight& flight);
  void NameFailedTarget();
  void NoteLost(Status* status);
  void NoteRecord(const SourcePartition& from, int64_t offset);
  Status KeepFailure(Status status);
  Status KeepRest();
  std::vector<bool> DoneAbove(const RecordBatch& batch, StageId failed) const;
  Status OnEvent(SourceEvent event, std::unique_ptr<RecordBatch> batch);
  void NoteFed();
  Status OnAssigned();
  Status OnRevoked(bool lost);
  void ReadOn();
  void NoteCommitted(const EpochEnd& end, int64_t rows);
  void SyncKept();
  void ForgetKept();
  Status OnIdle();
  Status OnEnd();
  void Submit(std::unique_ptr<RecordBatch> batch, int64_t read);
  void Compute(InFlight& flight, PlanWorker& worker);
  void ComputeHere(InFlight& flight);
  Status SplitHead();
  Result<std::shared_ptr<InFlight>> MakePart(const RecordBatch& batch, const std::vector<bool>& done,
                                             const RestoreRules& rules, uint32_t first, uint32_t count);
  Status ReleaseFinished(bool wait_for_all);
  Status HandOver();
  void NoteCounted(int64_t rows, int64_t read, const RecordBatch& batch);
  void PassNoticesOn(const RecordBatch& batch);
  void Recycle(std::unique_ptr<RecordBatch> batch);
  void Pace(const InFlight& flight);
  void Await(InFlight& flight);
  void Unpark();
  void WaitForAll();
  Status CloseEpochIfDue(bool idle);
  Status Finish();
  void ForgetOpenEpoch();
  int64_t DueNs() const;
  int64_t WaitNs() const;
  std::unique_ptr<RecordBatch> TakeBatch();

  RunShared& shared_;
  Parts parts_;
  std::deque<std::shared_ptr<InFlight>> in_flight_;  // shared with the thread that computes it
  std::vector<std::unique_ptr<RecordBatch>> spare_;
  std::deque<std::unique_ptr<RecordBatch>> held_;  // polled while a target was in trouble
  std::optional<SourceEvent> group_change_;        // heard of meanwhile: what is under way ends with kAborted
  size_t max_in_flight_;
  BatchPacer pacer_;
  KeptFeed feed_;
  uint64_t sequence_ = 0;
  int64_t fed_rows_ = 0;
  bool fed_ = false;
  bool end_heard_ = false;  // while a target took its time
  bool refused_said_ = false;
  bool leaving_ = false;  // the partitions are about to go
  bool failing_ = false;
  const bool keeps_always_;
  const bool commits_when_idle_;  // some target's readers wait for a commit
  bool at_end_ = false;
  // What the lane's thread is at. Only a parked lane (it computes, or waits for a batch) can be taken over.
  enum class Place : uint8_t { kMoving, kParked, kTaken };
  std::atomic<Place> place_{Place::kMoving};
  StageId failed_at_ = kNoStage;
  Failure failure_;

  // The open epoch: released and not closed yet.
  size_t open_batches_ = 0;
  uint64_t open_rows_ = 0;
  size_t open_bytes_ = 0;
  int64_t open_since_ns_ = 0;
  bool unsent_ = false;  // it may linger at a target whose readers need no commit

  std::vector<LostPosition> lost_;              // of the assignment: given up, and not set anew yet
  std::map<PartitionId, int64_t> set_by_hand_;  // of those: what the outside stored for them; kNoPosition: nothing
  // What was counted of batches that are not committed, in their order.
  struct Counted {
    int64_t rows = 0, read = 0;
    Counters::BatchCounts counts;
  };
  std::mutex counted_mutex_;
  std::deque<Counted> counted_;  // guarded by counted_mutex_

  PositionWitness witness_;
  EpochWriter writer_;  // last: its thread uses the members above
};

}  // namespace anabranch
