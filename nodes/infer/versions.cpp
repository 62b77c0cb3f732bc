#include "nodes/infer/versions.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "engine/generation_record.h"
#include "nodes/infer/compared.h"

namespace anabranch {
namespace {

Status Unreadable(const ModelVersion& version, const std::string& why) {
  return {Code::kUnavailable, "version " + version.model + "@" + version.version + " (digest " +
                                  version.digest.substr(0, 12) + ") cannot be read in " + version.folder + ": " + why +
                                  "; put the package back there, or deploy it again"};
}

std::shared_ptr<BoundVersion> MakeBound(std::shared_ptr<const InferPlan> plan) {
  std::string digest = plan->package->manifest.digest;
  auto version = std::make_shared<BoundVersion>(std::move(digest), std::move(plan));
  // Its file is in memory only until it is loaded, so there is no second session.
  version->loader.ShareSessionAbove(version->loader.plan().in_place ? 0 : Versions::kLargeModelBytes);
  return version;
}

}  // namespace

Versions::Versions(std::shared_ptr<const InferPlan> start, const BindContext& context)
    : surroundings_(context),
      start_(MakeBound(std::move(start))),
      table_(std::make_shared<VersionTable>(VersionTable{{{GenerationId(0), {start_}}}})) {}

std::shared_ptr<BoundVersion> Versions::newest() const {
  const MutexLock lock(mutex_);
  const VersionTable::Entry& last = table_->entries.back();
  if (last.arms.empty()) return start_;
  return last.has_cut() ? last.arms.back() : last.arms.front();
}

// ------------------------------------------------------------------ preparing

Result<std::shared_ptr<BoundVersion>> Versions::Bind(const ModelVersion& version) const {
  if (version.digest == start_->digest && start_->loader.plan().model->bytes->has()) return start_;
  std::vector<PackageFault> faults;
  auto package = ReadPackage(version.folder, "", &faults);
  if (package == nullptr) {
    std::string why;
    for (const PackageFault& fault : faults) {
      why += (why.empty() ? "" : "; ") + (fault.file.empty() ? "" : fault.file + ": ") + fault.message;
    }
    return Unreadable(version, why);
  }
  if (package->manifest.digest != version.digest) {
    return Unreadable(version, "the package there has the digest " + package->manifest.digest.substr(0, 12));
  }
  ASSIGN_OR_RETURN(auto plan, BindVersion(surroundings_, start_->loader.plan(), std::move(package)));
  return MakeBound(std::move(plan));
}

Status Versions::Prepare(const ModelVersion& version) {
  {
    const MutexLock lock(mutex_);
    if (FindPrepared(version.digest) != nullptr) return Status::Ok();
  }
  try {
    if (in_place() && version.digest != start_->digest) start_->loader.plan().model->bytes->LetGo();
    ASSIGN_OR_RETURN(const auto bound, Bind(version));
    Status loaded = LoadForOpenNodes(bound);
    if (in_place()) {
      bound->loader.plan().model->bytes->LetGo();
      GiveMemoryBack();
    }
    return loaded;
  } catch (const std::exception& error) {
    return {Code::kStage, "version " + version.model + "@" + version.version + ": " + error.what()};
  }
}

Status Versions::LoadForOpenNodes(const std::shared_ptr<BoundVersion>& version) {
  ASSIGN_OR_RETURN(auto first, version->loader.Load(false));  // before it is handed to any node
  std::vector<std::shared_ptr<VersionShelf>> shelves;
  std::vector<std::unique_ptr<ModelRunner>> runners;
  {
    const MutexLock lock(mutex_);
    shelves = OpenShelves();
    prepared_.push_back({version, shelves.empty() ? std::move(first) : nullptr});
  }
  if (first != nullptr) runners.push_back(std::move(first));
  while (runners.size() < shelves.size()) {
    auto next = version->loader.Load(false);
    if (!next.ok()) {
      const MutexLock lock(mutex_);
      Drop(*version);
      return next.status();
    }
    runners.push_back(std::move(next).value());
  }
  for (size_t i = 0; i < shelves.size(); ++i) shelves[i]->Put({version, std::move(runners[i])});
  return Status::Ok();
}

Result<std::shared_ptr<VersionShelf>> Versions::Open() {
  auto shelf = std::make_shared<VersionShelf>();
  std::vector<VersionShelf::Loaded> wanted;
  {
    const MutexLock lock(mutex_);
    for (const Prepared& each : prepared_) wanted.push_back({each.version, nullptr});
    for (VersionShelf::Loaded& each : wanted) each.runner = TakeSpare(*each.version);
    if (wanted.empty()) wanted.push_back({start_, nullptr});
    shelf->SetTable(table_);
    shelves_.push_back(shelf);  // what is prepared from now on is put there
  }
  for (VersionShelf::Loaded& each : wanted) {
    if (each.runner == nullptr) {
      ASSIGN_OR_RETURN(each.runner, each.version->loader.Load(true));
    }
    shelf->Put(std::move(each));
  }
  return shelf;
}

// ------------------------------------------------------------------ generations

void Versions::Add(GenerationId generation, const GenerationRecord& record) {
  const MutexLock lock(mutex_);
  std::vector<VersionTable::Entry> entries = table_->entries;
  std::erase_if(entries, [&](const VersionTable::Entry& entry) { return entry.from == generation; });
  entries.push_back({generation, FindArms(record), record});
  std::ranges::sort(entries, {}, &VersionTable::Entry::from);
  SetTable(std::move(entries));
}

void Versions::AddCompared(const std::string& digest, CompareSpec* spec) const {
  std::shared_ptr<const BoundVersion> version = start_;
  if (digest != start_->digest) {
    const MutexLock lock(mutex_);
    version = FindPrepared(digest);
  }
  if (version != nullptr) AddComparedOutputs(start_->loader.plan(), version->loader.plan(), spec);
}

void Versions::Forget(GenerationId oldest, const std::vector<std::string>& keep) {
  std::vector<std::shared_ptr<BoundVersion>> used;
  std::vector<std::shared_ptr<VersionShelf>> shelves;
  std::vector<Prepared> dropped;
  {
    const MutexLock lock(mutex_);
    std::vector<VersionTable::Entry> entries = table_->entries;
    while (entries.size() > 1 && entries[1].from <= oldest) entries.erase(entries.begin());
    for (const VersionTable::Entry& entry : entries) used.insert(used.end(), entry.arms.begin(), entry.arms.end());
    if (entries[0].from > 0) entries.insert(entries.begin(), {GenerationId(0), {}});
    for (const Prepared& each : prepared_) {
      if (std::ranges::count(keep, each.version->digest) != 0) used.push_back(each.version);
    }
    shelves = SetTable(std::move(entries));
    const auto unused = std::ranges::stable_partition(
        prepared_, [&](const Prepared& each) { return std::ranges::count(used, each.version) != 0; });
    dropped.assign(std::make_move_iterator(unused.begin()), std::make_move_iterator(unused.end()));
    prepared_.erase(unused.begin(), unused.end());
  }
  bool unloaded = false;
  for (const std::shared_ptr<VersionShelf>& shelf : shelves) unloaded |= !shelf->TakeBack(used).empty();
  unloaded |= !dropped.empty();
  dropped.clear();
  if (unloaded) GiveMemoryBack();
}

void Versions::Unload() {
  std::vector<std::shared_ptr<VersionShelf>> shelves;
  std::vector<Prepared> dropped;
  {
    const MutexLock lock(mutex_);
    shelves = SetTable({{GenerationId(0), {}}});
    dropped = std::exchange(prepared_, {});
  }
  for (const std::shared_ptr<VersionShelf>& shelf : shelves) (void)shelf->TakeBack({});
  dropped.clear();
  GiveMemoryBack();
}

// ------------------------------------------------------------------ parts

// All of them, or none: without one of its arms a generation cannot be scored as its record says.
std::vector<std::shared_ptr<BoundVersion>> Versions::FindArms(const GenerationRecord& record) const {
  std::vector<std::shared_ptr<BoundVersion>> arms;
  const bool pair =
      record.rule == ArmRule::kShadow || record.rule == ArmRule::kCanary || record.rule == ArmRule::kEventTime;
  if (pair && record.arms.size() != 2) return {};
  if (record.rule == ArmRule::kBandit && record.probabilities.size() != record.arms.size()) return {};
  for (const GenerationRecord::Arm& arm : record.arms) {
    std::shared_ptr<BoundVersion> version = FindPrepared(arm.digest);
    if (version == nullptr) return {};
    arms.push_back(std::move(version));
  }
  return arms;
}

std::shared_ptr<BoundVersion> Versions::FindPrepared(const std::string& digest) const {
  for (const Prepared& each : prepared_) {
    if (each.version->digest == digest) return each.version;
  }
  return nullptr;
}

std::unique_ptr<ModelRunner> Versions::TakeSpare(const BoundVersion& version) {
  for (Prepared& each : prepared_) {
    if (each.version.get() == &version) return std::move(each.spare);
  }
  return nullptr;
}

void Versions::Drop(const BoundVersion& version) {
  std::erase_if(prepared_, [&](const Prepared& each) { return each.version.get() == &version; });
}

std::vector<std::shared_ptr<VersionShelf>> Versions::OpenShelves() {
  std::vector<std::shared_ptr<VersionShelf>> open;
  std::erase_if(shelves_, [&](const std::weak_ptr<VersionShelf>& each) {
    if (auto shelf = each.lock()) open.push_back(std::move(shelf));
    return each.expired();
  });
  return open;
}

std::vector<std::shared_ptr<VersionShelf>> Versions::SetTable(std::vector<VersionTable::Entry> entries) {
  table_ = std::make_shared<VersionTable>(VersionTable{std::move(entries)});
  std::vector<std::shared_ptr<VersionShelf>> shelves = OpenShelves();
  for (const std::shared_ptr<VersionShelf>& shelf : shelves) shelf->SetTable(table_);
  return shelves;
}

}  // namespace anabranch
