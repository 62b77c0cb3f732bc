#include "engine/run/patience.h"

namespace anabranch {
namespace {

constexpr size_t kHeldBatches = 4096;
constexpr int kLeavingTries = 6;  // of half a second

}  // namespace

Status Patience::Try(const Step& step) {
  for (int tries = 1;; ++tries) {
    Status status = step();
    if (status.code() != Code::kRetry || !writer_.status().ok()) return status;
    if (leaving_ && tries >= kLeavingTries) return status;
    if (failing_) stop_.Raise(CancelToken::kDrain);
    if (!leaving_) RETURN_IF_ERROR(ServeGroup());
  }
}

// Rows that come meanwhile are few, one per call.
Status Patience::ServeGroup() {
  if (stop_.now()) return {Code::kCancelled, "stopped"};
  if (held_.size() >= kHeldBatches) return Status::Ok();
  auto batch = window_.TakeBatch();
  BatchLimits one = limits_;
  one.max_rows = 1;
  auto event = meter_.Poll(source_, *batch, one, 0);
  if (!event.ok()) return event.status();
  if (*event == SourceEvent::kRows || *event == SourceEvent::kPositions) {
    held_.push_back(std::move(batch));
  } else if (*event == SourceEvent::kRevoked || *event == SourceEvent::kLost || *event == SourceEvent::kAssigned) {
    group_change_ = *event;
    return {Code::kAborted, "the group gave the partitions to others"};
  } else {
    end_heard_ = end_heard_ || *event == SourceEvent::kEnd;
    window_.Recycle(std::move(batch));
  }
  return Status::Ok();
}

std::unique_ptr<RecordBatch> Patience::TakeHeld() {
  if (held_.empty()) return nullptr;
  std::unique_ptr<RecordBatch> batch = std::move(held_.front());
  held_.pop_front();
  return batch;
}

bool Patience::TakeEnd() {
  if (!end_heard_ || !held_.empty()) return false;
  end_heard_ = false;
  return true;
}

}  // namespace anabranch
