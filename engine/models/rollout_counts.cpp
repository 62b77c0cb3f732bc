#include "engine/models/rollout_counts.h"

namespace anabranch {
namespace {

// kInvalid: counted by other guards, or damaged.
Result<CountsByNode> CountsBy(const ControlEntry& entry, const std::string& counted_as) {
  const auto said = entry.guards.find(kCountedAs);
  if (said != entry.guards.end() && said->second == counted_as) return CountsIn(entry);
  return Status(Code::kInvalid, "instance " + entry.instance + ", generation " +
                                    std::to_string(entry.generation_number) + ": counted by other guards (" +
                                    (said == entry.guards.end() ? "unknown" : said->second) +
                                    ") than those of the topology file (" + counted_as + ")");
}

}  // namespace

ControlEntry CountsEntry(uint32_t generation, const CountsByNode& counts, const std::string& counted_as, size_t bytes) {
  ControlEntry entry;
  entry.kind = ControlEntry::Kind::kCounts;
  entry.generation_number = generation;
  entry.guards[kCountedAs] = counted_as;
  for (const auto& [node, each] : counts) entry.counts[node] = each.Print();
  if (PrintControlEntry(entry).size() <= bytes) return entry;
  for (const auto& [node, each] : counts) entry.counts[node] = each.WithoutSegments().Print();
  return entry;
}

void RolloutCounts::Heard(ControlEntry entry) {
  const MutexLock lock(mutex_);
  Said& said = said_[entry.generation_number][entry.instance];
  if (entry.number > said.entry.number) said = {std::move(entry), false, {}, {}};
}

void RolloutCounts::Keep(const std::map<uint32_t, std::string>& generations) {
  const MutexLock lock(mutex_);
  std::erase_if(counting_, [&](const auto& each) { return !generations.contains(each.first); });
  std::erase_if(said_, [&](const auto& each) { return !generations.contains(each.first); });
  for (const auto& [generation, counted_as] : generations) counting_[generation].counted_as = counted_as;
}

std::string RolloutCounts::GoOn() {
  std::string faults;
  const MutexLock lock(mutex_);
  for (auto& [generation, counting] : counting_) {
    const auto said = said_.find(generation);
    const auto own = said == said_.end() ? decltype(said->second.end())() : said->second.find(instance_);
    if (said == said_.end() || own == said->second.end()) continue;
    auto counts = CountsBy(own->second.entry, counting.counted_as);
    if (counts.ok()) {
      counting.own = std::move(counts).value();
    } else {
      faults += (faults.empty() ? "" : "; ") + counts.status().message() + "; it begins at 0 again";
    }
  }
  return faults;
}

void RolloutCounts::Counted(std::string_view node, uint32_t generation, const ArmCounts& counts) {
  const MutexLock lock(mutex_);
  const auto found = counting_.find(generation);
  if (found == counting_.end()) return;  // long replaced
  Counting& counting = found->second;
  ++counting.version;
  const auto [at, fresh] = counting.own.try_emplace(std::string(node), counts);
  if (!fresh && !at->second.Add(counts).ok()) at->second = counts;  // of other outputs: the file was edited
}

RolloutCounts::Sum RolloutCounts::SumOf(uint32_t generation) const {
  Sum sum;
  const MutexLock lock(mutex_);
  const auto found = counting_.find(generation);
  if (found == counting_.end()) return sum;
  sum.counts = found->second.own;
  const auto others = said_.find(generation);
  if (others == said_.end()) return sum;
  for (auto& [instance, said] : others->second) {
    if (instance == instance_) continue;
    if (!said.read) {
      auto counts = CountsBy(said.entry, found->second.counted_as);
      said.fault = counts.status().message();
      if (counts.ok()) said.counts = std::move(counts).value();
      said.read = true;
      said.entry.counts.clear();
    }
    ++sum.instances;  // it judges, too
    const Status added = said.fault.empty() ? AddTo(&sum.counts, said.counts) : Status(Code::kInvalid, said.fault);
    if (!added.ok()) sum.fault = added.WithContext("counts of instance " + instance + " are omitted").message();
  }
  return sum;
}

std::vector<RolloutCounts::Change> RolloutCounts::Changed() const {
  std::map<uint32_t, Counting> changed;
  {
    const MutexLock lock(mutex_);
    for (const auto& [generation, counting] : counting_) {
      if (counting.version != counting.sent) changed.emplace(generation, counting);
    }
  }
  std::vector<Change> changes;  // printed while others count
  for (const auto& [generation, counting] : changed) {
    changes.push_back({CountsEntry(generation, counting.own, counting.counted_as), counting.version});
  }
  return changes;
}

void RolloutCounts::Sent(const Change& change) {
  const MutexLock lock(mutex_);
  const auto found = counting_.find(change.entry.generation_number);
  if (found != counting_.end()) found->second.sent = change.version;
}

}  // namespace anabranch
