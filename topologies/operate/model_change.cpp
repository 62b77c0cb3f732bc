#include "topologies/operate/model_change.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "engine/clock.h"
#include "engine/models/bandit_learner.h"
#include "engine/models/deployment.h"
#include "engine/models/model_store.h"
#include "engine/printable.h"
#include "engine/run/ledger.h"
#include "topologies/operate/model_events.h"
#include "topologies/operate/model_session.h"
#include "topologies/operate/rollout_view.h"
#include "topologies/operate/switch_place.h"

namespace anabranch {
namespace {

using Ordered = ModelChangeWish::Action;
using Ended = ModelChangeResult::Kind;
using VersionArm = GenerationRecord::Arm;

// One change of one model.
class ModelChange {
 public:
  ModelChange(const ModelChangeWish& wish, const ModelChangePlace& place) : wish_(wish), place_(place) {
    result_.model = wish.model;
    result_.version = wish.version;
  }

  ModelChangeResult Run();

 private:
  Status Begin();
  Status IsSeen() const;
  void DeployVersion();
  void DeployBandit();
  void Promote();
  void Hold();
  void RollBack();

  void Fail(Status status, Ended kind = Ended::kFailed);
  void Refuse(std::vector<std::string> reasons);
  void Stay(const ControlState::Generation& current, Ended kind, const std::string& text);
  void Take(const Result<DeploymentEnd>& end, const GenerationRecord& record);
  bool RefusesBeside(const ControlState::Generation& current, const VersionArm& arm);
  bool RefusesTaken(const VersionArm& arm);
  Status ReadPlace();
  bool IsInPlace() const;
  bool RefusesTime(const VersionArm& arm);
  Status StartModel();
  std::optional<std::map<std::string, std::string>> Gate(const RegistryEntry& entry);
  std::optional<std::map<std::string, std::string>> PutThroughGates(const VersionArm& arm);
  GenerationRecord Wanted(const ControlState::Generation* current, const VersionArm& arm) const;
  Result<bool> EndOpen(const ControlState::Deployment& open);
  const ControlState::Generation* UnderWay();
  void SignEntry(ControlEntry* entry) const;
  ControlEntry Entry(ControlEntry::Kind kind, const GenerationRecord& record,
                     std::map<std::string, std::string> gates) const;
  DeploymentWish Driven(ControlEntry entry) const;
  void Prepare(const GenerationRecord& record, std::map<std::string, std::string> gates);
  void Step(ControlEntry entry);
  Result<std::vector<std::string>> LocalMembers() const;

  const ModelChangeWish& wish_;
  const ModelChangePlace& place_;
  ModelChangeResult result_;
  const PlanModel* model_ = nullptr;
  SwitchPlace at_;
  std::unique_ptr<ControlLog> log_;
  ControlState state_;
};

// The account of this process; a number where it has no name, as in a container.
std::string WhoAmI() {
  const passwd* account = getpwuid(geteuid());
  return account == nullptr ? "uid " + std::to_string(geteuid()) : account->pw_name;
}

std::string StepText(const GenerationRecord& record, int steps) {
  if (record.step == 0) return "";
  return "step " + std::to_string(record.step) + (steps > 0 ? " of " + std::to_string(steps) : "") + ": ";
}

// ------------------------------------------------------------------------------------------ results

void ModelChange::Fail(Status status, Ended kind) {
  result_.kind = kind;
  result_.text = status.message();
  result_.status = std::move(status);
}

// Nothing changed, for these reasons.
void ModelChange::Refuse(std::vector<std::string> reasons) {
  result_.kind = Ended::kRefused;
  result_.text = "refused; what scored before goes on scoring";
  result_.reasons = std::move(reasons);
}

// `current` goes on as it is.
void ModelChange::Stay(const ControlState::Generation& current, Ended kind, const std::string& text) {
  result_.kind = kind;
  result_.generation = current.number;
  result_.version = current.record().newest().version;
  result_.digest = current.record().newest().digest;
  result_.step = current.record().step;
  result_.text = text + ", generation " + std::to_string(current.number);
}

void ModelChange::Take(const Result<DeploymentEnd>& end, const GenerationRecord& record) {
  if (!end.ok()) return Fail(end.status());
  if (end->kind == DeploymentEnd::Kind::kAbandoned) return Refuse(end->reasons);
  const bool already = end->kind == DeploymentEnd::Kind::kAlready;
  const VersionArm& arm = record.newest();
  result_.kind = already ? Ended::kAlready : Ended::kActive;
  result_.version = arm.version;
  result_.digest = arm.digest;
  result_.generation = end->generation;
  result_.step = record.arms.size() > 1 ? record.step : 0;
  result_.instances = end->instances;
  result_.waiting = end->waiting;
  const std::string what = record.rule == ArmRule::kOne
                               ? model_->name + "@" + Printable(arm.version) + (already ? " scores already" : " scores")
                               : model_->name + ", " + StepText(record, result_.steps) + ScoringText(record);
  result_.text = what + ", generation " + std::to_string(end->generation);
  if (already) return;
  if (end->instances.empty()) result_.remarks.push_back("no instance runs: it scores from the next start on");
  for (const auto& [partition, offset] : record.at) {
    result_.remarks.push_back("partition " + Printable(partition) + ": from offset " + std::to_string(offset) + " on");
  }
  if (record.rule == ArmRule::kEventTime && record.from_time / 1000 <= Clock::Real().WallMs()) {
    result_.remarks.push_back("that time is over: records of it that were scored already keep their version");
  }
  for (const std::string& partition : end->waiting) {
    result_.remarks.push_back("partition " + Printable(partition) +
                              " was not switched yet: its instance does so at its next batch");
  }
  const Plan& plan = place_.plan;
  if (plan.control == nullptr && !plan.sources.empty() && plan.sources.front().program->KeepsPosition()) {
    result_.remarks.push_back(
        "the topology has no \"control\": other instances of it, if there are any, do not change");
  }
}

// ------------------------------------------------------------------------------------------ entries

void ModelChange::SignEntry(ControlEntry* entry) const {
  const ControlEntry mine = CommandEntry(entry->kind);
  entry->at_ms = mine.at_ms;
  entry->host = mine.host;
  entry->by = wish_.by.empty() ? WhoAmI() : wish_.by;
  entry->reason = wish_.reason;
  entry->approved_by = wish_.approved_by;
}

ControlEntry ModelChange::Entry(ControlEntry::Kind kind, const GenerationRecord& record,
                                std::map<std::string, std::string> gates) const {
  ControlEntry entry;
  entry.kind = kind;
  entry.action = NameOf(wish_.action);
  entry.generation = record;
  entry.gates = std::move(gates);
  SignEntry(&entry);
  if (wish_.edited != 0) {
    entry.edited = wish_.edited;
    entry.start = wish_.version;
    entry.instance = place_.instance;
  }
  return entry;
}

Result<std::vector<std::string>> ModelChange::LocalMembers() const {
  ASSIGN_OR_RETURN(const int64_t owner, Ledger::Owner(place_.state_dir));
  return owner == 0 ? std::vector<std::string>() : std::vector<std::string>{place_.instance};
}

DeploymentWish ModelChange::Driven(ControlEntry entry) const {
  DeploymentWish driven;
  driven.prepare = std::move(entry);
  driven.timeout_ms = int64_t{wish_.timeout_s} * 1000;
  driven.members = [this] { return LocalMembers(); };
  driven.progress = place_.progress;
  driven.cancel = place_.cancel;
  driven.in_place = IsInPlace();
  return driven;
}

void ModelChange::Prepare(const GenerationRecord& record, std::map<std::string, std::string> gates) {
  ControlEntry entry = Entry(ControlEntry::Kind::kPrepare, record, std::move(gates));
  if (const ControlState::Generation* current = state_.Newest(model_->name)) entry.after = current->number;
  Take(Deploy(*log_, Driven(std::move(entry))), record);
}

// All instances have the arms, so nobody is asked.
void ModelChange::Step(ControlEntry entry) {
  SignEntry(&entry);
  const GenerationRecord record = entry.generation;
  Take(AppendStep(*log_, Driven(std::move(entry))), record);
}

// -------------------------------------------------------------------------------------------- begin

Status ModelChange::Begin() {
  const Plan& plan = place_.plan;
  const auto found = std::ranges::find(plan.managed, wish_.model, &PlanModel::name);
  if (found == plan.managed.end()) {
    std::vector<std::string> known;
    for (const PlanModel& each : plan.managed) known.push_back(each.name);
    return {Code::kInvalid, plan.file + " has no model \"" + Printable(wish_.model) + "\" with a \"registry\"; " +
                                (known.empty() ? "its models are files" : Suggest(wish_.model, known))};
  }
  model_ = &*found;
  if (model_->rollout != nullptr) result_.steps = static_cast<int>(model_->rollout->steps.size());
  return Status::Ok();
}

Status Faster(const ControlState::Generation& now) {
  return {Code::kRetry, "another change was faster: " + ScoringText(now.record()) + ", generation " +
                            std::to_string(now.number) +
                            "; look at \"model history\", and order it again if it is still wanted"};
}

// ModelChangeWish::seen.
Status ModelChange::IsSeen() const {
  const ControlState::Generation* current = state_.Newest(model_->name);
  const bool asked = wish_.seen != 0 && wish_.action != Ordered::kDeploy && current != nullptr;
  return asked && current->number != wish_.seen ? Faster(*current) : Status::Ok();
}

ModelChangeResult ModelChange::Run() {
  if (Status status = Begin(); !status.ok()) {
    Fail(std::move(status), Ended::kWrong);
    return result_;
  }
  auto log = OpenControlLog(place_.plan, place_.state_dir);
  Status status = log.status();
  if (status.ok()) {
    log_ = std::move(log).value();
    auto state = ReadControlState(*log_);
    status = state.status();
    if (status.ok()) state_ = std::move(state).value();
  }
  if (status.ok()) status = IsSeen();
  if (!status.ok()) {
    Fail(std::move(status));
    return result_;
  }
  switch (wish_.action) {
    case Ordered::kDeploy: wish_.version.empty() ? DeployBandit() : DeployVersion(); break;
    case Ordered::kPromote: Promote(); break;
    case Ordered::kHold: Hold(); break;
    case Ordered::kRollBack: RollBack(); break;
  }
  if (result_.step == 0) result_.steps = 0;
  return result_;
}

// ------------------------------------------------------------------------------------------- deploy

// A version that scored once keeps its content for ever.
bool ModelChange::RefusesTaken(const VersionArm& arm) {
  const bool taken = std::ranges::any_of(state_.generations(), [&](const ControlState::Generation& each) {
    return each.record().model == model_->name && std::ranges::any_of(each.record().arms, [&](const VersionArm& known) {
             return known.version == arm.version && known.digest != arm.digest;
           });
  });
  if (taken) {
    Refuse({"version_taken: " + model_->name + "@" + arm.version +
            " scored before with another digest: give this package another version"});
  }
  return taken;
}

bool ModelChange::IsInPlace() const {
  return std::ranges::any_of(place_.plan.nodes, [&](const PlanNode& node) {
    const ManagedModel* managed = node.program->managed();
    return managed != nullptr && managed->model() == model_->name && managed->in_place();
  });
}

// ModelChangeWish::at.
Status ModelChange::ReadPlace() {
  ASSIGN_OR_RETURN(at_, ParseSwitchPlace(wish_.at));
  if (at_.offsets.empty() && !at_.from_time) return Status::Ok();
  const std::string of_model =
      std::string("--at ") + (at_.from_time ? "event-time" : "offsets") + ": model \"" + model_->name + "\"";
  if (model_->rollout != nullptr && !wish_.now) {
    return {Code::kInvalid, of_model +
                                " has a \"rollout\", whose steps begin at the next batch; add --now to have the "
                                "version score all records from there on, without the rollout"};
  }
  if (IsInPlace()) {
    return {Code::kInvalid, of_model +
                                " has its versions swapped in place, and both would be needed; deploy at the next "
                                "batch, without --at"};
  }
  if (at_.from_time) {
    const ControlState::Generation* current = state_.Newest(model_->name);
    const bool draws = current == nullptr ? model_->bandit != nullptr : current->record().rule == ArmRule::kBandit;
    if (!draws) return Status::Ok();
    return {Code::kInvalid, of_model +
                                " has a bandit, so there is no one version for the records before that time; deploy "
                                "one at the next batch first, without --at"};
  }
  if (place_.plan.managed.size() > 1) {
    return {Code::kInvalid,
            "--at offsets: the topology has several models with versions, and a change of one would wait "
            "for the offsets of another; deploy at the next batch"};
  }
  for (const auto& [partition, offset] : at_.offsets) {
    if (state_.served().empty() || state_.served().contains(partition)) continue;
    std::vector<std::string> known;
    for (const auto& [each, served] : state_.served()) known.push_back(each);
    return {Code::kInvalid, "--at \"" + wish_.at + "\": there is no partition \"" + Printable(partition) + "\"; " +
                                Suggest(partition, known)};
  }
  return Status::Ok();
}

// The package by itself, and with the nodes of the topology, in a process of its own. Nothing: it was refused.
std::optional<std::map<std::string, std::string>> ModelChange::Gate(const RegistryEntry& entry) {
  const std::vector<std::string> words = GateArguments(place_.plan, *model_, place_.allow_paths);
  ModelAgent::Verdict verdict = place_.gates(entry.place, words, wish_.timeout_s * 1000, place_.cancel);
  if (place_.cancel != nullptr && place_.cancel->draining()) {
    Fail({Code::kRetry, "stopped before the gates were through; nothing changed"});
    return std::nullopt;
  }
  if (verdict.reasons.empty()) return std::move(verdict.gates);
  // What never reached the instances is part of the history all the same.
  GenerationRecord record;
  record.model = model_->name;
  record.arms = {{entry.version, entry.digest}};
  ControlEntry refused = Entry(ControlEntry::Kind::kAbandoned, record, std::move(verdict.gates));
  refused.deployment = "refused-" + entry.digest.substr(0, 12) + "-" + std::to_string(refused.at_ms);
  refused.reasons = verdict.reasons;
  (void)log_->Append(refused);
  Refuse(std::move(verdict.reasons));
  return std::nullopt;
}

std::optional<std::map<std::string, std::string>> ModelChange::PutThroughGates(const VersionArm& arm) {
  std::vector<std::string> skipped;
  const auto entries = ListRegistry(model_->registry, &skipped);
  if (!entries.ok()) {
    Fail(entries.status());
    return std::nullopt;
  }
  const auto entry = std::ranges::find_if(
      *entries, [&](const RegistryEntry& each) { return each.name == model_->name && each.digest == arm.digest; });
  if (entry == entries->end()) {
    Fail({Code::kRetry, "package " + arm.version + " went away from " + model_->registry + "; run it again"});
    return std::nullopt;
  }
  place_.progress("checks " + entry->place);
  auto gates = Gate(*entry);
  if (!gates) return gates;
  const auto stored = ModelStore(place_.state_dir).Find(arm.digest, model_->registry);
  if (!stored.ok()) {
    Fail(stored.status());
    return std::nullopt;
  }
  place_.progress("asks the instances");
  return gates;
}

// A rollout is under way, and it is another version's; or it is this one's, and there is nothing to do.
bool ModelChange::RefusesBeside(const ControlState::Generation& current, const VersionArm& arm) {
  if (!IsUnderWay(current.record())) return false;
  const GenerationRecord& record = current.record();
  const std::string where = StepText(record, result_.steps) + ScoringText(record);
  const std::string ways = "\"promote --to-end\" has version " + Printable(record.newest().version) +
                           " score all records, \"rollback\" ends its rollout";
  if (record.newest().digest == arm.digest && !wish_.now) {
    Stay(current, Ended::kAlready, model_->name + "@" + Printable(arm.version) + " is under way already, " + where);
    return true;
  }
  Refuse({"rollout: a rollout of model \"" + model_->name + "\" is under way, " + where + "; " + ways});
  return true;
}

// The generation with which the deployment begins.
GenerationRecord ModelChange::Wanted(const ControlState::Generation* current, const VersionArm& arm) const {
  const bool beside = current != nullptr && current->serving().digest != arm.digest;
  if (model_->rollout != nullptr && !wish_.now && beside) {
    return FirstStep(*model_->rollout, model_->name, current->serving(), arm, NewDeploymentId());
  }
  GenerationRecord record;
  record.model = model_->name;
  record.arms = {arm};
  record.at = at_.offsets;
  if (!at_.from_time) return record;
  if (!beside) return current->record();
  record.rule = ArmRule::kEventTime;
  record.from_time = *at_.from_time;
  record.arms.insert(record.arms.begin(), current->serving());
  return record;
}

// At an event time a version takes the place of another one, and there it stays.
bool ModelChange::RefusesTime(const VersionArm& arm) {
  const ControlState::Generation* current = state_.Newest(model_->name);
  if (!at_.from_time || current->serving().digest != arm.digest) return false;
  const GenerationRecord& record = current->record();
  if (record.rule == ArmRule::kEventTime && record.from_time == *at_.from_time) return false;
  Refuse({"event_time: " + ScoringText(record) + " already, generation " + std::to_string(current->number) +
          (record.rule == ArmRule::kEventTime
               ? "; to have it begin at another time, roll back first. Without --at it scores all records"
               : "; only another version can begin at an event time")});
  return true;
}

// What scores before an event time, where nothing ran yet: the version of the file, as with the first run.
Status ModelChange::StartModel() {
  if (!at_.from_time || state_.Newest(model_->name) != nullptr) return Status::Ok();
  GenerationRecord first;
  first.model = model_->name;
  ASSIGN_OR_RETURN(VersionArm start, FindVersion(*model_, model_->start));
  first.arms = {std::move(start)};
  RETURN_IF_ERROR(log_->Append(StartEntry(std::move(first))).status());
  ASSIGN_OR_RETURN(state_, ReadControlState(*log_));
  return Status::Ok();
}

void ModelChange::DeployVersion() {
  const ControlState::Deployment* open = state_.Open(model_->name);
  if (wish_.resume && open == nullptr) {
    return Fail(
        {Code::kInvalid, "no deployment of model \"" + model_->name + "\" is open: there is nothing to go on with"});
  }
  if (Status place = ReadPlace(); !place.ok()) return Fail(std::move(place), Ended::kWrong);
  const auto arm = FindVersion(*model_, wish_.version);
  if (!arm.ok()) return Fail(arm.status());
  result_.digest = arm->digest;
  if (Status started = StartModel(); !started.ok()) return Fail(std::move(started));
  if (RefusesTaken(*arm)) return;
  const ControlState::Generation* current = state_.Newest(model_->name);
  if (current != nullptr && RefusesBeside(*current, *arm)) return;
  if (RefusesTime(*arm)) return;
  const bool scores = open == nullptr && current != nullptr && current->serving().digest == arm->digest;
  const bool goes_on = open != nullptr && open->prepare.generation.newest().digest == arm->digest;
  std::map<std::string, std::string> gates;
  if (!scores && !goes_on) {
    auto passed = PutThroughGates(*arm);
    if (!passed) return;
    gates = std::move(*passed);
  }
  Prepare(Wanted(current, *arm), std::move(gates));
}

// The bandit of the file begins anew: nothing is known of any version.
void ModelChange::DeployBandit() {
  const std::string none = "model \"" + model_->name + "\" has no \"bandit\": write which version, NAME@VERSION";
  if (model_->bandit == nullptr) return Fail({Code::kInvalid, none}, Ended::kWrong);
  const ControlState::Generation* current = state_.Newest(model_->name);
  if (current != nullptr && Fits(current->record(), *model_->bandit)) {
    return Stay(*current, Ended::kAlready, "the bandit of " + model_->name + " is at work already");
  }
  std::vector<VersionArm> arms;
  std::map<std::string, std::string> gates;
  for (const std::string& version : model_->bandit->arms) {
    auto arm = FindVersion(*model_, version);
    if (!arm.ok()) return Fail(arm.status());
    if (RefusesTaken(*arm) || (current != nullptr && RefusesBeside(*current, *arm))) return;
    auto passed = PutThroughGates(*arm);
    if (!passed) return;
    for (auto& [gate, measured] : *passed) gates[version + " " + gate] = std::move(measured);
    arms.push_back(std::move(*arm));
  }
  Prepare(FirstDraws(*model_->bandit, model_->name, arms, NewDeploymentId()), std::move(gates));
}

// ---------------------------------------------------------------------------------- promote and hold

// The generation of a rollout; null: none is under way, which is said.
const ControlState::Generation* ModelChange::UnderWay() {
  const ControlState::Generation* current = state_.Newest(model_->name);
  if (current != nullptr && IsUnderWay(current->record())) return current;
  const ControlState::Deployment* open = state_.Open(model_->name);
  std::string now = current == nullptr ? "nothing scored yet" : ScoringText(current->record());
  if (open != nullptr) {
    now += "; the deployment of version " + Printable(open->prepare.generation.newest().version) + " is not finished";
  }
  Fail({Code::kInvalid, "no rollout of model \"" + model_->name + "\" is under way: " + now +
                            (model_->rollout != nullptr ? "; \"deploy\" begins one"
                                                        : "; the model has no \"rollout\" in " + place_.plan.file +
                                                              ", so a deployment scores all records at once")});
  return nullptr;
}

void ModelChange::Promote() {
  const ControlState::Generation* current = UnderWay();
  if (current == nullptr) return;
  if (model_->rollout == nullptr && !wish_.to_end) {
    return Fail({Code::kInvalid, "model \"" + model_->name + "\" has no \"rollout\" in " + place_.plan.file +
                                     " any more, so there is no next step: put it back, or add --to-end"});
  }
  const std::optional<RolloutStatus> status = RolloutIn(state_, *model_, Clock::Real().WallMs());
  if (!status)
    return Fail({Code::kInternal, "the rollout of model \"" + model_->name + "\" cannot be read from the control log"});
  Step(PromoteEntry(*status, SpecOrHeld(model_->rollout), wish_.to_end));
}

void ModelChange::Hold() {
  const ControlState::Generation* found = UnderWay();
  if (found == nullptr) return;
  const ControlState::Generation current = *found;
  const std::string where = StepText(current.record(), result_.steps) + ScoringText(current.record());
  if (state_.IsHeld(current.number)) {
    return Stay(current, Ended::kAlready, model_->name + " is held already, " + where);
  }
  ControlEntry entry = HoldEntry(current);
  SignEntry(&entry);
  const Result<uint32_t> number = log_->Append(entry);
  if (!number.ok()) return Fail(number.status());
  Result<ControlState> state = ReadControlState(*log_);
  if (!state.ok()) return Fail(state.status());
  state_ = std::move(state).value();
  const ControlState::Generation* newest = state_.Newest(model_->name);
  if (newest != nullptr && newest->number != current.number) return Fail(Faster(*newest));
  Stay(current, Ended::kHeld,
       model_->name + " is held, " + where + "; it makes no step by itself until it is promoted or rolled back");
}

// ----------------------------------------------------------------------------------------- rollback

// Ends an open deployment. False: it scores already, since another command was faster.
Result<bool> ModelChange::EndOpen(const ControlState::Deployment& open) {
  ControlEntry by = CommandEntry(ControlEntry::Kind::kAbandoned);
  by.action = NameOf(wish_.action);
  SignEntry(&by);
  const std::string id = open.prepare.deployment;
  const std::string version = open.prepare.generation.newest().version;
  const std::string reason = "ended by a rollback" + (wish_.reason.empty() ? "" : ": " + wish_.reason);
  RETURN_IF_ERROR(Abandon(*log_, open, by, {reason}));
  ASSIGN_OR_RETURN(state_, ReadControlState(*log_));
  const ControlState::Deployment* now = state_.Find(id);
  const bool ended = now == nullptr || now->state != ControlState::Deployment::State::kActive;
  if (ended) place_.progress("ended the deployment of version " + Printable(version));
  return ended;
}

void ModelChange::RollBack() {
  if (const ControlState::Deployment* open = state_.Open(model_->name)) {
    const GenerationRecord wanted = open->prepare.generation;
    const bool same = wish_.version.empty() || wish_.version == wanted.newest().version;
    if (open->prepare.action == NameOf(Ordered::kRollBack) && same) return Prepare(wanted, {});  // goes on with it
    const Result<bool> ended = EndOpen(*open);
    if (!ended.ok()) return Fail(ended.status());
    // It had not begun to score, so what scored before it still does.
    const ControlState::Generation* current = state_.Newest(model_->name);
    if (*ended && wish_.version.empty() && current != nullptr) {
      return Stay(*current, Ended::kAlready,
                  model_->name + "@" + Printable(current->record().newest().version) + " scores already");
    }
  }
  const ControlState::Generation* current = state_.Newest(model_->name);
  const bool of_rollout = current != nullptr && IsUnderWay(current->record());
  if (of_rollout && (wish_.version.empty() || wish_.version == current->serving().version)) {
    return Step(RollBackEntry(*current));
  }
  const ControlState::Generation* target = GoesBackTo(state_, model_->name, wish_.version);
  if (target == nullptr) {
    return Fail({Code::kInvalid,
                 wish_.version.empty()
                     ? "model \"" + model_->name + "\" had no other version before; name one with --to"
                     : "version \"" + wish_.version + "\" of model \"" + model_->name + "\" never scored; deploy it"});
  }
  GenerationRecord record;
  record.model = model_->name;
  record.arms = {target->serving()};
  const auto stored = ModelStore(place_.state_dir).Find(record.newest().digest, model_->registry);
  if (!stored.ok()) return Fail(stored.status());
  Prepare(record, {});
}

}  // namespace

ModelChangeResult ChangeModel(const ModelChangeWish& wish, const ModelChangePlace& place) {
  return ModelChange(wish, place).Run();
}

}  // namespace anabranch
