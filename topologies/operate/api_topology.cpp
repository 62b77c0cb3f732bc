#include <algorithm>
#include <utility>

#include "engine/expression/expression.h"
#include "engine/text/json_object.h"
#include "topologies/language/plan_text.h"
#include "topologies/operate/api.h"
#include "topologies/operate/masking.h"

namespace anabranch {
namespace {

std::string ColumnsJson(const Plan& plan, const std::vector<ColumnId>& columns) {
  std::vector<std::string> list;
  for (const ColumnId column : columns) {
    const ColumnInfo& info = plan.columns[column];
    list.push_back(JsonObject().AddText("column", info.name).AddText("type", info.type.ToString()).text());
  }
  return JsonList(list);
}

// The entry of a stage in the file; null: none.
const ConfigValue* EntryOf(const CheckedTopology& checked, const char* section, const std::string& id) {
  const ConfigValue* const all = checked.topology == nullptr ? nullptr : checked.topology->root.Find(section);
  return all == nullptr ? nullptr : all->Find(id);
}

// `text`, which was made from this part of the file, with the values that are secret there as stars.
std::string WithoutSecrets(const ConfigValue* part, std::string text) {
  if (part == nullptr) return text;
  if (part->secret && !part->text.empty()) {
    const std::string stars = kMasked;
    for (size_t at = 0; (at = text.find(part->text, at)) != std::string::npos; at += stars.size()) {
      text.replace(at, part->text.size(), stars);
    }
  }
  for (const ConfigValue& child : part->children) text = WithoutSecrets(&child, std::move(text));
  return text;
}

void AddEntry(const ConfigValue* entry, JsonObject* json) {
  json->AddJson("config", entry == nullptr ? "{}" : entry->Canonical());
  const std::string_view description = entry == nullptr ? "" : entry->Text("description");
  json->AddText("description", WithoutSecrets(entry, std::string(description)));
}

std::string TargetJson(const Plan& plan, const std::string& id, const ConfigValue* entry) {
  const auto target = std::ranges::find(plan.targets, id, &PlanTarget::id);
  if (target == plan.targets.end()) return "null";
  JsonObject json;
  json.AddText("connector", target->program->connector())
      .AddText("describe", WithoutSecrets(entry, target->program->Describe()));
  const std::string guarantee = GuaranteeText(plan, static_cast<size_t>(target - plan.targets.begin()));
  return json.AddText("guarantee", WithoutSecrets(entry, guarantee)).text();
}

std::string SourceJson(const CheckedTopology& checked, const PlanSource& source) {
  std::vector<ColumnId> decoded;
  for (const auto& field : source.decode.fields) decoded.push_back(field.column);
  JsonObject json;
  json.AddText("id", source.id).AddText("kind", "source").AddText("connector", source.connector);
  const ConfigValue* const entry = EntryOf(checked, "sources", source.id);
  json.AddText("describe", WithoutSecrets(entry, source.program->Describe())).AddJson("inputs", "[]");
  json.AddJson("makes", ColumnsJson(*checked.plan, decoded));
  AddEntry(entry, &json);
  return json.AddFlag("expensive", false).AddJson("target", "null").text();
}

std::string NodeJson(const CheckedTopology& checked, const PlanNode& node) {
  const Plan& plan = *checked.plan;
  std::vector<std::string> inputs, reads;
  for (const StageId input : node.inputs) inputs.push_back(plan.StageName(input));
  for (const ColumnId column : node.reads) reads.push_back(plan.columns[column].name);
  const ConfigValue* const entry = EntryOf(checked, "nodes", node.id);
  JsonObject facts;
  std::string model;
  for (const auto& [name, fact] : node.program->Facts()) {
    facts.AddText(name, WithoutSecrets(entry, fact));
    if (name == "model") model = fact;
  }
  JsonObject json;
  json.AddText("id", node.id).AddText("kind", node.kind).AddJson("inputs", JsonStrings(inputs));
  json.AddJson("makes", ColumnsJson(plan, node.makes)).AddJson("reads", JsonStrings(reads));
  AddEntry(entry, &json);
  json.AddFlag("expensive", node.expensive);
  json.AddText("when", WithoutSecrets(entry, node.when ? node.when->text : ""));
  json.AddText("model", model).AddJson("facts", facts.text());
  return json.AddJson("target", node.program->target() ? TargetJson(plan, node.id, entry) : "null").text();
}

HttpResponse TopologyOf(const LivePipeline& live) {
  const LivePipeline::Look look = live.Now();
  if (look.checked == nullptr || look.checked->plan == nullptr) {
    return ErrorResponse(503, "starting", "no topology is loaded yet", "ask again");
  }
  const CheckedTopology& checked = *look.checked;
  const Plan& plan = *checked.plan;
  std::vector<std::string> stages;
  for (const PlanSource& source : plan.sources) stages.push_back(SourceJson(checked, source));
  for (const PlanNode& node : plan.nodes) stages.push_back(NodeJson(checked, node));
  JsonObject json;
  json.AddText("name", plan.name).AddText("hash", plan.hash).AddText("file", plan.file);
  json.AddText("delivery", plan.delivery == Delivery::kExactlyOnce ? "exactly_once" : "at_least_once");
  const ConfigValue* const root = checked.topology == nullptr ? nullptr : &checked.topology->root;
  const auto of_root = [&](const char* name) { return root == nullptr ? nullptr : root->Find(name); };
  const std::string_view description = root == nullptr ? "" : root->Text("description");
  json.AddText("description", WithoutSecrets(of_root("description"), std::string(description)));
  json.AddJson("stages", JsonList(stages));
  return JsonResponse(
      json.AddJson("dead_letters", TargetJson(plan, plan.targets.back().id, of_root("dead_letters"))).text());
}

}  // namespace

void AddTopologyRoutes(const ApiContext& context, Routes* routes) {
  LivePipeline& live = context.live;
  routes->push_back({"GET", "/api/v1/topology", Needs::kNothing,
                     "The stages with their configuration as resolved, secrets masked; changes with `hash` only.",
                     [&live](const ApiRequest&) { return TopologyOf(live); }});
}

}  // namespace anabranch
