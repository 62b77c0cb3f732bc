#include <algorithm>
#include <map>
#include <memory>

#include "engine/run/ledger.h"
#include "engine/text/json_object.h"
#include "topologies/operate/api.h"
#include "topologies/operate/model_desk.h"

namespace anabranch {
namespace {

std::string RangeJson(const HistogramCounts& counts) {
  if (counts.count() == 0) return "null";
  return JsonObject().AddReal("p50", counts.Quantile(0.5)).AddReal("p99", counts.Quantile(0.99)).text();
}

std::string NamesJson(const Plan& plan, const std::vector<ColumnId>& columns, bool types) {
  std::vector<std::string> names;
  for (const ColumnId column : columns) {
    names.push_back(plan.columns[column].name + (types ? " " + plan.columns[column].type.ToString() : ""));
  }
  return JsonStrings(names);
}

// Seconds per row by rows per call, as the program measured them when it was opened; empty: it measures nothing.
std::string CurveJson(const NodeProgram& program) {
  std::vector<std::string> points;
  for (uint32_t rows = 1; rows <= 1024; rows *= 2) {
    const int64_t ns = program.EstimateNs(rows);
    if (ns <= 0) continue;
    const std::string point = JsonObject().AddReal("x", static_cast<double>(ns) / 1e9 / rows).text();
    points.push_back("[" + std::to_string(rows) + ", " + point.substr(6, point.size() - 7) + "]");
  }
  return JsonList(points);
}

std::string ModelJson(const Plan& plan, const PlanNode& node, const std::map<std::string, std::string>& facts,
                      const NodeMeasures& measures) {
  const auto fact = [&](const char* name) {
    const auto found = facts.find(name);
    return found == facts.end() ? std::string() : found->second;
  };
  const std::string label = fact("model");
  const size_t at = std::min(label.rfind('@'), label.size());
  JsonObject json;
  json.AddText("node", node.id).AddText("model", label.substr(0, at));
  json.AddText("version", at < label.size() ? label.substr(at + 1) : measures.version)
      .AddText("sha256", fact("sha256"));
  json.AddNumber("bytes", measures.file_bytes).AddReal("load_seconds", measures.load_seconds);
  json.AddJson("inputs", NamesJson(plan, node.reads, false)).AddJson("outputs", NamesJson(plan, node.makes, true));
  json.AddNumber("calls", measures.call_seconds.count()).AddJson("call_seconds", RangeJson(measures.call_seconds));
  json.AddJson("call_rows", RangeJson(measures.call_rows));
  return json.AddJson("curve", CurveJson(*node.program)).text();
}

HttpResponse Models(const LivePipeline& live, ModelDesk& desk, const ApiRequest& request) {
  const LivePipeline::Look look = live.Now();
  std::vector<std::string> models;
  if (look.checked != nullptr && look.checked->ok()) {
    const Plan& plan = *look.checked->plan;
    for (const PlanNode& node : plan.nodes) {
      const std::map<std::string, std::string> facts = node.program->Facts();
      if (!facts.contains("model")) continue;
      const auto measured = std::ranges::find(look.measures.nodes, node.id, &NodeMeasures::id);
      models.push_back(
          ModelJson(plan, node, facts, measured == look.measures.nodes.end() ? NodeMeasures{} : *measured));
    }
  }
  JsonObject json;
  json.AddJson("models", JsonList(models));
  if (!look.models.empty()) json.AddJson("deployed", desk.DeployedJson(look, request));
  return JsonResponse(json.text());
}

HttpResponse Positions(const LivePipeline& live) {
  const LivePipeline::Look look = live.Now();
  JsonObject sources, targets;
  for (const SourceMeasures& source : look.measures.sources) {
    JsonObject json;
    json.AddNumber("records", source.records).AddNumber("bytes", source.bytes);
    json.AddNumber("rebalances", source.rebalances);
    sources.AddJson(source.id, json.AddJson("partitions", PartitionsJson(source)).text());
  }
  for (const TargetMeasures& target : look.measures.targets) {
    JsonObject json;
    json.AddText("connector", target.connector).AddNumber("rows", target.rows).AddNumber("bytes", target.bytes);
    targets.AddJson(target.id, json.AddJson("commit_seconds", RangeJson(target.commit_seconds)).text());
  }
  return JsonResponse(JsonObject().AddJson("sources", sources.text()).AddJson("targets", targets.text()).text());
}

}  // namespace

void AddModelRoutes(const ApiContext& context, Routes* routes) {
  LivePipeline& live = context.live;
  const auto desk = std::make_shared<ModelDesk>(context);
  routes->push_back(
      {"GET", "/api/v1/models", Needs::kNothing,
       "The models, their signatures, and how they are called; of those with versions: which one scores, its "
       "rollout, and what can be ordered.",
       [&live, desk](const ApiRequest& request) { return Models(live, *desk, request); }});
  AddModelChangeRoutes(desk, routes);
  routes->push_back({"GET", "/api/v1/positions", Needs::kNothing,
                     "How far each partition is read and committed, and the commits of each target.",
                     [&live](const ApiRequest&) { return Positions(live); }});
}

}  // namespace anabranch
