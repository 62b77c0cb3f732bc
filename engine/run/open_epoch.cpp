#include "engine/run/open_epoch.h"

#include <algorithm>
#include <utility>

#include "engine/run/waits.h"

namespace anabranch {

Status OpenEpoch::Push(EncodedBatch& batch, uint32_t rows, int64_t source_rows) {
  const size_t bytes = batch.bytes();
  if (!empty() && bytes_ + bytes > lane_bytes_ / 2) RETURN_IF_ERROR(Close());
  RETURN_IF_ERROR(patience_.Try([&] { return writer_.Push(std::move(batch), source_rows); }));
  if (empty()) since_ns_ = clock_.NowNs();
  ++batches_;
  rows_ += rows;
  bytes_ += bytes;
  unsent_ = !shows_at_commit_;
  return Status::Ok();
}

Status OpenEpoch::CloseIfDue(bool idle) {
  if (empty()) return Status::Ok();
  const bool due = rows_ >= limits_.max_rows || bytes_ >= limits_.max_bytes || DueNs() <= 0;
  if (!due && !(idle && shows_at_commit_ && writer_.idle())) return Status::Ok();
  return Close();
}

Status OpenEpoch::Close() {
  if (empty()) return Status::Ok();
  meter_.NoteEpoch(rows_, clock_.NowNs() - since_ns_);
  Forget();
  arms_.Closed();
  return patience_.Try([this] { return writer_.CloseEpoch(); });
}

Status OpenEpoch::Finish() {
  RETURN_IF_ERROR(Close());
  return patience_.Try([this] { return writer_.WaitIdle(); });
}

void OpenEpoch::Forget() {
  batches_ = 0;
  rows_ = 0;
  bytes_ = 0;
  unsent_ = false;
}

void OpenEpoch::Send() {
  if (!unsent_) return;
  unsent_ = false;
  writer_.SendNow();
}

int64_t OpenEpoch::WaitNs() const {
  if (unsent_) return 0;
  if (empty()) return kIdleWaitNs;
  if (shows_at_commit_) return kBusyWaitNs;
  return std::clamp(DueNs(), kBusyWaitNs, kIdleWaitNs);
}

}  // namespace anabranch
