#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/record_batch.h"
#include "engine/run/batch_pacer.h"
#include "engine/run/lane_meter.h"
#include "engine/run/lane_parts.h"
#include "engine/run/plan_worker.h"
#include "engine/run/run_shared.h"
#include "engine/run/uncommitted_counts.h"
#include "engine/status.h"

namespace anabranch {

// The batches of one lane that are being computed, in the order in which they were read. They are computed on the
// lane's thread or by the crew, and leave in that order. Lane thread only, but for TakeOver().
//
// Each row that was read and is not committed is in this window or in the epoch writer, never in both and never in
// neither: a batch leaves with Pop(), right after the writer has taken its rows. What is kept after a failure, or by
// another thread that takes the lane over, relies on that.
class BatchWindow {
 public:
  // What a batch is to the lane.
  struct Intake {
    int64_t rows = 0;   // source rows that it completes
    int64_t read = 0;   // of these, counted as read by this run
    bool kept = false;  // it was taken up from kept results
    // It begins an epoch, as some partition switches: behind it no row is scored by an older generation than this.
    std::optional<GenerationId> switches = {};
  };
  // Its thread of computation writes status, failed_*, attempts and busy_ns, then `done`; the lane reads them after it.
  struct Flight : Intake {
    std::unique_ptr<RecordBatch> batch;  // never null in the window
    bool waits = false;                  // a part of a batch that was too large: computed when it is the oldest
    bool last_part = true;
    int64_t busy_ns = 0;
    Status status;
    StageId failed_stage;
    ErrorClass failed_class = ErrorClass::kNone;
    bool too_large = false;  // PlanWorker::too_large()
    int attempts = 1;
    std::atomic<bool> done{false};
  };

  // All outlive the window.
  BatchWindow(RunShared& shared, const LaneParts& parts, UncommittedCounts& counts, LaneMeter& meter);

  bool empty() const { return flights_.empty(); }
  // How large the next batch is to be.
  const BatchLimits& limits() const { return pacer_.limits(); }

  // An empty batch of this lane's source; its memory may have been used before.
  std::unique_ptr<RecordBatch> TakeBatch();
  void Recycle(std::unique_ptr<RecordBatch> batch);

  // Computes a batch: on the crew when it is full, since more is waiting then, else here.
  void Submit(std::unique_ptr<RecordBatch> batch, const Intake& intake);
  // The oldest batch once it is computed, where needed in two parts. Null: there is none, or, without `wait`, it is not
  // computed yet and there is room for another.
  Result<const Flight*> Finished(bool wait);
  // Takes the oldest batch out.
  std::shared_ptr<Flight> Pop();
  void WaitForAll();
  // After WaitForAll(): what was read is read again by the next owner of the partitions, and not counted here.
  void Drop();
  // At the end of the lane, after WaitForAll(): gives the batches back to their source.
  void Clear();

  // Calls `work`, which changes nothing of the lane and may never return: TakeOver() is possible meanwhile.
  template <typename Work>
  void Park(Work work) {
    place_ = Place::kParked;
    work();
    Unpark();
  }

  // From another thread, when a call in this window never returns. True: the lane's thread is parked for good, and the
  // caller may do its work in its place. False: it is at work, or was taken over before.
  bool TakeOver();

  // In the order in which they were read.
  const std::deque<std::shared_ptr<Flight>>& flights() const { return flights_; }

 private:
  // What the lane's thread does. It is kParked while it computes, or waits for a batch: in Park(). Then it changes
  // nothing of the lane until it has moved the place on, which it cannot once another thread has set kTaken.
  enum class Place : uint8_t { kMoving, kParked, kTaken };

  void Compute(Flight& flight, PlanWorker& worker);
  void ComputeHere(Flight& flight);
  void Await(Flight& flight);
  void Unpark();
  Status Split();
  Result<std::shared_ptr<Flight>> MakePart(const RecordBatch& batch, const std::vector<bool>& done,
                                           const RestoreRules& rules, uint32_t first, uint32_t count);
  void Pace(const Flight& flight);
  void NoteBytes();

  RunShared& shared_;
  const LaneParts& parts_;
  UncommittedCounts& counts_;
  LaneMeter& meter_;
  const size_t most_flights_;
  BatchPacer pacer_;
  std::deque<std::shared_ptr<Flight>> flights_;  // each shared with the thread that computes it
  std::vector<std::unique_ptr<RecordBatch>> spare_;
  std::atomic<Place> place_{Place::kMoving};
};

}  // namespace anabranch
