#include "topologies/commands/trace_past.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

namespace anabranch {
namespace {

std::vector<std::string_view> ModelsIn(std::string_view list) {
  std::vector<std::string_view> models;
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    models.push_back(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return models;
}

// A result names the models that scored it, which may be fewer than the topology has.
bool AreModelsOf(std::string_view names, std::string_view topology) {
  const std::vector<std::string_view> known = ModelsIn(topology);
  return std::ranges::all_of(ModelsIn(names),
                             [&](std::string_view name) { return std::ranges::find(known, name) != known.end(); });
}

std::vector<ChangedField> ChangedFields(const std::string& then, const std::string& now) {
  using Json = nlohmann::ordered_json;
  std::vector<ChangedField> changed;
  const Json before = Json::parse(then, nullptr, false), after = Json::parse(now, nullptr, false);
  if (!before.is_object() || !after.is_object()) return changed;
  const auto text = [](const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); };
  for (const auto& [name, value] : before.items()) {
    const auto found = after.find(name);
    if (found == after.end()) changed.push_back({name, text(value), std::nullopt});
    if (found != after.end() && *found != value) changed.push_back({name, text(value), text(*found)});
  }
  for (const auto& [name, value] : after.items()) {
    if (!before.contains(name)) changed.push_back({name, std::nullopt, text(value)});
  }
  return changed;
}

void CompareRows(const Plan& plan, const TracedResult& then, const TrialResult& now, TracePast* past) {
  for (TargetId target = 0; target < plan.targets.size(); ++target) {
    if (plan.targets[target].id != then.node || now.rows.size() <= target) continue;
    past->value = TracePast::Value::kGone;
    if (now.rows[target].empty()) return;
    const TrialRow& row = now.rows[target].front();
    past->same_key = row.key == then.key;
    past->value = row.value == then.value ? TracePast::Value::kSameBytes : TracePast::Value::kChanged;
    if (past->value == TracePast::Value::kChanged && row.value && then.value) {
      past->changed = ChangedFields(*then.value, *row.value);
    }
    return;
  }
}

}  // namespace

TracePast CompareWithPast(const Plan& plan, const TracedRecord& traced, const TrialResult& result) {
  TracePast past;
  if (traced.result) {
    past.topology = traced.result->topology;
    past.models = traced.result->models;
    CompareRows(plan, *traced.result, result, &past);
  } else if (!traced.letters.empty()) {
    past.topology = traced.letters.back().topology;
    past.models = traced.letters.back().models;
  }
  past.known = !past.topology.empty();
  past.same_topology = !past.known || past.topology == plan.identity().topology;
  past.same_models = AreModelsOf(past.models, plan.models);
  return past;
}

}  // namespace anabranch
