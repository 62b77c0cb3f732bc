#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "engine/cancel.h"
#include "engine/record_batch.h"
#include "engine/run/batch_window.h"
#include "engine/run/epoch_writer.h"
#include "engine/run/lane_meter.h"
#include "engine/source.h"
#include "engine/status.h"

namespace anabranch {

// Repeats what the epoch writer refuses while a target is in trouble. Meanwhile it polls the source, so that the
// source's group does not take this lane for dead, and holds on to what the polls bring. Lane thread only.
//
// Order: a change of the group comes first, and ends every Try() with kAborted until the lane has taken it. Held
// batches come before anything that is polled later; the end of the input comes after them.
class Patience {
 public:
  // All outlive it. `limits`: of the plan's batches.
  Patience(Source& source, EpochWriter& writer, BatchWindow& window, LaneMeter& meter, CancelToken& stop,
           const BatchLimits& limits)
      : source_(source), writer_(writer), window_(window), meter_(meter), stop_(stop), limits_(limits) {}

  using Step = std::function<Status()>;
  // Calls `step` until it does not return kRetry, or the writer has failed. kAborted: the group changed; kCancelled: a
  // stop.
  Status Try(const Step& step);

  // One look at the source. kAborted: the group changed; kCancelled: a stop.
  Status ServeGroup();

  bool group_changed() const { return group_change_.has_value(); }
  std::optional<SourceEvent> TakeGroupChange() { return std::exchange(group_change_, std::nullopt); }
  // Null: none is held.
  std::unique_ptr<RecordBatch> TakeHeld();
  // The end of the input was heard of, and no batch is held. Once.
  bool TakeEnd();
  // The partitions went: their next owner reads the held rows.
  void DropHeld() { held_.clear(); }
  void ForgetEnd() { end_heard_ = false; }

  // The partitions are about to go: a target in trouble does not hold the group up, so Try() returns kRetry after some
  // tries.
  void set_leaving(bool leaving) { leaving_ = leaving; }
  // The lane has failed: a target in trouble is not waited for without end, so Try() makes the run drain.
  void set_failing() { failing_ = true; }

 private:
  Source& source_;
  EpochWriter& writer_;
  BatchWindow& window_;
  LaneMeter& meter_;
  CancelToken& stop_;
  const BatchLimits& limits_;
  std::deque<std::unique_ptr<RecordBatch>> held_;
  std::optional<SourceEvent> group_change_;  // kAssigned, kRevoked or kLost
  bool end_heard_ = false;
  bool leaving_ = false;
  bool failing_ = false;
};

}  // namespace anabranch
