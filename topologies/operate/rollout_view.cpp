#include "topologies/operate/rollout_view.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "engine/models/rollout_counts.h"
#include "engine/printable.h"
#include "engine/text/instant.h"
#include "engine/text/json_object.h"
#include "engine/text/timestamp.h"

namespace anabranch {
namespace {

std::string GuardJson(const RolloutSpec::Guard& guard, const GuardFigures& figures, const std::string& text) {
  JsonObject json;
  json.AddText("name", NameOf(guard.what)).AddText("state", NameOf(figures.state));
  json.AddReal("measured", figures.measured).AddReal("limit", guard.limit);
  json.AddNumber("rows", figures.rows).AddNumber("units", figures.units);
  if (IsRate(guard.what)) {
    json.AddReal("e", std::exp(std::min(figures.log_above, 700.0)));
  } else {
    json.AddJson("e", "null");
  }
  return json.AddText("text", text).text();
}

}  // namespace

const char* NameOf(GuardState state) {
  switch (state) {
    case GuardState::kOpen: return "open";
    case GuardState::kBreached: return "breached";
    case GuardState::kPassed: return "passed";
  }
  return "";
}

std::string PercentText(double share) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.6g", share * 100);
  return std::string(digits) + " %";
}

std::string ScoringText(const GenerationRecord& record) {
  const std::string first = Printable(record.arms.front().version);
  const std::string candidate = Printable(record.newest().version);
  const char* const units = record.by_record ? "records" : "keys";
  switch (record.rule) {
    case ArmRule::kOne: return "version " + first + " scores all records";
    case ArmRule::kShadow:
      return "version " + first + " answers, version " + candidate + " scores " + PercentText(record.share) +
             " of the records unseen";
    case ArmRule::kCanary:
      return "version " + candidate + " answers " + PercentText(record.share) + " of the " + units + ", version " +
             first + " the others";
    case ArmRule::kEventTime:
      return "version " + candidate + " scores the records from event time " + FormatTimestamp(record.from_time) +
             " on, version " + first + " those before";
    case ArmRule::kBandit: break;
  }
  std::string text;
  for (size_t arm = 0; arm < record.arms.size(); ++arm) {
    const double share = arm < record.probabilities.size() ? record.probabilities[arm] : 0;
    text +=
        (arm == 0 ? "version " : ", version ") + Printable(record.arms[arm].version) + " answers " + PercentText(share);
  }
  return text + " of the " + units;
}

std::optional<RolloutStatus> RolloutIn(const ControlState& state, const PlanModel& model, int64_t now_ms) {
  const ControlState::Generation* current = state.Newest(model.name);
  if (current == nullptr || !IsUnderWay(current->record())) return std::nullopt;
  const RolloutSpec& spec = SpecOrHeld(model.rollout);
  RolloutCounts counts("");  // of nobody: all are others
  counts.Keep({{current->number, CountedAs(spec)}});
  if (const auto* by_instance = state.CountsOf(current->number)) {
    for (const auto& [instance, entry] : *by_instance) counts.Heard(entry);
  }
  const RolloutCounts::Sum sum = counts.SumOf(current->number);
  auto status = RolloutOf(state, model.name, spec, sum.counts, std::max(1, sum.instances - 1), now_ms);
  // What cannot be added does not keep a person from looking and deciding.
  if (status && !sum.fault.empty()) status->text += "; " + sum.fault;
  return status;
}

std::string RolloutJson(const RolloutStatus& status, const RolloutSpec& spec) {
  std::vector<std::string> guards, answered;
  for (size_t i = 0; i < std::min(spec.guards.size(), status.verdict.guards.size()); ++i) {
    const std::string text = i < status.guard_texts.size() ? status.guard_texts[i] : "";
    guards.push_back(GuardJson(spec.guards[i], status.verdict.guards[i], text));
  }
  for (const int64_t rows : status.answered) answered.push_back(std::to_string(rows));
  JsonObject json;
  json.AddText("state", NameOf(status.state));
  json.AddNumber("step", static_cast<int64_t>(status.step)).AddNumber("steps", static_cast<int64_t>(status.steps));
  json.AddText("rule", NameOf(status.record.rule)).AddReal("share", status.record.share);
  json.AddText("serving", status.record.arms.front().version).AddText("candidate", status.record.newest().version);
  json.AddText("since", FormatInstant(status.since_ms)).AddNumber("generation", status.generation);
  json.AddNumber("rows", status.rows).AddNumber("paired", status.paired);
  json.AddJson("answered", JsonList(answered)).AddJson("guards", JsonList(guards));
  return json.AddText("text", status.text).text();
}

}  // namespace anabranch
