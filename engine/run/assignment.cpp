#include "engine/run/assignment.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "engine/run/waits.h"

namespace anabranch {

Result<std::vector<int64_t>> Assignment::WhereToContinue(const std::vector<PartitionId>& partitions) {
  // The targets first: what they left open after a failure hides the stored positions.
  ASSIGN_OR_RETURN(const Wanted wanted, ReadTargets(partitions));
  ASSIGN_OR_RETURN(const std::vector<int64_t> stored, parts_.source->StoredPositions(partitions));
  RETURN_IF_ERROR(FindLost(partitions, stored, wanted.most));
  ASSIGN_OR_RETURN(std::vector<int64_t> next, witness_.Starts(*parts_.source, partitions));
  std::vector<PartitionId> fresh;
  std::vector<int64_t> starts;
  for (size_t i = 0; i < partitions.size(); ++i) {
    if (const LostPosition* lost = LostIn(partitions[i])) {
      next[i] = BeginLost(*lost, stored[i]);
    } else if (stored[i] != kNoPosition) {
      next[i] = std::min(stored[i], wanted.least[i]);
    } else {
      if (!wanted.unknown[i] && wanted.least[i] != kWantsNothing) next[i] = wanted.least[i];
      fresh.push_back(partitions[i]);
      starts.push_back(next[i]);
    }
  }
  RETURN_IF_ERROR(Store(fresh, starts));
  // A stream that passes by continues behind every target: its new rows must not look like old ones to any of them.
  for (size_t i = 0; i < partitions.size() && !parts_.repeats; ++i) next[i] = std::max<int64_t>(wanted.most[i], 0);
  return next;
}

Result<Assignment::Wanted> Assignment::ReadTargets(const std::vector<PartitionId>& partitions) {
  const size_t n = partitions.size();
  Wanted wanted{std::vector<int64_t>(n, kWantsNothing), std::vector<int64_t>(n, kNoPosition), std::vector<bool>(n)};
  for (size_t committer = 0; committer < writer_.committers(); ++committer) {
    ASSIGN_OR_RETURN(const std::vector<int64_t> progress, writer_.Progress(committer, partitions));
    for (size_t i = 0; i < n; ++i) {
      if (progress[i] == kNoPosition) wanted.unknown[i] = true;
      if (progress[i] != kNoPosition) wanted.least[i] = std::min(wanted.least[i], progress[i]);
      if (progress[i] != kWantsNothing) wanted.most[i] = std::max(wanted.most[i], progress[i]);
    }
  }
  return wanted;
}

Status Assignment::FindLost(const std::vector<PartitionId>& partitions, std::span<const int64_t> stored,
                            std::span<const int64_t> targets) {
  ASSIGN_OR_RETURN(lost_, witness_.FindLost(partitions, stored, targets));
  if (shared_.accept_loss) return Status::Ok();
  // Whether the others can be read by now shows when they are.
  std::erase_if(lost_, [](const LostPosition& lost) { return lost.why != LostPosition::Why::kGone; });
  if (lost_.empty()) return Status::Ok();
  refused_ = true;
  return witness_.Refusal(lost_, partitions, stored, *parts_.source);
}

const LostPosition* Assignment::LostIn(PartitionId partition) const {
  const auto lost = std::ranges::find(lost_, partition, &LostPosition::partition);
  return lost == lost_.end() ? nullptr : &*lost;
}

// Rows that were kept begin there: they are older than the loss.
int64_t Assignment::BeginLost(const LostPosition& lost, int64_t stored) {
  const bool gone = lost.why == LostPosition::Why::kGone;
  set_by_hand_[lost.partition] = gone && stored < lost.position ? stored : kNoPosition;
  if (gone) return std::max(stored, lost.position);
  return stored == kNoPosition ? lost.position : stored;
}

// Has the outside store `next`, tried until the group changes: then nothing of this assignment counts.
Status Assignment::Store(const std::vector<PartitionId>& partitions, const std::vector<int64_t>& next) {
  if (partitions.empty() || parts_.source->position_owner().empty()) return Status::Ok();
  std::vector<PositionRange> ranges;
  for (size_t i = 0; i < partitions.size(); ++i) {
    if (next[i] != kNoPosition) ranges.push_back({partitions[i], next[i], next[i]});
  }
  RETURN_IF_ERROR(patience_.Try([&] {
    if (shared_.stop.draining()) return Status(Code::kCancelled, "stopped");
    Status status = parts_.source->CommitPositions(ranges);
    if (status.code() == Code::kRetry) std::this_thread::sleep_for(std::chrono::nanoseconds(kIdleWaitNs));
    return status;
  }));
  return witness_.Moved(partitions, next);
}

// The source's positions move last: until then the loss stands.
Status Assignment::Recover(const std::vector<PartitionId>& partitions, std::vector<int64_t>* next) {
  if (lost_.empty()) return Status::Ok();
  std::vector<PartitionId> ids;
  std::vector<int64_t> moved;
  for (const LostPosition& lost : lost_) {
    const auto at = static_cast<size_t>(std::ranges::find(partitions, lost.partition) - partitions.begin());
    ASSIGN_OR_RETURN((*next)[at], parts_.source->FirstReadable(lost, set_by_hand_[lost.partition]));
    ids.push_back(lost.partition);
    moved.push_back((*next)[at]);
    const SourcePartition& from = parts_.partitions->at(lost.partition);
    shared_.warn("loss accepted: " + from.topic + "/" + std::to_string(from.partition) + " goes on at " +
                 std::to_string(moved.back()) + "; it was at " + std::to_string(lost.position));
  }
  for (size_t committer = 0; committer < writer_.committers(); ++committer) {
    RETURN_IF_ERROR(MoveProgress(committer, ids, moved));
  }
  RETURN_IF_ERROR(Store(ids, moved));
  lost_.clear();
  return Status::Ok();
}

// A target goes back only where the topic begins anew; else what it has beyond the loss stays written.
Status Assignment::MoveProgress(size_t committer, const std::vector<PartitionId>& ids, std::vector<int64_t> next) {
  ASSIGN_OR_RETURN(const std::vector<int64_t> had, writer_.Progress(committer, ids));
  for (size_t i = 0; i < ids.size(); ++i) {
    const bool gone = LostIn(ids[i])->why == LostPosition::Why::kGone;
    if (!gone && had[i] != kWantsNothing) next[i] = std::max(next[i], had[i]);
  }
  return writer_.MoveProgress(committer, ids, next);
}

void Assignment::NoteLost(Status* status) {
  const std::vector<LostPosition> lost = parts_.source->lost();
  if (lost.empty()) return;
  *status = {status->code(), status->message() + kAcceptLoss};
  if (Status s = witness_.NoteLost(lost); !s.ok()) shared_.warn("the ledger: " + s.message());
}

}  // namespace anabranch
