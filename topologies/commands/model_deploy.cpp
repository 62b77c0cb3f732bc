#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <ostream>
#include <set>

#include "engine/models/deployment.h"
#include "engine/models/model_store.h"
#include "engine/printable.h"
#include "engine/run/ledger.h"
#include "engine/text/json_object.h"
#include "nodes/infer/gate.h"
#include "topologies/commands/command.h"
#include "topologies/commands/run_session.h"
#include "topologies/commands/stop_signals.h"
#include "topologies/operate/model_session.h"

namespace anabranch {
namespace {

// One `model deploy` or `model rollback`.
class ModelChange {
 public:
  ModelChange(const char* action, const ModelChangeArgs& args, CommandIo& io)
      : action_(action), args_(args), io_(io), signals_(cancel_) {}

  int DeployVersion();
  int RollBack();

 private:
  bool Begin(int* code);
  int Refuse(const Status& status);
  int Report(const Result<DeploymentEnd>& end, const GenerationRecord::Arm& arm);
  int ReportFaults(const std::vector<std::string>& reasons);
  bool Gate(const RegistryEntry& entry, std::map<std::string, std::string>* gates, int* code);
  bool KnownOtherwise(const GenerationRecord::Arm& arm) const;
  Status ReadPlace();
  Result<bool> EndOpen(const ControlState::Deployment& open);
  const ControlState::Generation* Before(const ControlState::Generation& current) const;
  ControlEntry Entry(ControlEntry::Kind kind, const GenerationRecord::Arm& arm,
                     std::map<std::string, std::string> gates) const;
  Result<DeploymentEnd> Drive(const GenerationRecord::Arm& arm, std::map<std::string, std::string> gates);
  Result<std::vector<std::string>> LocalMembers() const;
  void Tell(const std::string& text) {
    if (args_.format != "json") io_.err << text << "\n";
  }

  const std::string action_;
  const ModelChangeArgs& args_;
  CommandIo& io_;
  CancelToken cancel_;
  const StopSignals signals_;
  CheckedTopology checked_;
  const PlanModel* model_ = nullptr;
  std::string version_, state_dir_;
  std::map<std::string, int64_t> at_;  // GenerationRecord::at
  std::unique_ptr<ControlLog> log_;
  ControlState state_;
};

// The account of this process; a number where it has no name, as in a container.
std::string WhoAmI() {
  const passwd* account = getpwuid(geteuid());
  return account == nullptr ? "uid " + std::to_string(geteuid()) : account->pw_name;
}

int ModelChange::Refuse(const Status& status) {
  if (args_.format == "json") {
    io_.out << JsonObject().AddText("result", "failed").AddText("message", status.message()).text() << "\n";
  } else {
    io_.err << "anabranch model " << action_ << ": " << PrintableLines(status.message()) << "\n";
  }
  return status.code() == Code::kInvalid ? ExitCode(Code::kStage) : ExitCode(status.code());
}

// Nothing changed, for these reasons.
int ModelChange::ReportFaults(const std::vector<std::string>& reasons) {
  if (args_.format == "json") {
    JsonObject json;
    json.AddText("result", "refused").AddText("model", model_->name).AddText("version", version_);
    io_.out << json.AddJson("reasons", JsonStrings(reasons)).text() << "\n";
  } else {
    io_.err << "refused; the version before it goes on scoring:\n";
    for (const std::string& reason : reasons) io_.err << "  " << PrintableLines(reason) << "\n";
  }
  return ExitCode(Code::kStage);
}

bool ModelChange::Begin(int* code) {
  *code = kExitUsage;
  const std::string command = "model " + action_;
  if (!CheckInstance(command, args_, io_)) return false;
  const size_t at = args_.model.find('@');
  const std::string name = args_.model.substr(0, at);
  if (action_ == "deploy" && (at == std::string::npos || at == 0 || at + 1 == args_.model.size())) {
    io_.err << "anabranch model deploy: \"" << Printable(args_.model) << "\" is not NAME@VERSION\n";
    return false;
  }
  version_ = action_ == "deploy" ? args_.model.substr(at + 1) : args_.to;
  checked_ = CheckForCommand(args_.file, args_.allow_paths, io_);
  if (!checked_.ok()) {
    *code = kExitFaulty;
    return false;
  }
  const Plan& plan = *checked_.plan;
  const auto found = std::ranges::find(plan.managed, action_ == "deploy" ? name : args_.model, &PlanModel::name);
  if (found == plan.managed.end()) {
    std::vector<std::string> known;
    for (const PlanModel& each : plan.managed) known.push_back(each.name);
    io_.err << "anabranch " << command << ": " << args_.file << " has no model \"" << Printable(name)
            << "\" with a \"registry\"; " << (known.empty() ? "its models are files" : Suggest(name, known)) << "\n";
    return false;
  }
  model_ = &*found;
  state_dir_ = StateDirOf(args_, plan.file, plan.name);
  auto log = OpenControlLog(plan, state_dir_);
  Status status = log.status();
  if (status.ok()) {
    log_ = std::move(log).value();
    auto state = ReadControlState(*log_);
    status = state.status();
    if (status.ok()) state_ = std::move(state).value();
  }
  if (!status.ok()) *code = Refuse(status);
  return status.ok();
}

// A version that scored once keeps its content for ever.
bool ModelChange::KnownOtherwise(const GenerationRecord::Arm& arm) const {
  return std::ranges::any_of(state_.generations(), [&](const ControlState::Generation& each) {
    return each.record().model == model_->name && each.serving().version == arm.version &&
           each.serving().digest != arm.digest;
  });
}

// --at: "next", or "offsets:payments/0=1200,payments/1=1180".
Status ModelChange::ReadPlace() {
  constexpr std::string_view kOffsets = "offsets:";
  std::string_view rest = args_.at;
  if (rest == "next") return Status::Ok();
  const auto wrong = [&](const std::string& why) {
    return Status(Code::kInvalid, "--at \"" + args_.at + "\": " + why +
                                      "; write next, or offsets:TOPIC/PARTITION=OFFSET with a comma between two");
  };
  if (!rest.starts_with(kOffsets)) return wrong("it is neither");
  if (checked_.plan->managed.size() > 1) {
    return {Code::kInvalid,
            "--at offsets: the topology has several models with versions, and a change of one would wait "
            "for the offsets of another; deploy at the next batch"};
  }
  rest.remove_prefix(kOffsets.size());
  for (size_t comma = 0; comma != std::string_view::npos;) {
    comma = rest.find(',');
    const std::string_view item = rest.substr(0, comma);
    if (comma != std::string_view::npos) rest.remove_prefix(comma + 1);
    const size_t equals = item.rfind('=');
    const std::string partition(item.substr(0, equals == std::string_view::npos ? 0 : equals));
    const std::string_view digits = item.substr(partition.empty() ? item.size() : equals + 1);
    int64_t offset = -1;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), offset);
    if (read.ec != std::errc() || read.ptr != digits.data() + digits.size() || offset < 0) {
      return wrong("\"" + std::string(item) + "\" is no partition with an offset");
    }
    if (!state_.served().empty() && !state_.served().contains(partition)) {
      std::vector<std::string> known;
      for (const auto& [each, served] : state_.served()) known.push_back(each);
      return wrong("there is no partition \"" + partition + "\"; " + Suggest(partition, known));
    }
    at_[partition] = offset;
  }
  return Status::Ok();
}

// The package by itself, and with the nodes of the topology, in a process of its own.
bool ModelChange::Gate(const RegistryEntry& entry, std::map<std::string, std::string>* gates, int* code) {
  std::vector<std::string> words = {"--for", args_.file};
  for (const std::string& path : args_.allow_paths) words.insert(words.end(), {"--allow-path", path});
  if (!model_->key.empty()) words.insert(words.end(), {"--key", model_->key});
  PackageVerdict verdict = CheckInChild(entry.place, words, args_.timeout_s * 1000);
  *gates = std::move(verdict.measured);
  if (verdict.faults.empty()) return true;
  std::vector<std::string> reasons;
  for (const PackageFault& fault : verdict.faults) {
    reasons.push_back(fault.code + ": " + (fault.file.empty() ? "" : fault.file + ": ") + fault.message);
  }
  // What never reached the instances is part of the history all the same.
  ControlEntry refused = Entry(ControlEntry::Kind::kAbandoned, {entry.version, entry.digest}, *gates);
  refused.deployment = "refused-" + entry.digest.substr(0, 12) + "-" + std::to_string(refused.at_ms);
  refused.reasons = reasons;
  (void)log_->Append(refused);
  *code = ReportFaults(reasons);
  return false;
}

ControlEntry ModelChange::Entry(ControlEntry::Kind kind, const GenerationRecord::Arm& arm,
                                std::map<std::string, std::string> gates) const {
  ControlEntry entry = CommandEntry(kind);
  entry.action = action_;
  entry.by = args_.by.empty() ? WhoAmI() : args_.by;
  entry.reason = args_.reason;
  entry.approved_by = args_.approved_by;
  entry.generation.model = model_->name;
  entry.generation.arms = {arm};
  entry.generation.at = at_;
  entry.gates = std::move(gates);
  return entry;
}

Result<std::vector<std::string>> ModelChange::LocalMembers() const {
  ASSIGN_OR_RETURN(const int64_t owner, Ledger::Owner(state_dir_));
  return owner == 0 ? std::vector<std::string>() : std::vector<std::string>{args_.instance};
}

Result<DeploymentEnd> ModelChange::Drive(const GenerationRecord::Arm& arm, std::map<std::string, std::string> gates) {
  DeploymentWish wish;
  wish.prepare = Entry(ControlEntry::Kind::kPrepare, arm, std::move(gates));
  wish.timeout_ms = int64_t{args_.timeout_s} * 1000;
  wish.members = [this] { return LocalMembers(); };
  wish.progress = [this](const std::string& text) { Tell(text); };
  wish.cancel = &cancel_;
  return Deploy(*log_, wish);
}

int ModelChange::Report(const Result<DeploymentEnd>& end, const GenerationRecord::Arm& arm) {
  if (!end.ok()) return Refuse(end.status());
  if (end->kind == DeploymentEnd::Kind::kAbandoned) return ReportFaults(end->reasons);
  const bool already = end->kind == DeploymentEnd::Kind::kAlready;
  if (args_.format == "json") {
    JsonObject json;
    json.AddText("result", already ? "already" : "active").AddText("model", model_->name);
    json.AddText("version", arm.version).AddText("digest", arm.digest).AddNumber("generation", end->generation);
    json.AddJson("instances", JsonStrings(end->instances)).AddJson("waiting", JsonStrings(end->waiting));
    io_.out << json.text() << "\n";
    return kExitOk;
  }
  io_.out << model_->name << "@" << Printable(arm.version) << (already ? " scores already" : " scores")
          << ", generation " << end->generation << "\n";
  if (already) return kExitOk;
  if (end->instances.empty()) io_.err << "no instance runs: it scores from the next start on\n";
  for (const auto& [partition, offset] : at_) {
    io_.err << "partition " << Printable(partition) << ": from offset " << offset << " on\n";
  }
  for (const std::string& partition : end->waiting) {
    io_.err << "partition " << partition << " was not switched yet: its instance does so at its next batch\n";
  }
  const bool alone = checked_.plan->control == nullptr;
  if (alone && !checked_.plan->sources.empty() && checked_.plan->sources.front().program->KeepsPosition()) {
    io_.err << "the topology has no \"control\": other instances of it, if there are any, do not change\n";
  }
  return kExitOk;
}

int ModelChange::DeployVersion() {
  int code = kExitOk;
  if (!Begin(&code)) return code;
  const ControlState::Deployment* open = state_.Open(model_->name);
  if (args_.resume && open == nullptr) {
    return Refuse({Code::kInvalid, "no deployment of model \"" + model_->name +
                                       "\" is open: there is nothing to go on "
                                       "with"});
  }
  if (const Status place = ReadPlace(); !place.ok()) {
    io_.err << "anabranch model deploy: " << PrintableLines(place.message()) << "\n";
    return kExitUsage;
  }
  std::vector<std::string> skipped;
  const auto arm = FindVersion(*model_, version_);
  if (!arm.ok()) return Refuse(arm.status());
  if (KnownOtherwise(*arm)) {
    return ReportFaults({"version_taken: " + model_->name + "@" + version_ +
                         " scored before with another digest: give this package another version"});
  }
  const ControlState::Generation* current = state_.Newest(model_->name);
  const bool scores = open == nullptr && current != nullptr && current->serving().digest == arm->digest;
  const bool goes_on = open != nullptr && open->prepare.generation.arms.front().digest == arm->digest;
  std::map<std::string, std::string> gates;
  if (!scores && !goes_on) {
    const auto entries = ListRegistry(model_->registry, &skipped);
    if (!entries.ok()) return Refuse(entries.status());
    const auto entry = std::ranges::find_if(
        *entries, [&](const RegistryEntry& each) { return each.name == model_->name && each.digest == arm->digest; });
    Tell("checks " + entry->place);
    if (!Gate(*entry, &gates, &code)) return code;
    const auto stored = ModelStore(state_dir_).Find(arm->digest, model_->registry);
    if (!stored.ok()) return Refuse(stored.status());
    Tell("asks the instances");
  }
  return Report(Drive(*arm, std::move(gates)), *arm);
}

// Ends an open deployment. False: it scores already, since another command was faster.
Result<bool> ModelChange::EndOpen(const ControlState::Deployment& open) {
  ControlEntry by = CommandEntry(ControlEntry::Kind::kAbandoned);
  by.action = action_;
  by.by = args_.by.empty() ? WhoAmI() : args_.by;
  by.reason = args_.reason;
  const std::string id = open.prepare.deployment;
  const std::string version = open.prepare.generation.arms.front().version;
  const std::string reason = "ended by a rollback" + (args_.reason.empty() ? "" : ": " + args_.reason);
  RETURN_IF_ERROR(Abandon(*log_, open, by, {reason}));
  ASSIGN_OR_RETURN(state_, ReadControlState(*log_));
  const ControlState::Deployment* now = state_.Find(id);
  const bool ended = now == nullptr || now->state != ControlState::Deployment::State::kActive;
  if (ended) Tell("ended the deployment of version " + Printable(version));
  return ended;
}

// The generation to go back to; null: there is none. Without --to: what scored before the version of now was deployed,
// so that a second rollback goes one version further back, and not forward again.
const ControlState::Generation* ModelChange::Before(const ControlState::Generation& current) const {
  uint32_t deployed = current.number;
  for (const ControlState::Generation& each : state_.generations()) {
    const bool same = each.record().model == model_->name && each.serving().digest == current.serving().digest;
    if (same && each.active.action != "rollback") deployed = each.number;
  }
  const ControlState::Generation* target = nullptr;
  for (const ControlState::Generation& each : state_.generations()) {
    if (each.record().model != model_->name) continue;
    const bool before = each.number < deployed && each.serving().digest != current.serving().digest;
    if (version_.empty() ? before : each.serving().version == version_) target = &each;
  }
  return target;
}

int ModelChange::RollBack() {
  int code = kExitOk;
  if (!Begin(&code)) return code;
  if (const ControlState::Deployment* open = state_.Open(model_->name)) {
    const GenerationRecord::Arm wanted = open->prepare.generation.arms.front();
    if (open->prepare.action == action_ && (version_.empty() || version_ == wanted.version)) {
      version_ = wanted.version;
      return Report(Drive(wanted, {}), wanted);  // goes on with it
    }
    const Result<bool> ended = EndOpen(*open);
    if (!ended.ok()) return Refuse(ended.status());
    // It had not begun to score, so what scored before it still does.
    const ControlState::Generation* current = state_.Newest(model_->name);
    if (*ended && version_.empty() && current != nullptr) {
      DeploymentEnd end{.kind = DeploymentEnd::Kind::kAlready,
                        .generation = current->number,
                        .instances = {},
                        .reasons = {},
                        .waiting = {}};
      return Report(end, current->serving());
    }
  }
  const ControlState::Generation* current = state_.Newest(model_->name);
  const ControlState::Generation* target = current == nullptr ? nullptr : Before(*current);
  if (target == nullptr) {
    return Refuse({Code::kInvalid,
                   version_.empty()
                       ? "model \"" + model_->name + "\" had no other version before; name one with --to"
                       : "version \"" + version_ + "\" of model \"" + model_->name + "\" never scored; deploy it"});
  }
  const GenerationRecord::Arm arm = target->serving();
  version_ = arm.version;
  const auto stored = ModelStore(state_dir_).Find(arm.digest, model_->registry);
  if (!stored.ok()) return Refuse(stored.status());
  return Report(Drive(arm, {}), arm);
}

}  // namespace

int CommandModelDeploy(const ModelChangeArgs& args, CommandIo& io) {
  return ModelChange("deploy", args, io).DeployVersion();
}

int CommandModelRollback(const ModelChangeArgs& args, CommandIo& io) {
  return ModelChange("rollback", args, io).RollBack();
}

}  // namespace anabranch
