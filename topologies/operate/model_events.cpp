#include "topologies/operate/model_events.h"

#include <algorithm>
#include <set>

#include "engine/clock.h"
#include "engine/managed_model.h"
#include "engine/printable.h"
#include "engine/text/instant.h"
#include "engine/text/json_object.h"
#include "engine/text/timestamp.h"
#include "topologies/operate/bandit_view.h"
#include "topologies/operate/rollout_view.h"
#include "topologies/operate/start_view.h"

namespace anabranch {
namespace {

using Deployment = ControlState::Deployment;

constexpr size_t kDigestShown = 12;
constexpr size_t kPartitionsShown = 8;

ModelEvent EventOf(const ControlEntry& entry) {
  ModelEvent event;
  event.model = entry.generation.model;
  const GenerationRecord& record = entry.generation;
  event.version = record.newest().version;
  event.digest = record.newest().digest;
  if (record.arms.size() > 1) {
    event.serving = record.arms.front().version;
    event.scoring = ScoringText(record);
  }
  event.rule = record.rule;
  event.from_time = record.from_time;
  event.share = record.share;
  event.step = record.step;
  event.guards = entry.guards;
  event.action = entry.action;
  const bool moves = entry.kind == ControlEntry::Kind::kStep || entry.kind == ControlEntry::Kind::kHold;
  const bool by_itself = entry.by.empty() && moves && !entry.instance.empty();
  event.by = by_itself ? "instance " + entry.instance : entry.by;
  event.reason = entry.reason;
  event.approved_by = entry.approved_by;
  event.host = entry.host;
  event.file_start = entry.start;
  event.at_ms = entry.at_ms;
  if (!entry.gates.empty()) event.gates[""] = entry.gates;
  return event;
}

// The generation stays at its step until a person moves it. It is none of its own.
ModelEvent HeldEvent(const ControlState::Generation& generation, const ControlEntry& hold) {
  ControlEntry entry = hold;
  entry.generation = generation.record();
  ModelEvent event = EventOf(entry);
  event.state = "held";
  return event;
}

void AddAnswers(const Deployment& deployment, ModelEvent* event) {
  for (const auto& [instance, answer] : deployment.answers) {
    if (!answer.gates.empty()) event->gates[instance] = answer.gates;
  }
}

// Where the generation `number` of a model, up to `next` (the one after it; 0: none), scored. A number stands for the
// newest generation of every model, so a partition that switched for another model goes on with this one.
void SetRanges(const ControlState& state, uint32_t number, uint32_t next, ModelEvent* event) {
  for (const auto& [partition, served] : state.served()) {
    const auto scores = [&](const ControlState::Served& each) {
      return each.number >= number && (next == 0 || each.number < next);
    };
    const auto first = std::ranges::find_if(served, scores);
    if (first == served.end()) continue;
    event->from[partition] = first->since;
    const auto after = std::find_if_not(first, served.end(), scores);
    if (after != served.end()) event->until[partition] = after->since;
  }
}

std::string Positions(const ModelEvent& event) {
  std::string text;
  size_t shown = 0;
  for (const auto& [partition, from] : event.from) {
    if (++shown > kPartitionsShown) break;
    const auto until = event.until.find(partition);
    text += (text.empty() ? "" : ", ") + partition + " from " + std::to_string(from) +
            (until == event.until.end() ? "" : " to " + std::to_string(until->second));
  }
  if (event.from.size() > kPartitionsShown) {
    text += ", and " + std::to_string(event.from.size() - kPartitionsShown) + " more partitions";
  }
  return text;
}

std::string PositionsJson(const std::map<std::string, int64_t>& positions) {
  JsonObject json;
  for (const auto& [partition, position] : positions) json.AddNumber(partition, position);
  return json.text();
}

std::string TextsJson(const std::map<std::string, std::string>& texts) {
  JsonObject json;
  for (const auto& [name, text] : texts) json.AddText(name, text);
  return json.text();
}

std::string GatesJson(const ModelEvent& event) {
  JsonObject json;
  for (const auto& [instance, gates] : event.gates) {
    json.AddJson(instance.empty() ? "command" : instance, TextsJson(gates));
  }
  return json.text();
}

// The rollout of a model that the file has, and what the file says of it.
struct RolloutOfFile {
  std::optional<RolloutStatus> status;
  const RolloutSpec* spec = nullptr;
};

RolloutOfFile RolloutOfPlan(const ControlState& state, const Plan& plan, const std::string& model) {
  const auto found = std::ranges::find(plan.managed, model, &PlanModel::name);
  if (found == plan.managed.end()) return {};
  return {RolloutIn(state, *found, Clock::Real().WallMs()), &SpecOrHeld(found->rollout)};
}

// It became a generation, whose version could not be loaded in the place of the one before.
bool IsTakenBack(const Deployment& deployment) {
  return deployment.state == Deployment::State::kAbandoned && deployment.end.action == "abandon";
}

// Seconds since the newest generation counts, while its version is loaded in the place of the one before: no partition
// has switched to it. Nothing: that is not so.
std::optional<int64_t> SwappingSeconds(const ControlState& state, const Plan& plan, const std::string& model) {
  const ControlState::Generation* newest = state.Newest(model);
  const bool in_place = std::ranges::any_of(plan.nodes, [&](const PlanNode& node) {
    const ManagedModel* managed = node.program->managed();
    return managed != nullptr && managed->model() == model && managed->in_place();
  });
  const auto has_switched = [&](const auto& each) { return each.second.back().number >= newest->number; };
  if (!in_place || state.served().empty() || std::ranges::any_of(state.served(), has_switched)) return std::nullopt;
  return std::max<int64_t>(0, Clock::Real().WallMs() - newest->active.at_ms) / 1000;
}

std::optional<StartDifference> DifferenceInPlan(const ControlState& state, const Plan& plan, const std::string& model) {
  const auto found = std::ranges::find(plan.managed, model, &PlanModel::name);
  return found == plan.managed.end() ? std::nullopt : StartDifferenceOf(state, *found);
}

std::set<std::string> ModelsIn(const ControlState& state) {
  std::set<std::string> models;
  for (const ControlState::Generation& each : state.generations()) models.insert(each.record().model);
  return models;
}

}  // namespace

std::vector<ModelEvent> ModelEvents(const ControlState& state, const std::string& model) {
  std::vector<ModelEvent> events;
  for (const ControlState::Generation& generation : state.generations()) {
    const std::string& name = generation.record().model;
    if (!model.empty() && name != model) continue;
    // Of the lessons of a bandit only the last one: they may be thousands.
    if (generation.active.action == "learn" && state.Newest(name)->number != generation.number) continue;
    uint32_t next = 0;
    for (const ControlState::Generation& each : state.generations()) {
      if (next == 0 && each.number > generation.number && each.record().model == name) next = each.number;
    }
    ModelEvent event = EventOf(generation.active);
    event.generation = generation.number;
    event.state = next == 0 ? "serves" : "replaced";
    if (const Deployment* deployment = state.Find(generation.active.deployment)) {
      AddAnswers(*deployment, &event);
      if (IsTakenBack(*deployment)) {
        event.state = "abandoned";
        event.reasons = deployment->end.reasons;
      }
    }
    SetRanges(state, generation.number, next, &event);
    events.push_back(std::move(event));
    const ControlEntry* hold = state.HoldOf(generation.number);
    const bool in_time = hold != nullptr && (next == 0 || hold->number < next);
    if (in_time) events.push_back(HeldEvent(generation, *hold));
  }
  for (const Deployment& deployment : state.deployments()) {
    if (!model.empty() && deployment.prepare.generation.model != model) continue;
    if (deployment.state == Deployment::State::kActive || deployment.state == Deployment::State::kIgnored) continue;
    if (IsTakenBack(deployment)) continue;
    ModelEvent event = EventOf(deployment.prepare);
    event.state = deployment.state == Deployment::State::kOpen ? "open" : "abandoned";
    event.reasons = deployment.end.reasons;
    AddAnswers(deployment, &event);
    events.push_back(std::move(event));
  }
  std::ranges::stable_sort(events, {}, &ModelEvent::at_ms);
  return events;
}

const ControlState::Generation* GoesBackTo(const ControlState& state, const std::string& model,
                                           const std::string& version) {
  const ControlState::Generation* current = state.Newest(model);
  if (current == nullptr) return nullptr;
  uint32_t deployed = current->number;
  for (const ControlState::Generation& each : state.generations()) {
    const bool same = each.record().model == model && each.serving().digest == current->serving().digest;
    const bool goes_back = each.active.action == "rollback" || each.active.action == "abandon";
    if (same && !goes_back) deployed = each.number;
  }
  const ControlState::Generation* target = nullptr;
  for (const ControlState::Generation& each : state.generations()) {
    if (each.record().model != model) continue;
    const bool before = each.number < deployed && each.serving().digest != current->serving().digest;
    if (version.empty() ? before : each.serving().version == version) target = &each;
  }
  return target;
}

std::string ModelEventsText(const std::vector<ModelEvent>& events) {
  std::string text;
  for (const ModelEvent& event : events) {
    text += FormatInstant(event.at_ms) + "  " + event.model + "@" + Printable(event.version) + " (" +
            event.digest.substr(0, kDigestShown) + ")  " +
            (event.generation == 0 ? "" : "generation " + std::to_string(event.generation) + ", ") + event.state + "\n";
    text += "  " + event.action;
    if (!event.by.empty()) text += " by " + Printable(event.by);
    if (!event.host.empty()) text += " on " + Printable(event.host);
    if (!event.approved_by.empty()) text += ", approved by " + Printable(event.approved_by);
    if (!event.reason.empty()) text += ": " + Printable(event.reason);
    text += "\n";
    if (!event.scoring.empty()) {
      text += "  " + (event.step > 0 ? "step " + std::to_string(event.step) + ": " : "") + event.scoring + "\n";
    }
    for (const auto& [guard, figures] : event.guards) text += "  guard " + Printable(figures) + "\n";
    for (const std::string& reason : event.reasons) text += "  refused: " + Printable(reason) + "\n";
    for (const auto& [instance, gates] : event.gates) {
      std::string line;
      for (const auto& [gate, measured] : gates) line += (line.empty() ? "" : "; ") + gate + " " + Printable(measured);
      text += "  gates" + (instance.empty() ? "" : " of instance " + instance) + ": " + line + "\n";
    }
    if (const std::string positions = Positions(event); !positions.empty()) text += "  scored " + positions + "\n";
  }
  return text;
}

std::string ModelEventsJson(const std::vector<ModelEvent>& events) {
  std::vector<std::string> all;
  for (const ModelEvent& event : events) {
    JsonObject json;
    json.AddText("model", event.model).AddText("version", event.version).AddText("digest", event.digest);
    if (event.generation == 0) {
      json.AddJson("generation", "null");
    } else {
      json.AddNumber("generation", event.generation);
    }
    if (!event.serving.empty()) json.AddText("serving", event.serving);
    json.AddText("rule", NameOf(event.rule));
    if (event.rule == ArmRule::kEventTime) {
      json.AddText("from_time", FormatTimestamp(event.from_time));
    } else {
      json.AddReal("share", event.rule == ArmRule::kOne ? 1 : event.share);
    }
    if (event.step > 0) json.AddNumber("step", event.step);
    if (!event.guards.empty()) json.AddJson("guards", TextsJson(event.guards));
    json.AddText("state", event.state).AddText("action", event.action).AddText("at", FormatInstant(event.at_ms));
    json.AddText("by", event.by).AddText("host", event.host).AddText("reason", event.reason);
    if (!event.file_start.empty()) json.AddText("file_start", event.file_start);
    json.AddText("approved_by", event.approved_by).AddJson("gates", GatesJson(event));
    json.AddJson("reasons", JsonStrings(event.reasons));
    json.AddJson("from", PositionsJson(event.from)).AddJson("until", PositionsJson(event.until));
    all.push_back(json.text());
  }
  return JsonList(all);
}

std::string ModelsNowText(const ControlState& state, const Plan& plan) {
  std::string text;
  for (const std::string& model : ModelsIn(state)) {
    const std::vector<ModelEvent> events = ModelEvents(state, model);
    const auto now = std::ranges::find(events, "serves", &ModelEvent::state);
    if (now == events.end()) continue;
    text += "\nmodel " + model + ": version " + Printable(state.Newest(model)->serving().version) + ", generation " +
            std::to_string(now->generation) + " since " + FormatInstant(now->at_ms) + "\n";
    if (now->rule == ArmRule::kEventTime) text += "  " + now->scoring + "\n";
    if (const auto difference = DifferenceInPlan(state, plan, model)) text += "  " + difference->text + "\n";
    const RolloutOfFile rollout = RolloutOfPlan(state, plan, model);
    if (rollout.status) text += "  rollout: " + rollout.status->text + "\n";
    if (const auto bandit = BanditOf(state, model)) text += "  bandit: " + BanditSentence(*bandit) + "\n";
    if (const std::string positions = Positions(*now); !positions.empty()) text += "  scores " + positions + "\n";
    if (const auto seconds = SwappingSeconds(state, plan, model)) {
      text += "  swapping " + Printable(model) + " in place since " + std::to_string(*seconds) + " s\n";
    }
    if (const Deployment* open = state.Open(model)) {
      text += "  " + open->prepare.action + " of version " + Printable(open->prepare.generation.newest().version) +
              " is not finished\n";
    }
  }
  return text;
}

std::string ModelsNowJson(const ControlState& state, const Plan& plan) {
  JsonObject json;
  for (const std::string& model : ModelsIn(state)) {
    const std::vector<ModelEvent> events = ModelEvents(state, model);
    const auto now = std::ranges::find(events, "serves", &ModelEvent::state);
    if (now == events.end()) continue;
    const GenerationRecord::Arm& serving = state.Newest(model)->serving();
    JsonObject one;
    one.AddText("version", serving.version).AddText("digest", serving.digest).AddNumber("generation", now->generation);
    one.AddText("since", FormatInstant(now->at_ms)).AddJson("from", PositionsJson(now->from));
    if (now->rule == ArmRule::kEventTime) {
      one.AddText("from_time", FormatTimestamp(now->from_time)).AddText("before", now->serving);
    }
    const auto difference = DifferenceInPlan(state, plan, model);
    if (difference) one.AddJson("file", StartDifferenceJson(*difference));
    const RolloutOfFile rollout = RolloutOfPlan(state, plan, model);
    if (rollout.status) one.AddJson("rollout", RolloutJson(*rollout.status, *rollout.spec));
    if (const auto bandit = BanditOf(state, model)) one.AddJson("bandit", BanditJson(*bandit));
    const Deployment* open = state.Open(model);
    if (open != nullptr) one.AddText("deploying", open->prepare.generation.newest().version);
    if (const auto seconds = SwappingSeconds(state, plan, model)) one.AddNumber("swapping_s", *seconds);
    json.AddJson(model, one.text());
  }
  return json.text();
}

}  // namespace anabranch
