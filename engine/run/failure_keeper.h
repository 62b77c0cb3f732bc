#pragma once

#include <string>
#include <vector>

#include "engine/ids.h"
#include "engine/restart/failure.h"
#include "engine/run/assignment.h"
#include "engine/run/batch_window.h"
#include "engine/run/epoch_writer.h"
#include "engine/run/kept_feed.h"
#include "engine/run/lane_parts.h"
#include "engine/run/run_shared.h"
#include "engine/status.h"

namespace anabranch {

// What a lane does when something failed: names the stage, and keeps the rows that are not committed. Used by the
// lane's thread, or by the thread that took the lane over.
class FailureKeeper {
 public:
  // All outlive it.
  FailureKeeper(RunShared& shared, const LaneParts& parts, const EpochWriter& writer, const BatchWindow& window,
                const Assignment& assignment, KeptFeed& feed)
      : shared_(shared), parts_(parts), writer_(writer), window_(window), assignment_(assignment), feed_(feed) {}

  // Its stage is empty when no stage failed.
  const Failure& failure() const { return failure_; }
  // A stage stopped the oldest batch: what is behind it in the window cannot be committed.
  bool stopped() const { return stage_ != kNoStage; }

  // First comes one of these, where the failure is known when it happens.
  void NoteStopped(const BatchWindow::Flight& flight);
  void NoteRefused(const RefusedRow& row);
  void NoteStuck(const std::string& stage, const Status& why);

  // The writer has stopped. Names the failure (a target's, or else the source's, when nothing was noted) and keeps what
  // is not committed. Returns `status`, with the code of another one where nothing could be kept.
  Status Keep(Status status);
  // Keeps it where the failure is another lane's.
  void KeepForOthers();

 private:
  void NameOutside();
  void NoteRecord(const SourcePartition& from, int64_t offset);
  std::vector<bool> DoneAbove(const RecordBatch& batch) const;
  Status KeepRest();

  RunShared& shared_;
  const LaneParts& parts_;
  const EpochWriter& writer_;
  const BatchWindow& window_;
  const Assignment& assignment_;
  KeptFeed& feed_;
  StageId stage_ = kNoStage;  // that failed, as far as the plan has it
  Failure failure_;
};

}  // namespace anabranch
