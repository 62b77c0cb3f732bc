#include "topologies/commands/rescore_edits.h"

#include <algorithm>
#include <utility>

#include "engine/managed_model.h"
#include "engine/plan_graph.h"
#include "engine/text/json_object.h"
#include "topologies/language/parse.h"
#include "topologies/language/topology_spec.h"

namespace anabranch {
namespace {

constexpr const char* kRevises = "revises";           // of a target's connector, and of a written row
constexpr const char* kColumn = "anabranch_revises";  // that holds the generation
constexpr const char* kNode = "anabranch_revises";    // that makes it

std::string Pointer(std::initializer_list<std::string_view> steps) {
  std::string pointer;
  for (const std::string_view step : steps) {
    pointer += '/';
    for (const char c : step) pointer += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  }
  return pointer;
}

// Builds the edits of one topology.
class RescoreEditor {
 public:
  RescoreEditor(const ConfigValue& root, const Plan& plan, StageId sink) : root_(root), plan_(plan), sink_(sink) {
    above_.resize(plan.stages());
    above_[sink] = true;
    above_ = WithAncestors(plan, std::move(above_));
  }

  void Cut() {
    Remove(root_, {"tests"});
    for (StageId stage = 0; stage < plan_.stages(); ++stage) {
      const char* const section = stage < plan_.sources.size() ? "sources" : "nodes";
      if (!above_[stage]) Remove(*root_.Find(section), {section, plan_.StageName(stage)});
    }
    // What the others learn from is cut away. The draws of a generation stand in its record.
    for (const PlanModel& model : plan_.managed) {
      if (model.bandit != nullptr) Remove(*root_.Find("models")->Find(model.name), {"models", model.name, "bandit"});
    }
  }

  // Positions of the run are its own.
  void ForgetPositions(const Registry& registry) {
    for (StageId stage = 0; stage < plan_.sources.size(); ++stage) {
      if (!above_[stage]) continue;
      const PlanSource& source = plan_.sources[stage];
      const ConfigValue* const at = root_.Find("sources")->Find(source.id)->Find(source.connector);
      if (at == nullptr) continue;
      for (const FieldSpec& field : registry.FindConnector(source.connector)->spec().source) {
        if (field.affects == Affects::kPosition) Remove(*at, {"sources", source.id, source.connector, field.name});
      }
    }
  }

  void Set(std::initializer_list<std::string_view> steps, std::string json) {
    edits_.push_back({Pointer(steps), std::move(json)});
  }
  void SetInSink(std::string_view key, std::string json) {
    Set({"nodes", plan_.StageName(sink_), key}, std::move(json));
  }

  // A column in front of the sink, which writes it behind its fields.
  Status AddColumn(uint32_t generation) {
    const PlanNode& sink = plan_.node(sink_);
    if (sink.program->written().empty()) {
      return {Code::kInvalid,
              "node \"" + sink.id +
                  "\" writes the records unchanged, so a row of it has no place for the generation that "
                  "it revises; write to a target with headers"};
    }
    const ConfigValue& entry = *root_.Find("nodes")->Find(sink.id);
    std::vector<std::string> inputs;
    for (const ConfigValue& input : entry.Find("inputs")->children) inputs.push_back(input.text);
    JsonObject maker;
    maker.AddText("kind", "transform").AddJson("inputs", JsonStrings(inputs));
    if (const ConfigValue* join = entry.Find("join")) maker.AddText("join", join->text);
    maker.AddJson("set", JsonObject().AddText(kColumn, std::to_string(generation)).text());
    Set({"nodes", kNode}, maker.text());
    SetInSink("inputs", JsonStrings({kNode}));
    Remove(entry, {"nodes", sink.id, "join"});
    JsonObject fields;
    bool taken = false;
    for (const TargetField& field : sink.program->written()) {
      fields.AddText(field.name, plan_.columns[field.column].name);
      taken = taken || field.name == kRevises;
    }
    SetInSink("fields", fields.AddText(taken ? kColumn : kRevises, kColumn).text());
    return Status::Ok();
  }

  std::vector<TopologyEdit> Take() { return std::move(edits_); }

 private:
  // The last step, if `parent` has it.
  void Remove(const ConfigValue& parent, std::initializer_list<std::string_view> steps) {
    if (parent.Find(*(steps.end() - 1)) != nullptr) Set(steps, "null");
  }

  const ConfigValue& root_;
  const Plan& plan_;
  const StageId sink_;
  std::vector<bool> above_;
  std::vector<TopologyEdit> edits_;
};

// The connector that a `to` names, where it has a field for the generation.
const Connector* ConnectorWithRevises(const std::string& target, const Registry& registry) {
  FaultSink ignored("");
  const std::unique_ptr<Topology> parsed = ParseTopology("", target, ignored);
  if (parsed == nullptr || !parsed->root.is_object() || parsed->root.children.empty()) return nullptr;
  const Connector* const connector = registry.FindConnector(parsed->root.children.front().name);
  if (connector == nullptr) return nullptr;
  const bool has =
      std::ranges::any_of(connector->spec().target, [](const FieldSpec& each) { return each.name == kRevises; });
  return has ? connector : nullptr;
}

}  // namespace

std::string RescoreTo::Canonical() const {
  FaultSink ignored("");
  const std::unique_ptr<Topology> parsed = ParseTopology("", target, ignored);
  return parsed == nullptr || ignored.errors() > 0 ? target : parsed->root.Canonical();
}

RescoreTo ParseRescoreTo(const std::string& text) {
  const size_t brace = text.find('{');
  const size_t equals = text.find('=');
  if (equals == std::string::npos || brace < equals) return {"", text};
  return {text.substr(0, equals), text.substr(equals + 1)};
}

Result<StageId> FindRescoreSink(const Plan& plan, const std::string& model, const std::string& node) {
  std::vector<bool> below(plan.stages());
  for (auto stage = StageId(plan.sources.size()); stage < plan.stages(); ++stage) {
    const ManagedModel* const managed = plan.node(stage).program->managed();
    if (managed == nullptr || managed->model() != model) continue;
    const std::vector<bool> own = StageAndBelow(plan, stage);
    for (StageId each = 0; each < below.size(); ++each) below[each] = below[each] || own[each];
  }
  std::vector<std::string> sinks;
  StageId found = kNoStage;
  for (auto stage = StageId(plan.sources.size()); stage < plan.stages(); ++stage) {
    const auto target = plan.node(stage).program->target();
    if (!below[stage] || target == nullptr || !target->rewards().empty()) continue;
    if (node.empty() || plan.StageName(stage) == node) found = stage;
    sinks.push_back(plan.StageName(stage));
  }
  if (found == kNoStage) {
    return Status(Code::kInvalid, node.empty() ? "no node writes what model \"" + model + "\" scored"
                                               : "no node \"" + node + "\" writes what model \"" + model +
                                                     "\" scored; " + Suggest(node, sinks));
  }
  if (!node.empty() || sinks.size() == 1) return found;
  std::string all;
  for (const std::string& each : sinks) all += (all.empty() ? "" : ", ") + each;
  return Status(Code::kInvalid,
                "several nodes write what model \"" + model + "\" scored (" + all + "): say which, --to 'NODE={…}'");
}

Result<std::vector<TopologyEdit>> RescoreEdits(const ConfigValue& root, const Plan& plan, const Registry& registry,
                                               StageId sink, const std::string& target, uint32_t generation,
                                               const std::string& dead_letters) {
  RescoreEditor editor(root, plan, sink);
  editor.Cut();
  editor.ForgetPositions(registry);
  editor.SetInSink("to", target);
  const Connector* const connector = ConnectorWithRevises(target, registry);
  if (connector == nullptr) {
    RETURN_IF_ERROR(editor.AddColumn(generation));
  } else {
    editor.Set({"nodes", plan.StageName(sink), "to", connector->spec().name, kRevises}, std::to_string(generation));
  }
  editor.Set({"dead_letters"}, JsonObject().AddJson("file", JsonObject().AddText("path", dead_letters).text()).text());
  editor.Set({"delivery"}, "\"exactly_once\"");
  return editor.Take();
}

}  // namespace anabranch
