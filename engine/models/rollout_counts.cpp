#include "engine/models/rollout_counts.h"

#include <utility>

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

// Adds counts of a batch, or of many. A text: they are of other outputs or of another segment than those before, which
// go: the version or the file was edited.
std::string AddOwn(CountsByNode* own, const std::string& node, const ArmCounts& counts) {
  const auto [at, is_new] = own->try_emplace(node, counts);
  if (is_new || at->second.Add(counts).ok()) return "";
  at->second = counts;
  return "node \"" + node +
         "\": what is compared is not what it was before (outputs, bins or segment), so the counts " +
         "of this instance begin at 0 again";
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
  if (said.number != 0 && entry.number <= said.number) return;
  said.number = entry.number;
  said.entry = std::make_shared<const ControlEntry>(std::move(entry));
  said.read = nullptr;
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
    if (said == said_.end() || own == said->second.end() || own->second.entry == nullptr) continue;
    auto counts = CountsBy(*own->second.entry, counting.counted_as);
    if (counts.ok()) {
      counting.own = std::make_shared<const CountsByNode>(std::move(counts).value());
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
  ++found->second.version;
  const std::string fault = AddOwn(&found->second.fresh, std::string(node), counts);
  if (!fault.empty()) fault_ = "generation " + std::to_string(generation) + ", " + fault;
}

std::string RolloutCounts::TakeFault() {
  const MutexLock lock(mutex_);
  return std::exchange(fault_, "");
}

// Own counts up to now. Adds what came since to a copy, while others count.
std::optional<RolloutCounts::Folded> RolloutCounts::Fold(uint32_t generation) const {
  const MutexLock folding(fold_mutex_);
  CountsByNode fresh;
  Folded folded;
  {
    const MutexLock lock(mutex_);
    const auto found = counting_.find(generation);
    if (found == counting_.end()) return std::nullopt;
    Counting& counting = found->second;
    fresh.swap(counting.fresh);
    folded = {counting.own, counting.counted_as, counting.version};
  }
  if (fresh.empty()) return folded;
  auto sum = std::make_shared<CountsByNode>(*folded.own);
  std::string faults;
  for (const auto& [node, counts] : fresh) faults += AddOwn(sum.get(), node, counts);
  folded.own = std::move(sum);
  const MutexLock lock(mutex_);
  if (!faults.empty()) fault_ = "generation " + std::to_string(generation) + ", " + faults;
  if (const auto found = counting_.find(generation); found != counting_.end()) found->second.own = folded.own;
  return folded;
}

// What the instances said last, all of it read.
RolloutCounts::SaidByInstance RolloutCounts::ReadOthers(uint32_t generation, const std::string& counted_as) const {
  SaidByInstance all;
  {
    const MutexLock lock(mutex_);
    if (const auto found = said_.find(generation); found != said_.end()) all = found->second;
  }
  all.erase(instance_);
  for (auto& [instance, said] : all) {
    if (said.read != nullptr) continue;
    auto counts = CountsBy(*said.entry, counted_as);
    auto read = std::make_shared<Read>();
    read->fault = counts.status().message();
    if (counts.ok()) read->counts = std::move(counts).value();
    said.read = std::move(read);
    const MutexLock lock(mutex_);
    const auto found = said_.find(generation);
    if (found == said_.end()) continue;  // let go of meanwhile
    const auto now = found->second.find(instance);
    if (now != found->second.end() && now->second.number == said.number)
      now->second = {nullptr, said.number, said.read};
  }
  return all;
}

RolloutCounts::Sum RolloutCounts::SumOf(uint32_t generation) const {
  Sum sum;
  const std::optional<Folded> folded = Fold(generation);
  if (!folded) return sum;
  sum.counts = *folded->own;
  for (const auto& [instance, said] : ReadOthers(generation, folded->counted_as)) {
    ++sum.instances;  // it judges, too
    const Status added =
        said.read->fault.empty() ? AddTo(&sum.counts, said.read->counts) : Status(Code::kInvalid, said.read->fault);
    if (!added.ok()) sum.fault = added.WithContext("counts of instance " + instance + " are omitted").message();
  }
  return sum;
}

std::vector<RolloutCounts::Change> RolloutCounts::Changed() const {
  std::vector<uint32_t> generations;
  {
    const MutexLock lock(mutex_);
    for (const auto& [generation, counting] : counting_) {
      if (counting.version != counting.sent) generations.push_back(generation);
    }
  }
  std::vector<Change> changes;
  for (const uint32_t generation : generations) {
    const auto folded = Fold(generation);
    if (folded) changes.push_back({CountsEntry(generation, *folded->own, folded->counted_as), folded->version});
  }
  return changes;
}

void RolloutCounts::Sent(const Change& change) {
  const MutexLock lock(mutex_);
  const auto found = counting_.find(change.entry.generation_number);
  if (found != counting_.end()) found->second.sent = change.version;
}

}  // namespace anabranch
