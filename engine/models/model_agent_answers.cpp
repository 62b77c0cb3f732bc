#include <algorithm>
#include <chrono>
#include <exception>
#include <thread>

#include "engine/fault_point.h"
#include "engine/models/model_agent.h"

namespace anabranch {
namespace {

using DeploymentState = ControlState::Deployment::State;

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    if (end > at) lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

}  // namespace

std::vector<ControlState::Deployment> ModelAgent::OpenDeployments() const {
  std::vector<ControlState::Deployment> open;
  const MutexLock lock(mutex_);
  for (const ControlState::Deployment& each : state_.deployments()) {
    const bool ours = Find(each.prepare.generation.model) != nullptr;
    if (each.state == DeploymentState::kOpen && ours) open.push_back(each);
  }
  return open;
}

// One look at each open deployment. Gates take long, so they run meanwhile.
void ModelAgent::AnswerDeployments() {
  const std::vector<ControlState::Deployment> open = OpenDeployments();
  const auto is_over = [&](const auto& each) {
    return std::ranges::none_of(open, [&](const auto& one) { return one.prepare.deployment == each.first; });
  };
  std::erase_if(unsent_, is_over);
  std::erase_if(trials_, is_over);
  for (const ControlState::Deployment& deployment : open) {
    if (stops_.load()) return;
    const std::string& id = deployment.prepare.deployment;
    // Gates need memory, too: one at a time where there is little.
    if (HasInPlace() && !trials_.empty() && !answered_.contains(id)) continue;
    if (answered_.insert(id).second) BeginAnswer(deployment);
    if (const auto trial = trials_.find(id); trial != trials_.end()) {
      if (trial->second.wait_for(std::chrono::seconds(0)) != std::future_status::ready) continue;
      Verdict verdict = trial->second.get();
      trials_.erase(trial);
      if (verdict.reasons.empty()) LoadFor(deployment, &verdict);
      PutAnswer(id, std::move(verdict));
    }
    SendAnswer(deployment);
  }
}

void ModelAgent::BeginAnswer(const ControlState::Deployment& deployment) {
  const GenerationRecord& record = deployment.prepare.generation;
  const Model& model = *Find(record.model);
  if (const auto before = deployment.answers.find(parts_.instance); before != deployment.answers.end()) {
    // This instance answered before it was started again: what it promised is made true again.
    const MutexLock lock(load_mutex_);
    if (before->second.kind == ControlEntry::Kind::kReady && !model.in_place) (void)Load(model, record, true);
    return;
  }
  FaultPoint("models.prepare_seen", record.model);
  Verdict verdict;
  const auto folders = FoldersToTry(model, deployment);
  if (!folders.ok()) {
    verdict.reasons = Lines(folders.status().message());
  } else if (!folders->empty()) {
    trials_[deployment.prepare.deployment] = RunGates(*folders);
    return;
  } else {
    LoadFor(deployment, &verdict);
  }
  PutAnswer(deployment.prepare.deployment, std::move(verdict));
}

// The packages whose gates have to pass. A rollback needs none: the version scored before; nor does one that scores.
Result<std::vector<std::string>> ModelAgent::FoldersToTry(const Model& model,
                                                          const ControlState::Deployment& deployment) {
  std::vector<std::string> folders;
  const auto current = Newest(model.name, UINT32_MAX);
  for (const GenerationRecord::Arm& arm : deployment.prepare.generation.arms) {
    ASSIGN_OR_RETURN(const std::string folder, parts_.find(model, arm.digest));
    const bool scores =
        current && std::ranges::count(current->record().arms, arm.digest, &GenerationRecord::Arm::digest) > 0;
    if (deployment.prepare.action != "rollback" && parts_.gates && !scores) folders.push_back(folder);
  }
  return folders;
}

// On a thread of its own, which is left to itself if the instance stops or the deployment ends meanwhile.
std::future<ModelAgent::Verdict> ModelAgent::RunGates(const std::vector<std::string>& folders) const {
  auto promise = std::make_shared<std::promise<Verdict>>();
  auto verdict = promise->get_future();
  std::thread([gates = parts_.gates, folders, promise] {
    Verdict all;
    try {
      for (const std::string& folder : folders) {
        Verdict one = gates(folder);
        all.gates.merge(one.gates);
        all.reasons = std::move(one.reasons);
        if (!all.reasons.empty()) break;
      }
    } catch (const std::exception& error) {
      all.reasons = {std::string("the gates ended early: ") + error.what()};
    }
    promise->set_value(std::move(all));
  }).detach();
  return verdict;
}

// A version that is swapped in place is loaded once it is active: its gates passed, and its files are here.
void ModelAgent::LoadFor(const ControlState::Deployment& deployment, Verdict* verdict) {
  const GenerationRecord& record = deployment.prepare.generation;
  if (Find(record.model)->in_place) return;
  const MutexLock lock(load_mutex_);
  const auto begin = std::chrono::steady_clock::now();
  const Status loaded = Load(*Find(record.model), record, true);
  if (!loaded.ok()) {
    *verdict = {Lines(loaded.message()), {}};
    return;
  }
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
  verdict->gates["load"] = std::to_string(ms.count()) + " ms";
}

void ModelAgent::PutAnswer(const std::string& deployment, Verdict verdict) {
  ControlEntry entry = NewEntry(verdict.reasons.empty() ? ControlEntry::Kind::kReady : ControlEntry::Kind::kRefused);
  entry.deployment = deployment;
  entry.reasons = std::move(verdict.reasons);
  entry.gates = std::move(verdict.gates);
  unsent_[deployment] = std::move(entry);
}

// What the log does not take now is sent again at the next step: the gates need not run twice.
void ModelAgent::SendAnswer(const ControlState::Deployment& deployment) {
  const auto answer = unsent_.find(deployment.prepare.deployment);
  if (answer == unsent_.end() || !Append(answer->second)) return;
  unsent_.erase(answer);
  FaultPoint("models.ready_sent", deployment.prepare.generation.model);
}

}  // namespace anabranch
