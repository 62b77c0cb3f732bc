#include "engine/models/rollout_judge.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <utility>

#include "engine/strategy/draw.h"
#include "engine/strategy/figure_text.h"
#include "engine/text/instant.h"

namespace anabranch {
namespace {

using What = RolloutSpec::Guard::What;
using Then = RolloutSpec::Then;
using RolloutState = RolloutStatus::State;

// Steps whose rows are judged: all but the last one.
size_t JudgedSteps(const RolloutSpec& spec) { return std::max<size_t>(spec.steps.size(), 2) - 1; }

// What the file says of step `number`. The file may have been edited since it began.
RolloutSpec::Step StepOf(const RolloutSpec& spec, size_t number) {
  if (spec.steps.empty()) return {};
  return spec.steps[std::min(number, JudgedSteps(spec)) - 1];
}

bool NextIsLast(const RolloutStatus& status, const RolloutSpec& spec) { return status.step >= JudgedSteps(spec); }

StepRules RulesOf(const RolloutSpec& spec, size_t step, int instances) {
  const RolloutSpec::Step rows = StepOf(spec, step);
  StepRules rules;
  for (const RolloutSpec::Guard& guard : spec.guards) {
    rules.guards.push_back({.name = NameOf(guard.what),
                            .kind = IsRate(guard.what) ? GuardRule::Kind::kRate : GuardRule::Kind::kThreshold,
                            .limit = guard.limit});
  }
  rules.alpha = spec.alpha / static_cast<double>(JudgedSteps(spec));
  rules.instances = std::max(1, instances);
  rules.min_rows = rows.min_rows;
  rules.min_ms = rows.min_ms;
  rules.max_rows = std::max(spec.max_rows, rows.min_rows);
  return rules;
}

int64_t UsableOf(const std::vector<int64_t>& bins) { return std::accumulate(bins.begin(), bins.end(), int64_t{0}); }

// A breach by any output that has enough values of both versions. Otherwise the worst figure, and the fewest values of
// any output and version: what one of them does not answer has no distribution, and nothing passes for that.
GuardInput PsiOf(const CompareCounters& compare, const GuardRule& rule) {
  const SegmentCounts total = compare.Total();
  const std::vector<CompareSpec::Output>& outputs = compare.spec().outputs;
  GuardInput input{.figure_rows = outputs.empty() ? 0 : total.rows}, breach;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const OutputCounts& counts = total.outputs[i];
    const double psi = FiguresOf(outputs[i], counts).psi;
    const int64_t usable = std::min(UsableOf(counts.a_bins), UsableOf(counts.b_bins));
    if (usable >= rule.least_rows && psi > std::max(rule.limit, breach.figure)) {
      breach = {.figure = psi, .figure_rows = usable};
    }
    input.figure = std::max(input.figure, psi);
    input.figure_rows = std::min(input.figure_rows, usable);
  }
  return breach.figure > 0 ? breach : input;
}

// Of the nodes with enough rows one that breaches, else one with too few values, else the worst figure; of all nodes
// where none has enough rows.
GuardInput WorstPsi(const CountsByNode& counts, const GuardRule& rule) {
  GuardInput worst;
  int worst_rank = -1;
  for (const auto& [node, each] : counts) {
    const GuardInput input = PsiOf(each.compare, rule);
    const bool judges = each.compare.Total().rows >= rule.least_rows, open = input.figure_rows < rule.least_rows;
    const int rank = !judges ? 0 : open ? 2 : input.figure > rule.limit ? 3 : 1;
    if (rank < worst_rank || (rank == worst_rank && input.figure < worst.figure)) continue;
    worst = input;
    worst_rank = rank;
  }
  return worst;
}

std::vector<GuardInput> InputsOf(const RolloutSpec& spec, const StepRules& rules, const CountsByNode& counts) {
  std::vector<GuardInput> inputs(spec.guards.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (spec.guards[i].what == What::kPsi) {
      inputs[i] = WorstPsi(counts, rules.guards[i]);
      continue;
    }
    for (const auto& [node, each] : counts) {
      // Counts of other guards than those in the file say nothing about these.
      if (each.guards.size() == spec.guards.size()) inputs[i].counts.Add(each.guards[i]);
    }
  }
  return inputs;
}

void AddRows(const CountsByNode& counts, RolloutStatus* status) {
  status->answered.assign(status->record.arms.size(), 0);
  for (const auto& [node, each] : counts) {
    status->rows += each.rows();
    status->paired += each.paired();
    for (size_t arm = 0; arm < std::min(each.answered.size(), status->answered.size()); ++arm) {
      status->answered[arm] += each.answered[arm];
    }
  }
}

RolloutState StateOf(const RolloutStatus& status, const RolloutSpec& spec) {
  const StepState verdict = status.verdict.state;
  if (verdict == StepState::kBreached && (status.is_held || spec.on_breach == Then::kHold)) {
    return RolloutState::kBreached;
  }
  if (verdict == StepState::kInconclusive && (status.is_held || spec.on_inconclusive == Then::kHold)) {
    return RolloutState::kInconclusive;
  }
  if (status.is_held || (verdict == StepState::kPassed && spec.on_pass == Then::kHold)) return RolloutState::kHeld;
  const bool asks = spec.needs_approval && NextIsLast(status, spec);
  return verdict == StepState::kPassed && asks ? RolloutState::kAwaitsPerson : RolloutState::kRunning;
}

// -------------------------------------------------------------------------------------------- text

// As few digits as say which number it is.
std::string Exact(double number) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, number).ptr};
}

std::string Percent(double share) { return Short(share * 100) + " %"; }

// "12:01", or with the day where it was another one. UTC.
std::string Since(int64_t since_ms, int64_t now_ms) {
  const std::string since = FormatInstant(since_ms);
  const bool today = since.substr(0, 10) == FormatInstant(now_ms).substr(0, 10);
  return today ? since.substr(11, 5) : since.substr(0, 10) + " " + since.substr(11, 5);
}

std::string Joined(const std::vector<std::string>& parts, const std::string& by) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : by) + part;
  return text;
}

std::string WhatHappens(const GenerationRecord& record) {
  const std::string version = "version " + record.newest().version;
  if (record.rule == ArmRule::kShadow) return version + " scores " + Percent(record.share) + " of the rows unseen";
  const std::string units = record.by_record ? " of the records" : " of the keys";
  return Percent(record.share) + units + " are answered by " + version;
}

// What a step that runs waits for.
std::string Awaited(const RolloutStatus& status, const StepRules& rules, int64_t now_ms) {
  std::vector<std::string> needs, open;
  if (status.paired < rules.min_rows)
    needs.push_back("after " + Grouped(rules.min_rows - status.paired) + " more rows");
  const int64_t left_ms = rules.min_ms - (now_ms - status.since_ms);
  if (left_ms > 0) needs.push_back("in " + std::to_string((left_ms + 59'999) / 60'000) + " min");
  for (size_t i = 0; i < rules.guards.size(); ++i) {
    if (status.verdict.guards[i].state != GuardState::kPassed) open.push_back(rules.guards[i].name);
  }
  if (!open.empty()) needs.push_back("once it is sure of " + Joined(open, ", "));
  return "it goes on " + Joined(needs, " and ");
}

std::string Prospect(const RolloutStatus& status, const StepRules& rules, int64_t now_ms) {
  const StepVerdict& verdict = status.verdict;
  const std::string breach =
      verdict.state == StepState::kBreached ? "guard \"" + rules.guards[verdict.guard].name + "\" is breached" : "";
  switch (status.state) {
    case RolloutState::kBreached: return breach + ", and it is held: roll it back";
    case RolloutState::kInconclusive:
      return Grouped(status.paired) + " rows do not say whether it is good, and it is held: promote it or roll it back";
    case RolloutState::kAwaitsPerson: return "it passed; the last step awaits the approval of a person: promote it";
    case RolloutState::kHeld:
      if (!status.held_by.empty()) return "held by " + status.held_by + ": promote it or roll it back";
      return verdict.state == StepState::kPassed ? "it passed, and it is held: promote it" : "it is held";
    case RolloutState::kRunning: break;
  }
  switch (verdict.state) {
    case StepState::kBreached: return breach + ", and it is rolled back";
    case StepState::kInconclusive: return Grouped(status.paired) + " rows do not say whether it is good: rolled back";
    case StepState::kPassed:
      if (!status.deploying.empty()) return "it passed, and waits for the end of the deployment of " + status.deploying;
      return "it passed and goes on";
    case StepState::kRunning: break;
  }
  return Awaited(status, rules, now_ms);
}

std::string TextOf(const RolloutStatus& status, const StepRules& rules, int64_t now_ms) {
  std::string text = "step " + std::to_string(status.step) + " of " + std::to_string(status.steps) + ": " +
                     WhatHappens(status.record) + " since " + Since(status.since_ms, now_ms);
  if (!status.guard_texts.empty()) text += "; " + Joined(status.guard_texts, "; ");
  return text + "; " + Prospect(status, rules, now_ms);
}

// ------------------------------------------------------------------------------------------- entry

ControlEntry StepEntry(uint32_t after, const char* action, GenerationRecord record) {
  ControlEntry entry;
  entry.kind = ControlEntry::Kind::kStep;
  entry.action = action;
  entry.after = after;
  entry.generation = std::move(record);
  return entry;
}

GenerationRecord AloneOf(const GenerationRecord& record, const GenerationRecord::Arm& arm) {
  GenerationRecord alone;
  alone.model = record.model;
  alone.arms = {arm};
  alone.rollout = record.rollout;
  return alone;
}

ControlEntry RollBack(uint32_t after, const GenerationRecord& record) {
  return StepEntry(after, "rollback", AloneOf(record, record.arms.front()));
}

ControlEntry Hold(uint32_t after) {
  ControlEntry entry;
  entry.kind = ControlEntry::Kind::kHold;
  entry.action = "hold";
  entry.after = after;
  return entry;
}

void PutFigures(const RolloutStatus& status, const RolloutSpec& spec, ControlEntry* entry) {
  for (size_t i = 0; i < spec.guards.size() && i < status.guard_texts.size(); ++i) {
    entry->guards[NameOf(spec.guards[i].what)] = status.guard_texts[i];
  }
}

std::string StepLabel(const RolloutStatus& status) {
  return "step " + std::to_string(status.step) + " of " + std::to_string(status.steps);
}

}  // namespace

const char* NameOf(RolloutStatus::State state) {
  switch (state) {
    case RolloutState::kRunning: return "running";
    case RolloutState::kHeld: return "held";
    case RolloutState::kAwaitsPerson: return "awaits_person";
    case RolloutState::kInconclusive: return "inconclusive";
    case RolloutState::kBreached: return "breached";
  }
  return "";
}

std::string CountedAs(const RolloutSpec& spec) {
  std::vector<std::string> guards;
  for (const RolloutSpec::Guard& guard : spec.guards) {
    guards.push_back(std::string(NameOf(guard.what)) + " " + Exact(guard.size) + (guard.per_key ? " per key" : ""));
  }
  return Joined(guards, ", ") + (spec.segment.empty() ? "" : ", by " + spec.segment);
}

Result<CountsByNode> CountsIn(const ControlEntry& entry) {
  CountsByNode counts;
  for (const auto& [node, text] : entry.counts) {
    auto parsed = ArmCounts::Parse(text);
    if (!parsed.ok()) {
      return parsed.status().WithContext("instance " + entry.instance + ", generation " +
                                         std::to_string(entry.generation_number) + ", node \"" + node + "\"");
    }
    counts.emplace(node, std::move(parsed).value());
  }
  return counts;
}

Status AddTo(CountsByNode* sum, const CountsByNode& more) {
  Status fault;
  for (const auto& [node, counts] : more) {
    const auto [at, fresh] = sum->try_emplace(node, counts);
    const Status added = fresh ? Status::Ok() : at->second.Add(counts);
    if (!added.ok() && fault.ok()) fault = added.WithContext("node \"" + node + "\"");
  }
  return fault;
}

Result<CountsByNode> SumOf(const std::map<std::string, ControlEntry>& by_instance, const RolloutSpec* spec) {
  CountsByNode sum;
  for (const auto& [instance, entry] : by_instance) {
    const auto said = entry.guards.find(kCountedAs);
    if (spec != nullptr && (said == entry.guards.end() || said->second != CountedAs(*spec))) continue;
    ASSIGN_OR_RETURN(const CountsByNode counts, CountsIn(entry));
    RETURN_IF_ERROR(AddTo(&sum, counts).WithContext("instance " + instance));
  }
  return sum;
}

std::optional<RolloutPlace> RolloutPlaceOf(const ControlState& state, const std::string& model) {
  const ControlState::Generation* newest = state.Newest(model);
  if (newest == nullptr || !IsUnderWay(newest->record())) return std::nullopt;
  RolloutPlace place{.newest = *newest, .hold = {}, .deploying = {}};
  if (const ControlEntry* hold = state.HoldOf(newest->number)) place.hold = *hold;
  if (const auto* open = state.Open(model)) place.deploying = "version " + open->prepare.generation.newest().version;
  return place;
}

RolloutStatus RolloutAt(const RolloutPlace& place, const RolloutSpec& spec, const CountsByNode& counts, int instances,
                        int64_t now_ms) {
  RolloutStatus status;
  status.generation = place.newest.number;
  status.record = place.newest.record();
  status.model = status.record.model;
  status.step = static_cast<size_t>(status.record.step);
  status.steps = std::max(spec.steps.size(), status.step + 1);
  status.since_ms = place.newest.active.at_ms;
  status.deploying = place.deploying;
  if (place.hold) {
    status.is_held = true;
    if (place.hold->instance.empty()) status.held_by = place.hold->by.empty() ? "a person" : place.hold->by;
  }
  AddRows(counts, &status);
  const StepRules rules = RulesOf(spec, status.step, instances);
  status.verdict = JudgeStep(rules, InputsOf(spec, rules, counts), status.paired, now_ms - status.since_ms);
  for (size_t i = 0; i < rules.guards.size(); ++i) {
    status.guard_texts.push_back(GuardText(rules.guards[i], status.verdict.guards[i]));
  }
  status.state = StateOf(status, spec);
  status.text = TextOf(status, rules, now_ms);
  return status;
}

std::optional<RolloutStatus> RolloutOf(const ControlState& state, const std::string& model, const RolloutSpec& spec,
                                       const CountsByNode& counts, int instances, int64_t now_ms) {
  const auto place = RolloutPlaceOf(state, model);
  return place ? std::optional(RolloutAt(*place, spec, counts, instances, now_ms)) : std::nullopt;
}

bool IsUnderWay(const GenerationRecord& record) {
  const bool two = record.rule == ArmRule::kShadow || record.rule == ArmRule::kCanary;
  return two && record.step > 0 && record.arms.size() > 1;
}

const RolloutSpec& SpecOrHeld(const std::shared_ptr<const RolloutSpec>& of_file) {
  static const RolloutSpec kHeld = [] {
    RolloutSpec spec;
    spec.steps.emplace_back();
    spec.on_breach = spec.on_pass = spec.on_inconclusive = Then::kHold;
    return spec;
  }();
  return of_file == nullptr ? kHeld : *of_file;
}

std::optional<ControlEntry> NextMove(const RolloutStatus& status, const RolloutSpec& spec) {
  if (status.is_held) return std::nullopt;
  const StepVerdict& verdict = status.verdict;
  ControlEntry entry;
  std::string why;
  switch (verdict.state) {
    case StepState::kRunning: return std::nullopt;
    case StepState::kPassed:
      if (status.state != RolloutState::kRunning || !status.deploying.empty()) return std::nullopt;
      entry = PromoteEntry(status, spec, false);
      why = " passed";
      break;
    case StepState::kBreached:
      entry = spec.on_breach == Then::kHold ? Hold(status.generation) : RollBack(status.generation, status.record);
      why = ": " + status.guard_texts[verdict.guard];
      break;
    case StepState::kInconclusive:
      entry =
          spec.on_inconclusive == Then::kHold ? Hold(status.generation) : RollBack(status.generation, status.record);
      why = ": inconclusive after " + Grouped(status.paired) + " rows";
      break;
  }
  entry.reason = StepLabel(status) + why;
  PutFigures(status, spec, &entry);
  return entry;
}

ControlEntry PromoteEntry(const RolloutStatus& status, const RolloutSpec& spec, bool to_end) {
  const size_t next = status.step + 1;
  GenerationRecord record;
  if (to_end || NextIsLast(status, spec)) {
    record = AloneOf(status.record, status.record.newest());
    record.step = static_cast<int>(to_end ? status.steps : next);
  } else {
    record = status.record;
    record.at.clear();
    record.rule = spec.steps[next - 1].rule;
    record.share = spec.steps[next - 1].share;
    record.step = static_cast<int>(next);
  }
  ControlEntry entry = StepEntry(status.generation, "promote", std::move(record));
  PutFigures(status, spec, &entry);
  return entry;
}

ControlEntry RollBackEntry(const ControlState::Generation& current) {
  return RollBack(current.number, current.record());
}

ControlEntry HoldEntry(const ControlState::Generation& current) { return Hold(current.number); }

GenerationRecord FirstStep(const RolloutSpec& spec, const std::string& model, const GenerationRecord::Arm& serving,
                           const GenerationRecord::Arm& candidate, const std::string& deployment) {
  GenerationRecord record;
  record.model = model;
  record.step = 1;
  record.rollout = deployment;
  record.arms = {candidate};
  if (spec.steps.size() < 2) return record;  // "all" at once
  record.arms = {serving, candidate};
  record.rule = spec.steps.front().rule;
  record.share = spec.steps.front().share;
  record.by_record = spec.by_record;
  record.salt = SaltOf("rollout " + deployment, 0);
  if (record.salt == 0) record.salt = 1;  // 0 stands for none
  return record;
}

}  // namespace anabranch
