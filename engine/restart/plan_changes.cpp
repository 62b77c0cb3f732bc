#include "engine/restart/plan_changes.h"

#include <algorithm>

namespace anabranch {
namespace {

std::string List(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string Label(const StageFacts& stage) { return stage.id + " (" + stage.kind + ")"; }

// The parts before and after the dash of a fingerprint.
std::string OfConfig(const std::string& fingerprint) { return fingerprint.substr(0, fingerprint.find('-')); }
std::string OfModel(const std::string& fingerprint) {
  const size_t dash = fingerprint.find('-');
  return dash == std::string::npos ? std::string() : fingerprint.substr(dash);
}

}  // namespace

PlanChanges::PlanChanges(const PlanFacts& before, const Plan& plan, const std::string& identity)
    : facts_(before), plan_(plan), now_(FactsOf(plan, identity)), before_(plan.stages(), nullptr) {
  for (StageId stage = 0; stage < plan.stages(); ++stage) {
    const bool source = stage < plan.sources.size();
    const StageFacts* found = Find(plan.StageName(stage));
    // "was" stays in the file after the rename is done.
    if (found == nullptr && !source && !plan.node(stage).was.empty()) found = Find(plan.node(stage).was);
    if (found != nullptr && (found->kind == "source") == source) before_[stage] = found;
  }
  for (const StageFacts& stage : facts_.stages) {
    if (std::find(before_.begin(), before_.end(), &stage) == before_.end()) gone_.push_back(&stage);
  }
}

const StageFacts* PlanChanges::Find(const std::string& id) const {
  const auto found =
      std::find_if(facts_.stages.begin(), facts_.stages.end(), [&](const StageFacts& each) { return each.id == id; });
  return found != facts_.stages.end() ? &*found : nullptr;
}

// Its present inputs, by the names that they had before.
std::vector<std::string> PlanChanges::InputsThen(StageId stage) const {
  std::vector<std::string> inputs;
  if (stage < plan_.sources.size()) return inputs;
  for (const StageId input : plan_.node(stage).inputs) {
    inputs.push_back(before_[input] != nullptr ? before_[input]->id : plan_.StageName(input));
  }
  return inputs;
}

bool PlanChanges::Edited(StageId stage) const {
  const StageFacts* before = before_[stage];
  return before == nullptr || before->fingerprint != now_.stages[stage].fingerprint ||
         before->inputs != InputsThen(stage);
}

std::string PlanChanges::Line(StageId stage) const {
  const StageFacts& now = now_.stages[stage];
  const StageFacts* before = before_[stage];
  if (before == nullptr) return (now.kind == "source" ? "new source " : "new node ") + Label(now);
  std::vector<std::string> parts;
  if (before->id != now.id) parts.push_back("renamed, was " + before->id);
  if (before->kind != now.kind) parts.push_back("was of kind " + before->kind);
  if (OfConfig(before->fingerprint) != OfConfig(now.fingerprint)) parts.push_back("edited");
  if (OfModel(before->fingerprint) != OfModel(now.fingerprint)) parts.push_back("model file changed");
  if (before->inputs != InputsThen(stage)) {
    parts.push_back("reads " + List(now.inputs) + " instead of " + List(before->inputs));
  }
  if (before->position_owner != now.position_owner) {
    parts.push_back("reads " + now.position_owner + " instead of " + before->position_owner);
  }
  if (before->target != now.target) parts.push_back("writes " + now.target + " instead of " + before->target);
  return parts.empty() ? std::string() : Label(now) + ": " + List(parts);
}

std::vector<std::string> PlanChanges::Lines() const {
  std::vector<std::string> lines;
  for (StageId stage = 0; stage < plan_.stages(); ++stage) {
    std::string line = Line(stage);
    if (!line.empty()) lines.push_back(std::move(line));
  }
  for (const StageFacts* stage : gone_) {
    lines.push_back((stage->kind == "source" ? "source " : "node ") + Label(*stage) + " is gone");
  }
  if (facts_.exactly_once != now_.exactly_once) {
    lines.push_back(std::string("delivery is ") + (now_.exactly_once ? "exactly_once" : "at_least_once") + " now");
  }
  return lines;
}

std::vector<std::string> PlanChanges::Moved() const {
  std::vector<std::string> moved;
  if (facts_.identity != now_.identity) {
    moved.push_back("the pipeline is \"" + now_.identity + "\" now and was \"" + facts_.identity + "\"");
  }
  if (facts_.exactly_once && !now_.exactly_once) moved.push_back("delivery was exactly_once and is at_least_once now");
  for (StageId stage = 0; stage < plan_.stages(); ++stage) {
    const StageFacts* before = before_[stage];
    const StageFacts& now = now_.stages[stage];
    if (before == nullptr) continue;
    if (before->position_owner != now.position_owner) {
      moved.push_back("source \"" + now.id + "\" reads " + now.position_owner + " and read " + before->position_owner);
    }
    if (!before->target.empty() && before->target != now.target) {
      moved.push_back("node \"" + now.id + "\" writes " + (now.target.empty() ? "nothing" : now.target) +
                      " and wrote " + before->target);
    }
  }
  for (const StageFacts* stage : gone_) {
    if (stage->kind == "source") moved.push_back("source \"" + stage->id + "\" is gone");
    if (!stage->target.empty()) moved.push_back("node \"" + stage->id + "\" is gone; it wrote " + stage->target);
  }
  return moved;
}

}  // namespace anabranch
