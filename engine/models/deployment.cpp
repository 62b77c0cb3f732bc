#include "engine/models/deployment.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>
#include <random>
#include <set>
#include <utility>

#include "engine/clock.h"
#include "engine/fault_point.h"
#include "engine/text/instant.h"

namespace anabranch {
namespace {

using EntryKind = ControlEntry::Kind;
using Moment = std::chrono::steady_clock::time_point;

constexpr int kLookMs = 200;
constexpr std::chrono::seconds kMembersPause{1};
constexpr std::chrono::seconds kSwitchWait{15};

bool SameArms(const GenerationRecord& a, const GenerationRecord& b) {
  const auto same = [](const auto& x, const auto& y) { return x.digest == y.digest; };
  return a.model == b.model && a.rule == b.rule && a.by_record == b.by_record && a.from_time == b.from_time &&
         a.at == b.at && std::ranges::equal(a.arms, b.arms, same);
}

// Whether there is nothing to do: `current` is what is wished for, or a rollout that brings the same version.
bool IsThereAlready(const GenerationRecord& current, const GenerationRecord& wish) {
  if (SameArms(current, wish)) return true;
  const bool brings = current.step > 0 || current.rule == ArmRule::kOne;
  return wish.step > 0 && brings && current.newest().digest == wish.newest().digest;
}

class Deployer {
 public:
  Deployer(ControlLog& log, const DeploymentWish& wish)
      : log_(log),
        wish_(wish),
        record_(wish.prepare.generation),
        begin_(std::chrono::steady_clock::now()),
        end_(begin_ + std::chrono::milliseconds(wish.timeout_ms)) {}

  Result<DeploymentEnd> Run() {
    RETURN_IF_ERROR(ReadOn(0));
    if (const ControlState::Deployment* open = state_.Open(record_.model)) {
      if (!SameArms(open->prepare.generation, record_)) return Busy(*open);
      id_ = open->prepare.deployment;
      wish_.progress("goes on with the deployment that was begun at " + FormatInstant(open->prepare.at_ms));
    } else if (const auto* current = state_.Newest(record_.model);
               current != nullptr && IsThereAlready(current->record(), record_)) {
      return DeploymentEnd{.kind = DeploymentEnd::Kind::kAlready,
                           .generation = current->number,
                           .instances = {},
                           .reasons = {},
                           .waiting = {}};
    } else {
      const uint32_t after = wish_.prepare.after;
      const ControlState::Generation* other = after == 0 ? nullptr : state_.ChangedSince(record_.model, after);
      if (other != nullptr) return Faster(other->number);
      RETURN_IF_ERROR(Prepare());
    }
    return AwaitAnswers();
  }

  Result<DeploymentEnd> RunStep() {
    RETURN_IF_ERROR(ReadOn(0));
    ASSIGN_OR_RETURN(const uint32_t number, log_.Append(wish_.prepare));
    RETURN_IF_ERROR(ReadUpTo(number));
    const ControlState::Generation* mine = state_.Newest(record_.model, number);
    if (mine == nullptr || mine->number != number) return Faster(mine == nullptr ? 0 : mine->number);
    instances_ = KnownMembers();
    return Active(number);
  }

 private:
  Status ReadOn(int wait_ms) {
    ASSIGN_OR_RETURN(const std::vector<ControlEntry> entries, log_.Read(state_.last(), wait_ms));
    for (const ControlEntry& entry : entries) state_.Apply(entry);
    return Status::Ok();
  }

  Status ReadUpTo(uint32_t number) {
    while (state_.last() < number) {
      RETURN_IF_ERROR(ReadOn(kLookMs));
      if (state_.last() < number && std::chrono::steady_clock::now() > end_ + kSwitchWait) {
        return {Code::kUnavailable, log_.Describe() + " does not show what was appended to it; run the command again"};
      }
    }
    return Status::Ok();
  }

  Status Busy(const ControlState::Deployment& open) const {
    const ControlEntry& entry = open.prepare;
    return {Code::kRetry, "a deployment of model \"" + record_.model + "\" is not finished: " + entry.action +
                              " of version " + entry.generation.newest().version + ", begun at " +
                              FormatInstant(entry.at_ms) + (entry.by.empty() ? "" : " by " + entry.by) +
                              (entry.host.empty() ? "" : " on " + entry.host) +
                              ". Wait for it, deploy the same version again to go on with it, or end it: anabranch "
                              "model rollback"};
  }

  // `number`: the newest generation; 0: none.
  Status Faster(uint32_t number) const {
    const ControlState::Generation* newest = state_.At(number);
    const std::string is = newest == nullptr ? "none" : std::to_string(number) + ", by " + newest->active.action;
    return {Code::kRetry, "another change of model \"" + record_.model + "\" was faster: its newest generation is " +
                              is + ", not " + std::to_string(wish_.prepare.after) +
                              " any more; look at \"model history\", and order it again if it is still wanted"};
  }

  Status Prepare() {
    ControlEntry entry = wish_.prepare;
    entry.kind = EntryKind::kPrepare;
    entry.deployment = id_ = record_.rollout.empty() ? NewDeploymentId() : record_.rollout;
    ASSIGN_OR_RETURN(const uint32_t number, log_.Append(entry));
    RETURN_IF_ERROR(ReadUpTo(number));
    const ControlState::Deployment* mine = state_.Find(id_);
    if (mine != nullptr && mine->state != ControlState::Deployment::State::kIgnored) {
      if (StartsHere()) FaultPoint("models.edit_prepared", record_.model);
      return Status::Ok();
    }
    const ControlState::Deployment* open = state_.Open(record_.model);
    if (open != nullptr) return Busy(*open);
    const ControlState::Generation* newest = state_.Newest(record_.model);
    return Faster(newest == nullptr ? 0 : newest->number);
  }

  bool StartsHere() const { return wish_.prepare.edited != 0; }

  Result<std::vector<std::string>> Members() {
    ASSIGN_OR_RETURN(const auto told, log_.Members());
    std::vector<std::string> members = told.value_or(std::vector<std::string>());
    if (!told && wish_.members) {
      ASSIGN_OR_RETURN(members, wish_.members());
    }
    // A group knows the one that was killed before for a while.
    if (StartsHere()) std::erase(members, wish_.prepare.instance);
    return members;
  }

  // Of what counts already: who cannot be asked for is no reason to call it failed.
  std::vector<std::string> KnownMembers() {
    auto told = Members();
    if (told.ok()) return std::move(told).value();
    wish_.progress("who is at work is not known (" + told.status().message() + "); waits for those that the log names");
    std::set<std::string> known;
    for (const auto& [partition, served] : state_.served()) known.insert(served.back().instance);
    known.erase("");
    return {known.begin(), known.end()};
  }

  // Until every instance that is at work has answered.
  Result<DeploymentEnd> AwaitAnswers() {
    std::vector<std::string> members;
    Moment ask_at{};
    while (true) {
      RETURN_IF_ERROR(ReadOn(kLookMs));
      const ControlState::Deployment* mine = state_.Find(id_);
      if (mine == nullptr) return Status(Code::kInternal, log_.Describe() + " lost an entry");
      if (mine->state == ControlState::Deployment::State::kAbandoned) return Abandoned(mine->end);
      if (mine->state == ControlState::Deployment::State::kActive) return Active(mine->end.number);
      const Moment now = std::chrono::steady_clock::now();
      if (now >= ask_at) {
        ASSIGN_OR_RETURN(members, Members());
        ask_at = now + kMembersPause;
        instances_ = members;
      }
      std::vector<std::string> reasons, silent;
      for (const auto& [instance, answer] : mine->answers) {
        for (const std::string& reason :
             answer.kind == EntryKind::kRefused ? answer.reasons : std::vector<std::string>()) {
          reasons.push_back("instance " + instance + ": " + reason);
        }
      }
      for (const std::string& member : members) {
        if (!mine->answers.contains(member)) silent.push_back(member);
      }
      const bool late = now >= end_;
      if (late) {
        for (const std::string& each : silent) {
          reasons.push_back("instance " + each + ": no answer within " + std::to_string(wish_.timeout_ms / 1000) +
                            " s; is it running, and does it reach " + log_.Describe() + "?");
        }
      }
      if (!reasons.empty()) return GiveUp(*mine, reasons);
      if (silent.empty()) {
        // Once more just before it counts: one may have joined meanwhile.
        ASSIGN_OR_RETURN(members, Members());
        if (members == instances_) return Activate(*mine);
        instances_ = members;
      }
      if (wish_.cancel != nullptr && wish_.cancel->draining()) {
        return Status(Code::kRetry,
                      "stopped; the deployment stays open, and the version before it goes on scoring. The "
                      "same command goes on with it");
      }
    }
  }

  Result<DeploymentEnd> GiveUp(const ControlState::Deployment& mine, const std::vector<std::string>& reasons) {
    RETURN_IF_ERROR(Abandon(log_, mine, wish_.prepare, reasons));
    RETURN_IF_ERROR(ReadOn(kLookMs));
    const ControlState::Deployment* now = state_.Find(id_);
    if (now->state == ControlState::Deployment::State::kActive) return Active(now->end.number);
    ControlEntry end = now->end;
    if (now->state != ControlState::Deployment::State::kAbandoned) end.reasons = reasons;
    return Abandoned(end);
  }

  Result<DeploymentEnd> Activate(const ControlState::Deployment& mine) {
    ControlEntry entry = mine.prepare;
    entry.kind = EntryKind::kActive;
    entry.at_ms = Clock::Real().WallMs();
    ASSIGN_OR_RETURN(const uint32_t number, log_.Append(entry));
    RETURN_IF_ERROR(ReadUpTo(number));
    const ControlState::Deployment* now = state_.Find(id_);
    if (now->state == ControlState::Deployment::State::kAbandoned) return Abandoned(now->end);
    if (StartsHere()) FaultPoint("models.edit_active", record_.model);
    return Active(now->end.number);
  }

  DeploymentEnd Abandoned(const ControlEntry& by) const {
    std::vector<std::string> reasons = by.reasons;
    if (by.kind == EntryKind::kStep && by.action != "abandon") {
      reasons.push_back("the rollout of the model made a step meanwhile (" + by.action +
                        (by.reason.empty() ? "" : ": " + by.reason) + "); look at it, and give the command again");
    }
    return {.kind = DeploymentEnd::Kind::kAbandoned,
            .generation = 0,
            .instances = instances_,
            .reasons = std::move(reasons),
            .waiting = {}};
  }

  // Partitions that an instance at work had last, and that have no later place to begin.
  std::vector<std::string> NotSwitched(uint32_t number, const std::vector<std::string>& members) const {
    std::vector<std::string> waiting;
    for (const auto& [partition, served] : state_.served()) {
      const ControlState::Served& last = served.back();
      const bool has_owner = last.instance.empty() || std::ranges::count(members, last.instance) > 0;
      if (has_owner && last.number < number && !record_.at.contains(partition)) waiting.push_back(partition);
    }
    return waiting;
  }

  // Waits until the new generation scores them.
  Result<DeploymentEnd> Active(uint32_t number) {
    DeploymentEnd end{.kind = DeploymentEnd::Kind::kActive,
                      .generation = number,
                      .instances = instances_,
                      .reasons = {},
                      .waiting = {}};
    const Moment begin = std::chrono::steady_clock::now();
    const Moment until = std::max(begin + kSwitchWait, wish_.in_place ? begin + (end_ - begin_) : begin);
    Moment ask_at = std::chrono::steady_clock::now() + kMembersPause;
    std::vector<std::string> members = instances_;
    while (!members.empty() && !StartsHere()) {
      const ControlState::Deployment* mine = state_.Find(id_);
      if (mine != nullptr && mine->state == ControlState::Deployment::State::kAbandoned) return Abandoned(mine->end);
      end.waiting = NotSwitched(number, members);
      const bool stop = wish_.cancel != nullptr && wish_.cancel->draining();
      const Moment now = std::chrono::steady_clock::now();
      if (end.waiting.empty() || stop || now >= until) break;
      if (now >= ask_at) {
        auto told = Members();
        if (told.ok()) members = std::move(told).value();  // who died does not switch
        ask_at = now + kMembersPause;
      }
      RETURN_IF_ERROR(ReadOn(kLookMs));
    }
    return end;
  }

  ControlLog& log_;
  const DeploymentWish& wish_;
  const GenerationRecord& record_;
  const Moment begin_, end_;
  ControlState state_;
  std::string id_;
  std::vector<std::string> instances_;
};

}  // namespace

std::string NewDeploymentId() {
  std::random_device random;
  char text[24];
  std::snprintf(text, sizeof text, "%08x%08x", random(), random());
  return text;
}

Result<DeploymentEnd> Deploy(ControlLog& log, const DeploymentWish& wish) { return Deployer(log, wish).Run(); }
Result<DeploymentEnd> AppendStep(ControlLog& log, const DeploymentWish& wish) { return Deployer(log, wish).RunStep(); }

Result<ControlState> ReadControlState(ControlLog& log) {
  ControlState state;
  ASSIGN_OR_RETURN(const std::vector<ControlEntry> entries, log.Read(0, 0));
  for (const ControlEntry& entry : entries) state.Apply(entry);
  return state;
}

Status Abandon(ControlLog& log, const ControlState::Deployment& open, const ControlEntry& by,
               const std::vector<std::string>& reasons) {
  ControlEntry entry = CommandEntry(EntryKind::kAbandoned);
  entry.deployment = open.prepare.deployment;
  entry.action = by.action;
  entry.by = by.by;
  entry.reason = by.reason;
  entry.reasons = reasons;
  return log.Append(entry).status();
}

ControlEntry CommandEntry(ControlEntry::Kind kind) {
  ControlEntry entry;
  entry.kind = kind;
  entry.at_ms = Clock::Real().WallMs();
  char host[256] = "";
  if (gethostname(host, sizeof host - 1) == 0) entry.host = host;
  return entry;
}

ControlEntry StartEntry(GenerationRecord first) {
  ControlEntry entry = CommandEntry(EntryKind::kActive);
  entry.action = "start";
  entry.reason = "the version that the topology file starts with";
  entry.generation = std::move(first);
  return entry;
}

}  // namespace anabranch
