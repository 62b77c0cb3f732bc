#include "engine/models/control_state.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>

namespace anabranch {

using EntryKind = ControlEntry::Kind;
using DeploymentState = ControlState::Deployment::State;

namespace {

std::string PrintBits(double number) { return '\n' + std::to_string(std::bit_cast<uint64_t>(number)); }

// What decides which version scores a row. The checks in commits are made of it: of what is added later, only what a
// record has set may be added here.
std::string PrintMeaning(const GenerationRecord& record) {
  std::string text = record.model + '\n' + std::to_string(static_cast<int>(record.rule));
  for (const GenerationRecord::Arm& arm : record.arms) text += '\n' + arm.version + ' ' + arm.digest;
  text += PrintBits(record.share) + '\n' + std::to_string(record.salt) + (record.by_record ? "\nby record" : "");
  for (const double probability : record.probabilities) text += PrintBits(probability);
  if (record.rule == ArmRule::kEventTime) text += "\nfrom " + std::to_string(record.from_time);
  return text + '\n';
}

void AddServed(const ControlEntry& entry, std::vector<ControlState::Served>* served) {
  const ControlState::Served now{entry.generation_number, entry.position, entry.instance};
  // An instance that could not write for a while may come late.
  const bool late = !served->empty() && served->back().number > now.number;
  const bool known = !served->empty() && served->back() == now;
  if (known) {
    served->back().instance = now.instance;  // has the partition now
  } else if (!late) {
    served->push_back(now);
  }
}

}  // namespace

void ControlState::Apply(const ControlEntry& entry) {
  last_ = entry.number;
  Deployment* open = FindOpen(entry.deployment);
  switch (entry.kind) {
    case EntryKind::kPrepare:
      if (Find(entry.deployment) != nullptr) return;
      deployments_.push_back({.state = CanOpen(entry) ? DeploymentState::kOpen : DeploymentState::kIgnored,
                              .prepare = entry,
                              .answers = {},
                              .end = {}});
      if (deployments_.back().state == DeploymentState::kOpen && entry.edited != 0) {
        AddStart(entry.generation.model, entry.start, entry);
      }
      return;
    case EntryKind::kReady:
    case EntryKind::kRefused:
      if (open != nullptr) open->answers[entry.instance] = entry;
      return;
    case EntryKind::kActive: {
      const bool starts = entry.action == "start" && Newest(entry.generation.model) == nullptr;
      if (open == nullptr && !starts) return;
      if (open == nullptr) {
        const std::string& version = entry.start.empty() ? entry.generation.arms.front().version : entry.start;
        AddStart(entry.generation.model, version, entry);
      }
      generations_.push_back({entry.number, entry});
      if (open == nullptr) return;
      open->state = DeploymentState::kActive;
      open->end = entry;
      return;
    }
    case EntryKind::kAbandoned:
      if (open == nullptr) {
        const bool begins = !entry.generation.arms.empty() && Find(entry.deployment) == nullptr &&
                            FollowsStart(entry.generation.model, entry);
        if (begins && entry.edited != 0) AddStart(entry.generation.model, entry.start, entry);
        if (begins) deployments_.push_back({DeploymentState::kAbandoned, entry, {}, entry});
        return;
      }
      open->state = DeploymentState::kAbandoned;
      open->end = entry;
      return;
    case EntryKind::kServes: return AddServed(entry, &served_[entry.partition]);
    case EntryKind::kStep: return ApplyStep(entry);
    case EntryKind::kHold: holds_.emplace(entry.after, entry); return;
    case EntryKind::kCounts: counts_[entry.generation_number][entry.instance] = entry; return;
    case EntryKind::kRewards: return ApplyRewards(entry);
    case EntryKind::kFile: return ApplyFile(entry);
    case EntryKind::kUnreadable: return;
  }
}

bool ControlState::CanOpen(const ControlEntry& prepare) const {
  const std::string& model = prepare.generation.model;
  if (Open(model) != nullptr || !FollowsStart(model, prepare)) return false;
  return prepare.after == 0 || (Newest(model) != nullptr && ChangedSince(model, prepare.after) == nullptr);
}

void ControlState::ApplyStep(const ControlEntry& entry) {
  const Generation* newest = Newest(entry.generation.model);
  if (newest == nullptr || newest->number != entry.after) return;
  if (entry.action == "learn" && Open(entry.generation.model) != nullptr) return;
  // What an instance decided before it had read that a person held it.
  if (!entry.instance.empty() && !entry.is_crash && IsHeld(entry.after)) return;
  generations_.push_back({entry.number, entry});
  for (Deployment& each : deployments_) {
    if (each.state != DeploymentState::kOpen || each.prepare.generation.model != entry.generation.model) continue;
    each.state = DeploymentState::kAbandoned;
    each.end = entry;
  }
  for (Deployment& each : deployments_) {
    if (entry.action != "abandon" || each.state != DeploymentState::kActive || each.end.number != entry.after) continue;
    each.state = DeploymentState::kAbandoned;
    each.end = entry;
  }
}

// What is behind comes from an instance that was replaced: it says less, and nothing else.
void ControlState::ApplyRewards(const ControlEntry& entry) {
  const auto [known, added] = rewards_[entry.model].try_emplace(entry.partition, entry);
  const auto age = [](const ControlEntry& each) { return std::pair(each.era, each.position); };
  if (!added && age(entry) >= age(known->second)) known->second = entry;
}

void ControlState::ApplyFile(const ControlEntry& entry) {
  const std::vector<FileStart>& known = StartsOf(entry.model);
  if (entry.edited != 0) {
    if (FollowsStart(entry.model, entry)) AddStart(entry.model, entry.start, entry);
  } else if (!known.empty() && known.back().version == entry.start) {
    seen_[entry.model][entry.instance] = entry.number;
  }
}

// False: an edit of what is not the newest any more.
bool ControlState::FollowsStart(const std::string& model, const ControlEntry& entry) const {
  if (entry.edited == 0) return true;
  const std::vector<FileStart>& known = StartsOf(model);
  if (known.empty()) return entry.kind == EntryKind::kFile && Newest(model) != nullptr;  // deployed before any run
  return known.back().number == entry.edited;
}

void ControlState::AddStart(const std::string& model, const std::string& version, const ControlEntry& entry) {
  starts_[model].push_back({entry.number, version, entry.instance, entry.at_ms});
  seen_[model][entry.instance] = entry.number;
}

const std::vector<ControlState::FileStart>& ControlState::StartsOf(const std::string& model) const {
  static const std::vector<FileStart> kNone;
  const auto found = starts_.find(model);
  return found == starts_.end() ? kNone : found->second;
}

bool ControlState::HasSeenStart(const std::string& model, const std::string& instance) const {
  const auto by_instance = seen_.find(model);
  if (by_instance == seen_.end()) return false;
  const auto found = by_instance->second.find(instance);
  return found != by_instance->second.end() && found->second >= StartsOf(model).back().number;
}

const std::map<std::string, ControlEntry>* ControlState::RewardsOf(const std::string& model) const {
  const auto found = rewards_.find(model);
  return found == rewards_.end() ? nullptr : &found->second;
}

const ControlState::Generation* ControlState::ChangedSince(const std::string& model, uint32_t after) const {
  for (auto at = generations_.rbegin(); at != generations_.rend() && at->number > after; ++at) {
    if (at->record().model == model && at->active.action != "learn") return &*at;
  }
  return nullptr;
}

const ControlState::Generation* ControlState::At(uint32_t number) const {
  const auto at = std::ranges::find(generations_, number, &Generation::number);
  return at == generations_.end() ? nullptr : &*at;
}

uint32_t ControlState::Check(uint32_t number) const {
  if (At(number) == nullptr) return 0;
  std::map<std::string, const GenerationRecord*> newest;  // by model
  for (const Generation& each : generations_) {
    if (each.number <= number) newest[each.record().model] = &each.record();
  }
  std::string text;
  for (const auto& [model, record] : newest) text += PrintMeaning(*record);
  const auto check = static_cast<uint32_t>(XXH3_64bits(text.data(), text.size()));
  return check == 0 ? 1 : check;
}

const ControlEntry* ControlState::HoldOf(uint32_t generation) const {
  const auto found = holds_.find(generation);
  return found == holds_.end() ? nullptr : &found->second;
}

const std::map<std::string, ControlEntry>* ControlState::CountsOf(uint32_t generation) const {
  const auto found = counts_.find(generation);
  return found == counts_.end() ? nullptr : &found->second;
}

const ControlState::Generation* ControlState::Newest(const std::string& model, uint32_t number) const {
  for (auto at = generations_.rbegin(); at != generations_.rend(); ++at) {
    if (at->number <= number && at->record().model == model) return &*at;
  }
  return nullptr;
}

const ControlState::Deployment* ControlState::Open(const std::string& model) const {
  const auto at = std::ranges::find_if(deployments_, [&](const Deployment& each) {
    return each.state == DeploymentState::kOpen && each.prepare.generation.model == model;
  });
  return at == deployments_.end() ? nullptr : &*at;
}

const ControlState::Deployment* ControlState::Find(const std::string& deployment) const {
  const auto at =
      std::ranges::find_if(deployments_, [&](const Deployment& each) { return each.prepare.deployment == deployment; });
  return at == deployments_.end() ? nullptr : &*at;
}

ControlState::Deployment* ControlState::FindOpen(const std::string& deployment) {
  const Deployment* found = deployment.empty() ? nullptr : Find(deployment);
  return found == nullptr || found->state != DeploymentState::kOpen ? nullptr : const_cast<Deployment*>(found);
}

}  // namespace anabranch
