#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/clock.h"
#include "engine/encoded.h"
#include "engine/plan.h"
#include "engine/run/arm_counting.h"
#include "engine/run/epoch_writer.h"
#include "engine/run/lane_meter.h"
#include "engine/run/patience.h"
#include "engine/status.h"

namespace anabranch {

// The epoch that one lane has open: how much of it the writer has, and when it is to be closed. Lane thread only.
//
// Its counts are those of the batches pushed since the last close; all are 0 while it is empty. A push may wait for
// room, and only a commit makes room: so before the epoch would hold more than half of what the lane may hold, it is
// closed, unless that is one batch alone.
class OpenEpoch {
 public:
  // All outlive it. `shows_at_commit`: some target's readers see rows only after a commit. `lane_bytes`: as in
  // RunShared.
  OpenEpoch(const EpochLimits& limits, const Clock& clock, EpochWriter& writer, Patience& patience, LaneMeter& meter,
            ArmCounting& arms, size_t lane_bytes, bool shows_at_commit)
      : limits_(limits),
        clock_(clock),
        writer_(writer),
        patience_(patience),
        meter_(meter),
        arms_(arms),
        lane_bytes_(lane_bytes),
        shows_at_commit_(shows_at_commit) {}

  bool empty() const { return batches_ == 0; }
  // Gives a batch of `rows` rows, which completes `source_rows`, to the writer. On an error `batch` is untouched.
  Status Push(EncodedBatch& batch, uint32_t rows, int64_t source_rows);
  // Closes it when it is full or its time has come. An idle lane whose readers wait for a commit closes it at once,
  // unless a commit is running: then it grows meanwhile, which keeps the number of commits in step with the targets.
  Status CloseIfDue(bool idle);
  // Closes it, unless it is empty: what is pushed next is another epoch's.
  Status Close();
  // Closes it and waits until everything is committed.
  Status Finish();
  // The writer dropped it.
  void Forget();
  // Until it is to be closed; while it is not empty.
  int64_t DueNs() const { return since_ns_ + limits_.commit_ns - clock_.NowNs(); }

  // The lane is idle: rows that linger at a target whose readers need no commit leave now.
  void Send();
  // How long the source may wait for rows while nothing is computed.
  int64_t WaitNs() const;

 private:
  const EpochLimits& limits_;
  const Clock& clock_;
  EpochWriter& writer_;
  Patience& patience_;
  LaneMeter& meter_;
  ArmCounting& arms_;
  const size_t lane_bytes_;
  const bool shows_at_commit_;

  size_t batches_ = 0;
  uint64_t rows_ = 0;
  size_t bytes_ = 0;
  int64_t since_ns_ = 0;  // when its first batch was pushed
  bool unsent_ = false;   // it may linger at a target whose readers need no commit
};

}  // namespace anabranch
