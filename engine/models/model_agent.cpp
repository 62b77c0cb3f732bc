#include "engine/models/model_agent.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "engine/clock.h"
#include "engine/fault_point.h"
#include "engine/models/deployment.h"
#include "engine/models/load_attempts.h"

namespace anabranch {
namespace {

using EntryKind = ControlEntry::Kind;

constexpr int kReadWaitMs = 250;
constexpr int kQuietNice = 10;
constexpr int kMostLoadDeaths = 3;
constexpr std::chrono::milliseconds kGateLook{50};
constexpr std::chrono::seconds kEntryWait{30};
constexpr int64_t kRetryNs = 5'000'000'000;
constexpr int64_t kKeepPreviousMs = 3'600'000;  // a rollback within this time finds its version loaded

// Runs `work` on a thread that gives way to the ones that score, and waits for it.
void OnQuietThread(bool quietly, const std::function<void()>& work) {
  std::thread([&] {
    if (quietly) setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), kQuietNice);
    work();
  }).join();
}

void KeepArms(const ControlState::Generation* generation, std::vector<std::string>* keep) {
  if (generation == nullptr) return;
  for (const GenerationRecord::Arm& arm : generation->record().arms) keep->push_back(arm.digest);
}

std::string NameOf(const SourcePartition& partition) {
  return partition.topic + "/" + std::to_string(partition.partition);
}

std::string Labelled(const std::string& model, const GenerationRecord::Arm& arm) {
  return "model \"" + model + "\" version " + arm.version + " (" + arm.digest.substr(0, 12) + ")";
}

}  // namespace

ModelAgent::ModelAgent(Parts parts) : parts_(std::move(parts)), counts_(parts_.instance) {}
ModelAgent::~ModelAgent() { Stop(); }

const ModelAgent::Model* ModelAgent::Find(const std::string& name) const {
  const auto at = std::ranges::find(parts_.models, name, &Model::name);
  return at == parts_.models.end() ? nullptr : &*at;
}

void ModelAgent::Warn(const std::string& text) const {
  if (parts_.warn) parts_.warn(text);
}

void ModelAgent::WarnOnce(const std::string& text) {
  if (last_warning_ != text) Warn(last_warning_ = text);
}

ControlEntry ModelAgent::NewEntry(ControlEntry::Kind kind) const {
  ControlEntry entry;
  entry.kind = kind;
  Stamp(&entry);
  return entry;
}

void ModelAgent::Stamp(ControlEntry* entry) const {
  entry->at_ms = Clock::Real().WallMs();
  entry->instance = parts_.instance;
  entry->host = parts_.host;
}

std::optional<ControlState::Generation> ModelAgent::Newest(const std::string& model, uint32_t number) const {
  const MutexLock lock(mutex_);
  const ControlState::Generation* found = state_.Newest(model, number);
  return found == nullptr ? std::nullopt : std::optional(*found);
}

// The newest generation of this instance's models that is not newer than `at_most`; 0: there is none.
uint32_t ModelAgent::NewestNumber(uint32_t at_most) const {
  uint32_t newest = 0;
  const MutexLock lock(mutex_);
  for (const Model& model : parts_.models) {
    const ControlState::Generation* found = state_.Newest(model.name, at_most);
    if (found != nullptr) newest = std::max(newest, found->number);
  }
  return newest;
}

// Whether the newest generation is a step of a rollout.
bool ModelAgent::SeesStep() const {
  const MutexLock lock(mutex_);
  return !state_.generations().empty() && state_.generations().back().active.kind == EntryKind::kStep;
}

// ------------------------------------------------------------------------------------------- begin

Status ModelAgent::ReadOn(int wait_ms) {
  uint32_t after = 0;
  {
    const MutexLock lock(mutex_);
    after = state_.last();
  }
  ASSIGN_OR_RETURN(std::vector<ControlEntry> entries, parts_.log->Read(after, wait_ms));
  for (ControlEntry& entry : entries) {
    if (entry.kind != EntryKind::kCounts) continue;
    counts_.Heard(entry);
    entry.counts.clear();  // only there: they are long
  }
  const MutexLock lock(mutex_);
  for (const ControlEntry& entry : entries) {
    if (entry.number <= state_.last()) continue;
    state_.Apply(entry);
    if (entry.kind == EntryKind::kUnreadable) Warn(entry.reasons.front());
  }
  changed_.NotifyAll();
  return Status::Ok();
}

Status ModelAgent::Begin(const CancelToken& cancel) {
  RETURN_IF_ERROR(ReadOn(0));
  if (!parts_.reads_only) RETURN_IF_ERROR(StartModels());
  if (cancel.draining()) return {Code::kCancelled, "stopped while the models were made ready"};
  GoOnCounting();
  if (!parts_.reads_only) CompareDraws();
  if (NewestNumber(UINT32_MAX) == 0) return MakeAsOf(0);
  Status advanced = GiveUpAtLoad(Advance(false));
  const uint32_t abandoned = abandoned_.load();
  if (advanced.ok() || abandoned == 0) return advanced;
  RETURN_IF_ERROR(AwaitEntry(abandoned, cancel));
  return Advance(false);
}

// The first run of all: what the file says becomes a generation, so that the version stays the same whatever becomes of
// the registry. Of several instances the first one counts.
Status ModelAgent::StartModels() {
  bool appended = false;
  for (const Model& model : parts_.models) {
    if (Newest(model.name, UINT32_MAX)) continue;
    ASSIGN_OR_RETURN(GenerationRecord first, FirstOf(model));
    ControlEntry entry = StartEntry(std::move(first));
    Stamp(&entry);
    entry.start = model.start;
    ASSIGN_OR_RETURN(entry.gates, GateFirst(model, entry.generation));
    RETURN_IF_ERROR(parts_.log->Append(entry).status());
    appended = true;
  }
  return appended ? ReadOn(0) : Status::Ok();
}

// A deployment would put each of them through its gates as well.
Result<std::map<std::string, std::string>> ModelAgent::GateFirst(const Model& model,
                                                                 const GenerationRecord& record) const {
  std::map<std::string, std::string> all;
  if (!parts_.first_gates) return all;
  for (const GenerationRecord::Arm& arm : record.arms) {
    ASSIGN_OR_RETURN(const auto measured, parts_.first_gates(model, arm));
    const std::string of = record.arms.size() > 1 ? arm.version + " " : "";
    for (const auto& [gate, text] : measured) all[of + gate] = text;
  }
  return all;
}

// -------------------------------------------------------------------------------------------- load

// What is prepared is not looked for again: that reads all of its files, and lanes wait meanwhile.
Result<std::string> ModelAgent::FolderOf(const Model& model, const std::string& digest) {
  const auto known = folders_.find(digest);
  return known != folders_.end() ? Result<std::string>(known->second) : parts_.find(model, digest);
}

// Every version of `record`, in every node of the model.
Status ModelAgent::Load(const Model& model, const GenerationRecord& record, bool quietly) {
  Status status;
  for (const GenerationRecord::Arm& arm : record.arms) {
    const auto folder = FolderOf(model, arm.digest);
    if (!folder.ok()) return folder.status().WithContext(Labelled(model.name, arm));
    const ModelVersion version{model.name, arm.version, arm.digest, *folder};
    NoteBeside(model, arm);
    const LoadAttempts attempts(folders_.contains(arm.digest) ? "" : parts_.loads_file);
    if (attempts.Begin(arm.digest) >= kMostLoadDeaths) {
      attempts.End(arm.digest);  // who orders it again has it tried again
      deadly_.insert(arm.digest);
      return {Code::kUnavailable, Labelled(model.name, arm) + ": the process died " + std::to_string(kMostLoadDeaths) +
                                      " times in a row while it was loaded: a crash in a library, or a kill from "
                                      "outside (out of memory?)"};
    }
    status = FaultStatus("models.load", arm.version);
    OnQuietThread(quietly, [&] {
      for (ManagedModel* node : model.nodes) {
        if (status.ok()) status = node->Prepare(version);
      }
    });
    attempts.End(arm.digest);
    if (!status.ok()) return status.WithContext(Labelled(model.name, arm));
    folders_[arm.digest] = *folder;
    if (model.in_place) in_place_[model.name].insert(arm.digest);
  }
  return status;
}

Status ModelAgent::Make(const Model& model, uint32_t number, const GenerationRecord& record, bool quietly) {
  const MutexLock lock(load_mutex_);
  return MakeLoaded(model, number, record, quietly);
}

Status ModelAgent::MakeLoaded(const Model& model, uint32_t number, const GenerationRecord& record, bool quietly) {
  RETURN_IF_ERROR(Load(model, record, quietly));
  for (ManagedModel* node : model.nodes) node->Add(GenerationId(number), record);
  return Status::Ok();
}

// What scored when `number` was the newest generation: of each model its own newest one, or what the file says.
Status ModelAgent::MakeAsOf(uint32_t number) {
  for (const Model& model : parts_.models) {
    if (const auto generation = Newest(model.name, number)) {
      RETURN_IF_ERROR(Make(model, generation->number, generation->record(), false));
      continue;
    }
    ASSIGN_OR_RETURN(const GenerationRecord::Arm arm, parts_.start(model));
    GenerationRecord record;
    record.model = model.name;
    record.arms = {arm};
    RETURN_IF_ERROR(Make(model, 0, record, false));
  }
  return Status::Ok();
}

// Raises active() to the newest generation up to which every model is ready. A version that cannot be loaded and was
// replaced by a newer one is in nobody's way.
Status ModelAgent::Advance(bool quietly) {
  const MutexLock one(advance_mutex_);
  return AdvanceOn(quietly);
}

Status ModelAgent::AdvanceOn(bool quietly) {
  KeepCounts();  // before a lane counts what is active next
  Status failed;
  uint32_t number = NewestNumber(UINT32_MAX);
  while (number > active_.load() && failed.code() != Code::kCancelled) {
    Status made;
    const uint32_t too_new = MakeUpTo(number, quietly, &made);
    if (too_new == 0) {
      active_.store(number, std::memory_order_release);
      break;
    }
    if (failed.ok()) failed = made;
    number = NewestNumber(too_new - 1);
  }
  GoOn();
  return failed;
}

// The generation that cannot be made, and why; 0: all are. Those that lanes rest for come last: the others may fail.
uint32_t ModelAgent::MakeUpTo(uint32_t number, bool quietly, Status* failed) {
  for (const bool in_place : {false, true}) {
    for (const Model& model : parts_.models) {
      const auto generation = model.in_place == in_place ? Newest(model.name, number) : std::nullopt;
      if (!generation) continue;
      *failed = in_place ? SwapIn(model, *generation, quietly)
                         : Make(model, generation->number, generation->record(), quietly);
      if (!failed->ok()) return generation->number;
    }
  }
  return 0;
}

Status ModelAgent::AwaitEntry(uint32_t number, const CancelToken& cancel) {
  const auto end = std::chrono::steady_clock::now() + kEntryWait;
  while (true) {
    {
      const MutexLock lock(mutex_);
      if (state_.last() >= number) return Status::Ok();
    }
    if (cancel.draining()) return {Code::kCancelled, "stopped while the control log was read"};
    Status read = ReadOn(kReadWaitMs);
    const bool late = std::chrono::steady_clock::now() > end;
    if (!read.ok()) {
      if (late || read.code() != Code::kUnavailable) return read;
      std::this_thread::sleep_for(kGateLook);
    } else if (!parts_.log->shared()) {
      return Status::Ok();  // what nobody else writes will not come
    } else if (late) {
      return {Code::kUnavailable, "a partition was committed with generation " + std::to_string(number) + ", and " +
                                      parts_.log->Describe() +
                                      " does not have it: it was emptied or is another one. Restore it, or begin "
                                      "anew with --fresh"};
    }
  }
}

uint32_t ModelAgent::Check(GenerationId generation) const {
  const MutexLock lock(mutex_);
  return state_.Check(generation);
}

// The number is of this log, or of one that means the same by it.
Status ModelAgent::Verify(const CommittedGeneration& committed) const {
  if (committed.generation == 0) return Status::Ok();
  const MutexLock lock(mutex_);
  const ControlState::Generation* found = state_.At(committed.generation);
  const bool same = committed.check == 0 || committed.check == state_.Check(committed.generation);
  if (found != nullptr && same) return Status::Ok();
  const std::string number = std::to_string(uint32_t{committed.generation});
  const std::string here =
      found == nullptr ? "has no generation " + number
                       : "means " + Labelled(found->record().model, found->record().newest()) + " by this number";
  const std::string cure =
      parts_.log->shared()
          ? "was the topic made anew, or is it another one? Use the topic of before"
          : "bring back the models.db that wrote it, if it was lost. If other instances read this input, they need one "
            "log: add \"control\" to the topology";
  return {Code::kUnavailable, "partition " + NameOf(committed.partition) + " was committed with generation " + number +
                                  " of another control log, and " + parts_.log->Describe() + " " + here + "; " + cure +
                                  ". Or begin anew with --fresh"};
}

Status ModelAgent::Require(int lane, std::span<const CommittedGeneration> generations, const CancelToken& cancel) {
  uint32_t newest = 0;
  {
    const MutexLock lock(mutex_);
    uint32_t& oldest = required_.try_emplace(std::this_thread::get_id(), UINT32_MAX).first->second;
    for (const CommittedGeneration& each : generations) {
      oldest = std::min<uint32_t>(oldest, each.generation);
      newest = std::max<uint32_t>(newest, each.generation);
    }
  }
  RETURN_IF_ERROR(AwaitEntry(newest, cancel));
  for (const CommittedGeneration& each : generations) RETURN_IF_ERROR(Verify(each));
  if (HasInPlace()) return RequireInPlace(lane, generations, cancel);
  for (const CommittedGeneration& each : generations) {
    if (cancel.draining()) return {Code::kCancelled, "stopped while models were loaded"};
    RETURN_IF_ERROR(MakeAsOf(each.generation));
  }
  return Status::Ok();
}

// ------------------------------------------------------------------------------------------- lanes

std::optional<PlannedSwitch> ModelAgent::Planned(const SourcePartition& partition) const {
  const uint32_t number = active_.load();
  const MutexLock lock(mutex_);
  for (const ControlState::Generation& generation : state_.generations()) {
    if (generation.number != number) continue;
    const auto at = generation.record().at.find(NameOf(partition));
    if (at == generation.record().at.end()) return std::nullopt;
    return PlannedSwitch{GenerationId(number), at->second};
  }
  return std::nullopt;
}

void ModelAgent::Uses(int lane, GenerationId oldest) {
  const MutexLock lock(mutex_);
  used_[lane] = oldest;
  required_.erase(std::this_thread::get_id());
}

void ModelAgent::Switched(const SourcePartition& partition, const Scoring& scoring) {
  if (parts_.reads_only) return;
  const MutexLock lock(mutex_);
  mine_.insert(NameOf(partition));
  std::vector<Scoring>& switches = switched_[NameOf(partition)];
  if (switches.empty() || !(switches.back() == scoring)) switches.push_back(scoring);
}

void ModelAgent::Look(const std::function<void(const ControlState&)>& look) const {
  const MutexLock lock(mutex_);
  look(state_);
}

std::vector<ModelAgent::Serving> ModelAgent::Now() const {
  std::vector<Serving> all;
  const MutexLock lock(mutex_);
  for (const Model& model : parts_.models) {
    const ControlState::Generation* generation = state_.Newest(model.name, active_.load());
    if (generation == nullptr) continue;
    const ControlState::Deployment* open = state_.Open(model.name);
    all.push_back({model.name, generation->serving().version, generation->serving().digest, generation->number,
                   generation->active.at_ms, open == nullptr ? "" : open->prepare.generation.newest().version,
                   BanditOf(state_, model.name)});
    if (swap_.model != model.name) continue;
    all.back().swapping = swap_.version;
    all.back().swapping_since_ms = swap_.since_ms;
  }
  return all;
}

// ------------------------------------------------------------------------------------------ follow

void ModelAgent::Follow() {
  if (parts_.reads_only || follower_.joinable()) return;
  follower_ = std::thread([this] { FollowOn(); });
}

void ModelAgent::Stop() {
  stops_ = true;
  if (follower_.joinable()) follower_.join();
}

void ModelAgent::FollowOn() {
  while (!stops_.load()) Step();
  NoteSwitches();
  SendCounts();
  Judge();  // a run may be shorter than a look, again and again
}

void ModelAgent::Step() {
  const Status read = ReadOn(kReadWaitMs);
  if (!read.ok()) {
    WarnOnce(read.message());
    for (int i = 0; i < 20 && !stops_.load(); ++i) std::this_thread::sleep_for(kGateLook);
    return;
  }
  if (NewestNumber(UINT32_MAX) > active_.load() && Clock::Real().NowNs() >= retry_at_ns_) {
    if (SeesStep()) {
      FaultPoint("models.step_seen");
    } else {
      FaultPoint("models.active_seen");
    }
    const Status advanced = Advance(true);
    if (!advanced.ok() && advanced.code() != Code::kCancelled) {
      retry_at_ns_ = Clock::Real().NowNs() + kRetryNs;
      WarnOnce("a generation that is active cannot be loaded; the one before it goes on scoring: " +
               advanced.message());
    }
  }
  RollOut();
  Learn();
  AnswerDeployments();
  NoteSwitches();
  ForgetOld();
  KeepStored();
}

bool ModelAgent::Append(const ControlEntry& entry) {
  const auto appended = parts_.log->Append(entry);
  if (appended.ok()) return true;
  WarnOnce(appended.status().message());
  return false;
}

void ModelAgent::NoteSwitches() {
  std::map<std::string, std::vector<Scoring>> switched;
  {
    const MutexLock lock(mutex_);
    switched.swap(switched_);
    for (const auto& [partition, served] : state_.served()) {
      ControlState::Served& noted = noted_.try_emplace(partition, served.back()).first->second;
      if (served.back().number >= noted.number) noted = served.back();  // by the instance that had it meanwhile
    }
  }
  bool writes = true;  // a log that is away takes its time for each entry: one try, then all the rest later
  for (auto& [partition, switches] : switched) {
    const size_t done = writes ? NoteSwitchesOf(partition, switches) : 0;
    if (done == switches.size()) continue;
    writes = false;
    const MutexLock lock(mutex_);  // before those that came meanwhile
    std::vector<Scoring>& waiting = switched_[partition];
    waiting.insert(waiting.begin(), switches.begin() + static_cast<ptrdiff_t>(done), switches.end());
  }
}

// How many of them are noted, the first ones.
size_t ModelAgent::NoteSwitchesOf(const std::string& partition, const std::vector<Scoring>& switches) {
  size_t done = 0;
  while (done < switches.size() && NoteSwitch(partition, switches[done])) ++done;
  return done;
}

bool ModelAgent::NoteSwitch(const std::string& partition, const Scoring& scoring) {
  const auto noted = noted_.find(partition);
  if (noted != noted_.end()) {
    const ControlState::Served& last = noted->second;
    if (last.number > scoring.generation) return true;  // another instance went on from there
    const bool same = last == ControlState::Served{scoring.generation, scoring.since};
    if (same && last.instance == parts_.instance) return true;  // else it came here from another instance
  }
  ControlEntry entry = NewEntry(EntryKind::kServes);
  entry.partition = partition;
  entry.position = scoring.since;
  entry.generation_number = scoring.generation;
  if (!Append(entry)) return false;
  noted_[partition] = {scoring.generation, scoring.since, parts_.instance};
  return true;
}

// Lets go of versions that nobody needs: not those that score, nor the ones before them for a while, nor those of an
// open deployment.
void ModelAgent::ForgetOld() {
  const MutexLock loading(load_mutex_);  // what is required meanwhile is loaded after this
  uint32_t oldest = active_.load();
  std::vector<std::string> keep;
  {
    const MutexLock lock(mutex_);
    if (used_.empty()) return;  // no lane is at work yet
    for (const auto& [lane, used] : used_) oldest = std::min(oldest, used);
    for (const auto& [thread, required] : required_) oldest = std::min(oldest, required);
    for (const Model& model : parts_.models) {
      const ControlState::Generation* current = state_.Newest(model.name, active_.load());
      if (current == nullptr) continue;
      KeepArms(current, &keep);
      KeepArms(state_.Newest(model.name), &keep);  // may be active next
      const bool recent = Clock::Real().WallMs() - current->active.at_ms < kKeepPreviousMs;
      if (recent && !model.in_place) KeepArms(state_.Newest(model.name, current->number - 1), &keep);
      if (const ControlState::Deployment* open = state_.Open(model.name)) {
        for (const GenerationRecord::Arm& arm : open->prepare.generation.arms) keep.push_back(arm.digest);
      }
    }
  }
  if (kept_ == std::pair(oldest, keep)) return;
  kept_ = {oldest, keep};
  std::erase_if(folders_, [&](const auto& each) { return std::ranges::count(keep, each.first) == 0; });
  for (auto& [model, digests] : in_place_) {
    std::erase_if(digests, [&](const std::string& each) { return std::ranges::count(keep, each) == 0; });
  }
  OnQuietThread(true, [&] {
    for (const Model& model : parts_.models) {
      for (ManagedModel* node : model.nodes) node->Forget(GenerationId(oldest), keep);
    }
  });
}

}  // namespace anabranch
