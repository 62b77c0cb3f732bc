#include "engine/run/lane_group.h"

#include <algorithm>
#include <map>
#include <utility>

namespace anabranch {

void LaneGroup::Add(std::unique_ptr<Lane> lane) {
  lanes_.push_back(std::make_unique<LaneThread>());
  lanes_.back()->lane = std::move(lane);
}

void LaneGroup::Start() {
  {
    const MutexLock lock(mutex_);
    running_ = lanes_.size();
  }
  for (auto& lane : lanes_) {
    lane->thread = std::thread([this, lane = lane.get()] {
      lane->status = lane->lane->Run();
      const MutexLock lock(mutex_);
      lane->ended = true;
      --running_;
      ended_.NotifyAll();
    });
  }
}

bool LaneGroup::Wait(std::chrono::nanoseconds at_most, size_t left) {
  const MutexLock lock(mutex_);
  return ended_.WaitFor(mutex_, at_most, [&]() REQUIRES(mutex_) { return running_ <= left; });
}

size_t LaneGroup::TakeOver(const std::string& stage, const Status& why) {
  size_t taken = 0;
  for (auto& lane : lanes_) {
    lane->taken = lane->lane->TakeOver(stage, why);
    taken += lane->taken ? 1 : 0;
  }
  return taken;
}

std::vector<AwayPart> LaneGroup::Away() const {
  std::vector<AwayPart> all, away;
  std::map<std::string, bool> joined;
  for (const auto& lane : lanes_) {
    lane->lane->AddAway(&all);
    joined[lane->lane->source()] |= lane->lane->joined();
  }
  for (const auto& [source, has] : joined) {
    if (!has) all.push_back({AwayPart::Kind::kSource, source, "nothing of it is assigned yet"});
  }
  for (AwayPart& part : all) {
    const bool known = std::ranges::any_of(away, [&](const AwayPart& each) { return each.Same(part); });
    if (!known) away.push_back(std::move(part));
  }
  return away;
}

void LaneGroup::Join() {
  for (auto& lane : lanes_) lane->thread.join();
}

void LaneGroup::Collect(RunSummary* summary) const {
  const MutexLock lock(mutex_);
  for (const auto& lane : lanes_) {
    if (!lane->ended && !lane->taken) continue;  // it still runs, beside one that is stuck
    const Failure& failure = lane->lane->failure();
    if (lane->status.ok() && !summary->stuck) continue;
    if (!lane->status.ok() && summary->status.ok()) summary->status = lane->status;
    if (failure.stage.empty()) continue;
    // The first one names the failure; what the others kept belongs to it.
    if (!summary->failure) {
      summary->failure = failure;
      if (summary->stuck) continue;
      summary->status = lane->status;
      summary->failure->message = lane->status.message();
      continue;
    }
    summary->failure->kept_rows += failure.kept_rows;
    summary->failure->kept_bytes += failure.kept_bytes;
    if (summary->failure->not_kept.empty()) summary->failure->not_kept = failure.not_kept;
  }
}

}  // namespace anabranch
