#include "nodes/infer/version_table.h"

#include <dlfcn.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace anabranch {
namespace {

constexpr std::chrono::seconds kLongestWait{1};

}  // namespace

// Allocators keep what was freed; a model is large enough to ask for it.
void GiveMemoryBack() {
  using Collect = void (*)(bool);
  static const auto collect = reinterpret_cast<Collect>(dlsym(RTLD_DEFAULT, "mi_collect"));
  if (collect != nullptr) collect(true);
  malloc_trim(0);
}

const VersionTable::Entry& VersionTable::At(GenerationId generation) const {
  const auto above = std::ranges::find_if(entries, [&](const Entry& entry) { return entry.from > generation; });
  return *std::prev(above);
}

void VersionShelf::BeginBatch() {
  const MutexLock lock(mutex_);
  ApplyChanges();
  at_work_ = true;
}

void VersionShelf::EndBatch() {
  std::vector<Loaded> left;
  {
    const MutexLock lock(mutex_);
    at_work_ = false;
    ApplyChanges();
    if (!awaited_) left = std::exchange(old_, {});
  }
  if (left.empty()) return;
  left.clear();
  GiveMemoryBack();
}

ModelRunner* VersionShelf::Find(const BoundVersion& version) const {
  for (const Loaded& each : loaded_) {
    if (each.version.get() == &version) return each.runner.get();
  }
  return nullptr;
}

void VersionShelf::Put(Loaded loaded) {
  const MutexLock lock(mutex_);
  new_.push_back(std::move(loaded));
  if (!at_work_) ApplyChanges();
}

void VersionShelf::SetTable(std::shared_ptr<const VersionTable> table) {
  shadows_.store(table->entries.back().rule() == ArmRule::kShadow, std::memory_order_relaxed);
  const MutexLock lock(mutex_);
  new_table_ = std::move(table);
  if (!at_work_) ApplyChanges();
}

std::vector<VersionShelf::Loaded> VersionShelf::TakeBack(std::vector<std::shared_ptr<BoundVersion>> used) {
  const auto until = std::chrono::steady_clock::now() + kLongestWait;
  const MutexLock lock(mutex_);
  take_back_ = true;
  awaited_ = true;
  used_ = std::move(used);
  if (!at_work_) ApplyChanges();
  while (take_back_ && std::chrono::steady_clock::now() < until) took_back_.WaitUntil(mutex_, until);
  awaited_ = false;
  return std::exchange(old_, {});
}

void VersionShelf::ApplyChanges() {
  if (new_table_ != nullptr) table_ = std::exchange(new_table_, nullptr);
  if (take_back_) GiveUpUnused();
  for (Loaded& each : new_) (Find(*each.version) == nullptr ? loaded_ : old_).push_back(std::move(each));
  new_.clear();
}

// Not what was put here since: that is used from now on.
void VersionShelf::GiveUpUnused() {
  take_back_ = false;
  const auto unused = std::ranges::stable_partition(
      loaded_, [this](const Loaded& each) REQUIRES(mutex_) { return std::ranges::count(used_, each.version) != 0; });
  old_.insert(old_.end(), std::make_move_iterator(unused.begin()), std::make_move_iterator(unused.end()));
  loaded_.erase(unused.begin(), unused.end());
  used_.clear();
  took_back_.NotifyAll();
}

}  // namespace anabranch
