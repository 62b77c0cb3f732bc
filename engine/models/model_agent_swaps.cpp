#include <algorithm>
#include <chrono>

#include "engine/clock.h"
#include "engine/fault_point.h"
#include "engine/models/model_agent.h"

namespace anabranch {
namespace {

constexpr std::chrono::milliseconds kRestLook{50};

}  // namespace

// Where two versions of a model do not fit into memory ("swap": "in_place"), the one that scores goes before the next
// one is loaded. Meanwhile the lanes rest: all that they took in is committed, so no row needs the version that goes.

bool ModelAgent::HasInPlace() const { return std::ranges::any_of(parts_.models, &Model::in_place); }

void ModelAgent::Works(int lane, LaneWork work) {
  const MutexLock lock(mutex_);
  works_[lane] = work;
  changed_.NotifyAll();
}

bool ModelAgent::HasLoaded(const Model& model, const GenerationRecord& record) {
  const std::set<std::string>& loaded = in_place_[model.name];
  return std::ranges::all_of(record.arms,
                             [&](const GenerationRecord::Arm& arm) { return loaded.contains(arm.digest); });
}

void ModelAgent::NoteBeside(const Model& model, const GenerationRecord::Arm& arm) {
  const auto loaded = in_place_.find(model.name);
  if (loaded == in_place_.end() || loaded->second.empty() || loaded->second.contains(arm.digest)) return;
  Warn("model \"" + model.name + "\": version " + arm.version +
       " is loaded beside another one for a while, although \"swap\" is \"in_place\": records are scored by both");
}

// Rows that some target has, and another has not, are scored by the version that scored them: where that is not the one
// in memory, both are there until it is done.
Status ModelAgent::RequireInPlace(int lane, std::span<const CommittedGeneration> generations,
                                  const CancelToken& cancel) {
  Works(lane, LaneWork::kRests);
  const MutexLock one(advance_mutex_);
  Status status;
  for (const CommittedGeneration& each : generations) {
    if (!status.ok()) break;
    if (cancel.draining()) status = {Code::kCancelled, "stopped while models were loaded"};
    if (status.ok() && each.generation > active_.load()) status = AdvanceOn(false);
    if (status.ok() && each.scores) status = MakeAsOf(each.generation);
  }
  Works(lane, LaneWork::kWorks);
  return status;
}

// The lanes rest until GoOn().
Status ModelAgent::SwapIn(const Model& model, const ControlState::Generation& to, bool quietly) {
  const GenerationRecord& record = to.record();
  Status status;
  {
    const MutexLock lock(load_mutex_);
    const bool is_start = active_.load() == 0 && in_place_[model.name].empty();
    if (is_start || HasLoaded(model, record)) {
      status = MakeLoaded(model, to.number, record, quietly);
      if (status.ok()) return status;
      UnloadAll(model);  // some node may have it
    } else {
      // Before anything stops for it.
      for (const GenerationRecord::Arm& arm : record.arms) {
        if (status.ok()) status = FolderOf(model, arm.digest).status();
      }
    }
  }
  if (status.ok()) status = SwapAtRest(model, to, quietly);
  if (!status.ok() && status.code() != Code::kCancelled) Abandon(model, to, status);
  return status;
}

Status ModelAgent::SwapAtRest(const Model& model, const ControlState::Generation& to, bool quietly) {
  const std::string& version = to.record().newest().version;
  const int64_t begin_ns = Clock::Real().NowNs();
  {
    const MutexLock lock(mutex_);
    swap_ = {model.name, version, Clock::Real().WallMs()};
  }
  rests_.store(true);
  Warn("model \"" + model.name + "\": version " + version +
       " is loaded in the place of the one that scores; records wait until it is there");
  RETURN_IF_ERROR(AwaitRest());
  RETURN_IF_ERROR(Exchange(model, to, quietly));
  Warn("model \"" + model.name + "\": version " + version + " is loaded, after " +
       std::to_string((Clock::Real().NowNs() - begin_ns) / kNsPerMs) + " ms");
  return Status::Ok();
}

// kCancelled: the run ends.
Status ModelAgent::AwaitRest() {
  const auto is = [](LaneWork wanted) { return [wanted](const auto& each) { return each.second == wanted; }; };
  const MutexLock lock(mutex_);
  while (!stops_.load()) {
    if (!works_.empty() && std::ranges::all_of(works_, is(LaneWork::kGone))) break;
    if (std::ranges::none_of(works_, is(LaneWork::kWorks))) return Status::Ok();
    changed_.WaitUntil(mutex_, std::chrono::steady_clock::now() + kRestLook);
  }
  return {Code::kCancelled, "the run ends"};
}

// The version that scored is loaded again if the other one cannot be.
Status ModelAgent::Exchange(const Model& model, const ControlState::Generation& to, bool quietly) {
  const auto from = Newest(model.name, active_.load());
  FaultPoint("models.swap_rested", model.name);
  const MutexLock lock(load_mutex_);
  UnloadAll(model);
  FaultPoint("models.swap_unloaded", model.name);
  Status loaded = MakeLoaded(model, to.number, to.record(), quietly);
  if (loaded.ok() || !from) return loaded;
  UnloadAll(model);
  const Status back = MakeLoaded(model, from->number, from->record(), quietly);
  if (back.ok()) return loaded;
  UnloadAll(model);
  return loaded.WithContext("the version before cannot be loaded again (" + back.message() +
                            "), so records wait until one can be");
}

void ModelAgent::UnloadAll(const Model& model) {
  for (ManagedModel* node : model.nodes) node->Unload();
  for (const std::string& digest : in_place_[model.name]) folders_.erase(digest);
  in_place_[model.name].clear();
}

// The lanes take records in again, if every model has a version that scores them. What is active is loaded by now.
void ModelAgent::GoOn() {
  {
    const MutexLock lock(load_mutex_);
    for (const Model& model : parts_.models) {
      if (model.in_place && in_place_[model.name].empty()) return;
    }
  }
  rests_.store(false, std::memory_order_release);
  const MutexLock lock(mutex_);
  swap_ = {};
}

// The version before becomes a generation of its own, for all instances. A version that scored already is not given up:
// then a restart says what is missing.
void ModelAgent::Abandon(const Model& model, const ControlState::Generation& to, const Status& why) {
  const auto before = Newest(model.name, to.number - 1);
  if (to.active.kind != ControlEntry::Kind::kActive || !before || parts_.reads_only) return;
  if (active_.load() == 0) {
    const MutexLock lock(mutex_);
    const bool scored =
        std::ranges::any_of(state_.served(), [&](const auto& each) { return each.second.back().number >= to.number; });
    if (scored) return;
  }
  ControlEntry entry = NewEntry(ControlEntry::Kind::kStep);
  entry.action = "abandon";
  entry.after = to.number;
  entry.is_crash = true;
  entry.generation = before->record();
  entry.generation.at.clear();
  entry.reason = "version " + to.record().newest().version + " cannot be loaded";
  entry.reasons = {"instance " + parts_.instance + ": " + why.message()};
  const auto appended = parts_.log->Append(entry);
  if (!appended.ok()) return WarnOnce(appended.status().message());
  abandoned_.store(*appended);
  Warn("model \"" + model.name + "\": " + entry.reason + ", version " + before->record().newest().version +
       " goes on scoring: " + why.message());
}

}  // namespace anabranch
