#include <algorithm>

#include "engine/expression/expression.h"
#include "engine/text/json_object.h"
#include "topologies/language/plan_text.h"
#include "topologies/operate/api.h"

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

void AddEntry(const ConfigValue* entry, JsonObject* json) {
  std::vector<std::string> tags;
  if (const ConfigValue* const given = entry == nullptr ? nullptr : entry->Find("tags")) {
    for (const ConfigValue& tag : given->children) tags.push_back(tag.text);
  }
  json->AddJson("config", entry == nullptr ? "{}" : entry->Canonical()).AddJson("tags", JsonStrings(tags));
  json->AddText("description", entry == nullptr ? "" : entry->Text("description"));
}

std::string TargetJson(const Plan& plan, const std::string& id) {
  const auto target = std::ranges::find(plan.targets, id, &PlanTarget::id);
  if (target == plan.targets.end()) return "null";
  JsonObject json;
  json.AddText("connector", target->program->connector()).AddText("describe", target->program->Describe());
  return json.AddText("guarantee", GuaranteeText(plan, static_cast<size_t>(target - plan.targets.begin()))).text();
}

std::string SourceJson(const CheckedTopology& checked, const PlanSource& source) {
  std::vector<ColumnId> decoded;
  for (const auto& field : source.decode.fields) decoded.push_back(field.column);
  JsonObject json;
  json.AddText("id", source.id).AddText("kind", "source").AddText("connector", source.connector);
  json.AddText("describe", source.program->Describe()).AddJson("inputs", "[]");
  json.AddJson("makes", ColumnsJson(*checked.plan, decoded));
  AddEntry(EntryOf(checked, "sources", source.id), &json);
  return json.AddFlag("expensive", false).AddJson("target", "null").text();
}

std::string NodeJson(const CheckedTopology& checked, const PlanNode& node) {
  const Plan& plan = *checked.plan;
  std::vector<std::string> inputs, reads;
  for (const StageId input : node.inputs) inputs.push_back(plan.StageName(input));
  for (const ColumnId column : node.reads) reads.push_back(plan.columns[column].name);
  JsonObject facts;
  std::string model;
  for (const auto& [name, fact] : node.program->Facts()) {
    facts.AddText(name, fact);
    if (name == "model") model = fact;
  }
  JsonObject json;
  json.AddText("id", node.id).AddText("kind", node.kind).AddJson("inputs", JsonStrings(inputs));
  json.AddJson("makes", ColumnsJson(plan, node.makes)).AddJson("reads", JsonStrings(reads));
  AddEntry(EntryOf(checked, "nodes", node.id), &json);
  json.AddFlag("expensive", node.expensive).AddText("when", node.when ? node.when->text : "");
  json.AddText("model", model).AddJson("facts", facts.text());
  return json.AddJson("target", node.program->target() ? TargetJson(plan, node.id) : "null").text();
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
  json.AddText("description", checked.topology == nullptr ? "" : checked.topology->root.Text("description"));
  json.AddJson("stages", JsonList(stages));
  return JsonResponse(json.AddJson("dead_letters", TargetJson(plan, plan.targets.back().id)).text());
}

}  // namespace

void AddTopologyRoutes(const ApiContext& context, Routes* routes) {
  LivePipeline& live = context.live;
  routes->push_back({"GET", "/api/v1/topology", Needs::kNothing,
                     "The stages with their configuration as resolved, secrets masked; changes with `hash` only.",
                     [&live](const ApiRequest&) { return TopologyOf(live); }});
}

}  // namespace anabranch
