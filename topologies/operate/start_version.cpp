#include "topologies/operate/start_version.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>

#include "engine/fault_point.h"
#include "engine/models/deployment.h"
#include "engine/models/package.h"
#include "engine/models/start_edit.h"
#include "engine/printable.h"
#include "engine/run/ledger.h"
#include "engine/text/instant.h"
#include "topologies/operate/model_session.h"

namespace anabranch {
namespace {

constexpr int kGateMs = 120'000;
constexpr int kAnswersS = 60;  // a member that died is in its group until its session ends
constexpr std::chrono::seconds kAgainPause{1};
constexpr int kTries = 30;

bool IsStopped(const ModelChangePlace& place) { return place.cancel != nullptr && place.cancel->draining(); }

std::string JoinLines(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += "\n  " + line;
  return text;
}

// The `start` of one model.
class StartFollower {
 public:
  StartFollower(const ModelChangePlace& place, ModelAgent& models, const PlanModel& model)
      : place_(place), models_(models), model_(model) {}

  void Run() {
    for (int i = 0; i < kTries && !IsStopped(place_); ++i) {
      if (!models_.ReadLog().ok()) return;  // Begin() says why
      if (Follow(LookNow())) return;
    }
    if (!IsStopped(place_)) Say("is not deployed: " + last_ + ". The next start tries it again");
  }

 private:
  using Kind = StartLook::Kind;

  // By what was read of the log.
  StartLook LookNow() const {
    StartLook look;
    models_.Look(
        [&](const ControlState& state) { look = LookAtStart(state, model_.name, model_.start, place_.instance); });
    return look;
  }

  // True: nothing is left to do.
  bool Follow(const StartLook& look) {
    switch (look.kind) {
      case Kind::kNothing: return true;
      case Kind::kSeen: Note(0); return true;
      case Kind::kBehind: return WarnBehind(look.before);
      case Kind::kNoted: return !Note(look.before.number);  // looks again: another instance may have been faster
      case Kind::kEdited:
        // A bandit chooses by itself: what scores is no choice of the file.
        if (model_.bandit != nullptr) return !Note(look.before.number);
        FaultPoint("models.edit_seen", model_.name);
        return Deploy(look, "is deployed by edit of " + place_.plan.file + ", where it was " +
                                Printable(look.before.version) + " before");
      case Kind::kBegun: return Deploy(look, "is being deployed by edit of " + place_.plan.file + ": that goes on");
    }
    return true;
  }

  void Say(const std::string& text) const {
    place_.progress("model \"" + model_.name + "\": \"start\": \"" + Printable(model_.start) + "\" " + text);
  }

  // True: it is in the log. If not, Begin() says why.
  bool Note(uint32_t edited) const {
    ControlEntry entry = CommandEntry(ControlEntry::Kind::kFile);
    entry.instance = place_.instance;
    entry.model = model_.name;
    entry.start = model_.start;
    entry.edited = edited;
    const auto log = OpenControlLog(place_.plan, place_.state_dir);
    return log.ok() && (*log)->Append(entry).ok();
  }

  bool WarnBehind(const ControlState::FileStart& newest) const {
    Say("was replaced by an edit to \"" + Printable(newest.version) + "\" at " + FormatInstant(newest.at_ms) +
        (newest.instance.empty() ? "" : ", of instance " + newest.instance) + ": " + place_.plan.file +
        " lags behind, and nothing is deployed. If you mean this version: anabranch model deploy " + place_.plan.file +
        " " + model_.name + "@" + Printable(model_.start));
    return true;
  }

  bool Deploy(const StartLook& look, const std::string& what) {
    if (!is_told_) Say(what);
    is_told_ = true;
    ModelChangeWish wish;
    wish.model = model_.name;
    wish.version = model_.start;
    wish.edited = look.before.number;
    wish.reason = "by edit of " + place_.plan.file;
    wish.timeout_s = kAnswersS;
    ModelChangePlace quiet = place_;
    quiet.progress = [](const std::string&) {};
    return Take(ChangeModel(wish, quiet));
  }

  bool Take(const ModelChangeResult& result) {
    using Ended = ModelChangeResult::Kind;
    switch (result.kind) {
      case Ended::kActive: Say("is active: " + result.text); return true;
      case Ended::kAlready:
      case Ended::kHeld: return false;  // looks again: it may have to be noted
      case Ended::kRefused: Refused(result.reasons); return true;
      case Ended::kWrong:
      case Ended::kFailed: break;
    }
    last_ = result.text;
    if (result.status.code() != Code::kRetry) {
      Say("is not deployed: " + result.text + ". The next start tries it again");
      return true;
    }
    std::this_thread::sleep_for(kAgainPause);  // another change is not finished, or was faster
    return false;
  }

  // What the gates and the instances refuse is in the log; what could not be begun is not.
  void Refused(const std::vector<std::string>& reasons) const {
    const bool is_over = models_.ReadLog().ok() && LookNow().kind != Kind::kEdited;
    Say("is refused, so what scored before goes on scoring:" + JoinLines(reasons) + "\n  " +
        (is_over ? "repair it, then: anabranch model deploy " + place_.plan.file + " " + model_.name + "@" +
                       Printable(model_.start) + "; or name another version in the file"
                 : std::string("the next start tries it again")));
  }

  const ModelChangePlace& place_;
  ModelAgent& models_;
  const PlanModel& model_;
  bool is_told_ = false;
  std::string last_;  // why it did not come to its end
};

}  // namespace

Result<std::map<std::string, std::string>> GateStart(const ModelChangePlace& place, const ModelAgent::Model& model,
                                                     const std::string& version) {
  const auto planned = std::ranges::find(place.plan.managed, model.name, &PlanModel::name);
  ASSIGN_OR_RETURN(const RegistryEntry entry, FindInRegistry(model.registry, model.name, version));
  const std::vector<std::string> words = GateArguments(place.plan, *planned, place.allow_paths);
  ModelAgent::Verdict verdict = place.gates(entry.place, words, kGateMs, place.cancel);
  if (IsStopped(place)) return Status(Code::kCancelled, "stopped while the first version was put through its gates");
  if (verdict.reasons.empty()) return std::move(verdict.gates);
  const bool unreadable =
      std::ranges::all_of(verdict.reasons, [](const std::string& reason) { return reason.starts_with("unreadable:"); });
  return Status(unreadable ? Code::kUnavailable : Code::kInvalid,
                "version " + Printable(version) + " of model \"" + model.name +
                    "\" would score first, and does not pass its gates, so the run does not begin:" +
                    JoinLines(verdict.reasons) + "\n  repair " + entry.place +
                    " or name another version as its \"start\". The same gates: anabranch model check " + entry.place +
                    " --for " + place.plan.file);
}

void FollowStarts(const ModelChangePlace& place, ModelAgent& models) {
  const auto owner = Ledger::Owner(place.state_dir);
  if (!owner.ok() || *owner != 0) return;  // the run will not begin, and says why
  for (const PlanModel& model : place.plan.managed) StartFollower(place, models, model).Run();
}

}  // namespace anabranch
