#include <algorithm>
#include <map>

#include "engine/models/model_agent.h"

namespace anabranch {
namespace {

constexpr int kKeptGenerations = 3;  // of each model

}  // namespace

// What may still score: the last generations of each model; what partitions were committed with, by the log; what they
// may be committed with in a target that is behind the log, here in this run; and what is being deployed.
std::vector<std::string> ModelAgent::StoredDigests() const {
  std::map<std::string, int> newer;  // by model: generations that were looked at; a lesson brings no version
  std::vector<std::string> digests;
  const MutexLock lock(mutex_);
  uint32_t floor = state_.last();
  for (const std::string& partition : mine_) {
    const auto served = state_.served().find(partition);
    floor = std::min(floor, served == state_.served().end() ? 0 : served->second.back().number);
  }
  for (const auto& [lane, used] : used_) floor = std::min(floor, used);
  for (const auto& [thread, required] : required_) floor = std::min(floor, required);
  const auto keep = [&](const GenerationRecord& record) {
    for (const GenerationRecord::Arm& arm : record.arms) digests.push_back(arm.digest);
  };
  for (auto at = state_.generations().rbegin(); at != state_.generations().rend(); ++at) {
    int& count = newer[at->record().model];
    if (count < kKeptGenerations || at->number >= floor) keep(at->record());
    if (at->active.action != "learn") ++count;
  }
  std::vector<uint32_t> numbers = {floor};
  for (const auto& [partition, served] : state_.served()) numbers.push_back(served.back().number);
  for (const auto& [model, count] : newer) {
    for (const uint32_t number : numbers) {
      if (const ControlState::Generation* scores = state_.Newest(model, number)) keep(scores->record());
    }
  }
  for (const ControlState::Deployment& each : state_.deployments()) {
    if (each.state == ControlState::Deployment::State::kOpen) keep(each.prepare.generation);
  }
  return digests;
}

// After something changed. A partition that was never committed has no generation, so any may be needed.
void ModelAgent::KeepStored() {
  if (!parts_.keep) return;
  {
    const MutexLock lock(mutex_);
    if (used_.empty() || stored_ == state_.last()) return;
    stored_ = state_.last();
  }
  const Status kept = parts_.keep(StoredDigests());
  if (!kept.ok()) WarnOnce("packages that nobody needs are not removed: " + kept.message());
}

}  // namespace anabranch
