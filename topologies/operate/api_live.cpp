#include <algorithm>
#include <set>

#include "engine/clock.h"
#include "engine/text/instant.h"
#include "engine/text/json_object.h"
#include "engine/text/timestamp.h"
#include "topologies/operate/api.h"
#include "topologies/operate/masking.h"

namespace anabranch {
namespace {

const std::string kJsonNull = "null";

std::string TimeJson(int64_t ms) { return ms <= 0 ? kJsonNull : "\"" + FormatInstant(ms) + "\""; }
std::string NumberJson(int64_t number) { return number < 0 ? kJsonNull : std::to_string(number); }
std::string RealJson(double number) {
  const std::string named = JsonObject().AddReal("x", number).text();
  return number < 0 ? kJsonNull : named.substr(named.find(':') + 2, named.size() - named.find(':') - 3);
}

std::string QuantilesJson(const HistogramCounts& counts) {
  if (counts.count() == 0) return kJsonNull;
  return JsonObject().AddReal("p50", counts.Quantile(0.5)).AddReal("p99", counts.Quantile(0.99)).text();
}

template <typename Each>
const Each* FindById(const std::vector<Each>& all, const std::string& id) {
  const auto found = std::ranges::find(all, id, &Each::id);
  return found == all.end() ? nullptr : &*found;
}

HistogramCounts Recent(const HistogramCounts& now, const HistogramCounts* before) {
  return before == nullptr || before->edges.empty() ? now : now.Since(*before);
}

// The stages that read, directly or through others, what `stage` makes; in plan order.
std::vector<std::string> StagesBelow(const Plan& plan, const std::string& stage) {
  std::vector<std::string> below;
  std::set<std::string> known = {stage};
  for (const PlanNode& node : plan.nodes) {
    const bool hangs =
        std::ranges::any_of(node.inputs, [&](StageId input) { return known.contains(plan.StageName(input)); });
    if (!hangs) continue;
    known.insert(node.id);
    below.push_back(node.id);
  }
  return below;
}

std::string VerdictJson(const Verdict& verdict) {
  JsonObject json;
  json.AddText("kind", NameOf(verdict.kind)).AddText("by", verdict.by);
  return json.AddText("text", verdict.text).AddText("advice", verdict.advice).text();
}

// The share of each lane's last seconds that it waited for `id` in this state.
double ShareOf(const LivePipeline::Look& look, LaneState state, const std::string& id) {
  double most = 0;
  for (const LaneMeasures& lane : look.lanes) {
    for (const LaneShare& share : lane.shares) {
      if (share.state != state || share.by != id || lane.wall_ns == 0) continue;
      most = std::max(most, static_cast<double>(share.ns) / static_cast<double>(lane.wall_ns));
    }
  }
  return most;
}

std::string StateOfStage(const LivePipeline::Look& look, const std::string& id, double rate, const char* level,
                         const std::set<std::string>& skipped) {
  if (look.failure && look.failure->stage == id) return "failed";
  if (skipped.contains(id)) return "skipped";
  if (ShareOf(look, LaneState::kPaused, id) > 0) return "retrying";
  if (std::string_view(level) == "HIGH") return "busy";
  constexpr double kNoticed = 0.5;
  if (ShareOf(look, LaneState::kBlocked, id) + ShareOf(look, LaneState::kCommitting, id) >= kNoticed) return "waiting";
  return rate > 0 ? "running" : "idle";
}

std::string CodesJson(const StageCounts& stage) {
  JsonObject codes;
  for (const auto& [code, reason] : stage.reasons) codes.AddNumber(code, reason.count);
  return codes.text();
}

std::string StageJson(const LivePipeline::Look& look, const StageCounts& stage, const std::set<std::string>& skipped) {
  const auto found = look.stage_rows_per_s.find(stage.id);
  const double rate = found == look.stage_rows_per_s.end() ? 0 : found->second;
  const NodeLoad* const load = FindById(look.load.nodes, stage.id);
  const char* const level = load == nullptr ? "OK" : load->level;
  JsonObject json;
  json.AddText("state", StateOfStage(look, stage.id, rate, level, skipped));
  json.AddNumber("rows_in", stage.rows_in).AddNumber("rows_out", stage.rows_out).AddNumber("filtered", stage.filtered);
  json.AddNumber("skipped", stage.skipped).AddNumber("failed", stage.failed).AddNumber("missed", stage.missed);
  json.AddNumber("defaulted", stage.defaulted).AddNumber("dead_lettered", stage.dead_lettered);
  json.AddNumber("retried", stage.retried).AddReal("rate", rate);
  json.AddReal("busy", load == nullptr ? 0 : load->share).AddText("level", level);
  const NodeMeasures* const node = FindById(look.measures.nodes, stage.id);
  const NodeMeasures* const before = FindById(look.before.nodes, stage.id);
  const auto recent = [&](HistogramCounts NodeMeasures::* member) {
    if (node == nullptr) return kJsonNull;
    return QuantilesJson(Recent(node->*member, before == nullptr ? nullptr : &(before->*member)));
  };
  json.AddJson("batch_rows", recent(&NodeMeasures::batch_rows))
      .AddJson("batch_seconds", recent(&NodeMeasures::batch_seconds));
  json.AddJson("call_rows", recent(&NodeMeasures::call_rows))
      .AddJson("call_seconds", recent(&NodeMeasures::call_seconds));
  return json.AddJson("codes", CodesJson(stage)).text();
}

std::string StagesJson(const LivePipeline::Look& look) {
  std::set<std::string> skipped;
  if (look.failure && look.checked != nullptr && look.checked->plan != nullptr) {
    for (std::string& stage : StagesBelow(*look.checked->plan, look.failure->stage)) skipped.insert(std::move(stage));
  }
  JsonObject stages;
  for (const StageCounts& stage : look.run.stages) stages.AddJson(stage.id, StageJson(look, stage, skipped));
  return stages.text();
}

std::string LanesJson(const LivePipeline::Look& look) {
  std::vector<std::string> lanes;
  for (const LaneMeasures& lane : look.lanes) {
    std::vector<std::string> shares;
    for (const LaneShare& share : lane.shares) {
      if (share.ns == 0 || lane.wall_ns == 0) continue;
      JsonObject json;
      json.AddText("state", NameOf(share.state)).AddText("by", share.by);
      shares.push_back(json.AddReal("share", static_cast<double>(share.ns) / static_cast<double>(lane.wall_ns)).text());
    }
    JsonObject json;
    json.AddNumber("lane", lane.lane).AddText("source", lane.source);
    lanes.push_back(json.AddJson("shares", JsonList(shares)).text());
  }
  return JsonList(lanes);
}

std::string SourcesJson(const MeasureSnapshot& measures) {
  JsonObject sources;
  for (const SourceMeasures& source : measures.sources) {
    JsonObject json;
    json.AddNumber("records", source.records).AddNumber("bytes", source.bytes);
    sources.AddJson(source.id, json.AddJson("partitions", PartitionsJson(source)).text());
  }
  return sources.text();
}

std::string TargetsJson(const LivePipeline::Look& look) {
  JsonObject targets;
  for (const TargetMeasures& target : look.measures.targets) {
    JsonObject errors;
    for (const auto& [kind, count] : target.errors) errors.AddNumber(kind, count);
    const TargetMeasures* const before = FindById(look.before.targets, target.id);
    JsonObject json;
    json.AddNumber("rows", target.rows).AddNumber("bytes", target.bytes).AddJson("errors", errors.text());
    json.AddJson("commit_seconds",
                 QuantilesJson(Recent(target.commit_seconds, before ? &before->commit_seconds : nullptr)));
    targets.AddJson(target.id, json.AddJson("last_commit", TimeJson(target.last_commit_ms)).text());
  }
  return targets.text();
}

std::string WarningsJson(const std::vector<Warning>& warnings) {
  std::vector<std::string> list;
  for (const Warning& warning : warnings) {
    JsonObject json;
    json.AddJson("at", TimeJson(warning.at_ms)).AddText("text", warning.text);
    list.push_back(json.AddNumber("times", warning.times).text());
  }
  return JsonList(list);
}

std::string LagJson(const MeasureSnapshot& measures) {
  int64_t records = kUnknown;
  double seconds = kUnknown;
  for (const SourceMeasures& source : measures.sources) {
    for (const PartitionMeasures& partition : source.partitions) {
      if (partition.lag_records >= 0) records = std::max<int64_t>(records, 0) + partition.lag_records;
      seconds = std::max(seconds, partition.lag_seconds);
    }
  }
  return JsonObject().AddJson("records", NumberJson(records)).AddJson("seconds", RealJson(seconds)).text();
}

std::string LatencyJson(const LivePipeline::Look& look) {
  const HistogramCounts* worst = nullptr;
  for (const auto& [target, counts] : look.record_seconds) {
    if (counts.count() > 0 && (worst == nullptr || counts.Quantile(0.99) > worst->Quantile(0.99))) worst = &counts;
  }
  return worst == nullptr ? R"({"p50": null, "p99": null})" : QuantilesJson(*worst);
}

int64_t LastCommit(const MeasureSnapshot& measures) {
  int64_t last = kUnknown;
  for (const TargetMeasures& target : measures.targets) last = std::max(last, target.last_commit_ms);
  return last;
}

void AddHead(const LivePipeline::Look& look, const std::string& instance, JsonObject* json) {
  const Plan* const plan = look.checked == nullptr ? nullptr : look.checked->plan.get();
  json->AddText("topology", plan == nullptr ? "" : plan->name).AddText("hash", plan == nullptr ? "" : plan->hash);
  json->AddText("version", ANABRANCH_VERSION).AddText("instance", instance).AddText("state", NameOf(look.state));
  json->AddJson("since", TimeJson(look.since_ms)).AddJson("started", TimeJson(look.started_ms));
  json->AddJson("now", TimeJson(Clock::Real().WallMs())).AddNumber("restarts", look.restarts);
  json->AddFlag("ready", look.not_ready.empty()).AddJson("reasons", ReasonsJson(look.not_ready));
}

HttpResponse Snapshot(const LivePipeline& live, const ApiRequest& request) {
  const LivePipeline::Look look = live.Now();
  const MeasureSnapshot& measures = look.measures;
  JsonObject json;
  AddHead(look, live.identity().instance, &json);
  json.AddJson("verdict", VerdictJson(look.load.verdict));
  json.AddJson("rate", JsonObject().AddReal("read", look.read_per_s).AddReal("committed", look.committed_per_s).text());
  json.AddJson("lag", LagJson(measures)).AddJson("latency", LatencyJson(look));
  json.AddJson("last_commit", TimeJson(LastCommit(measures)));
  json.AddJson("failure", FailureJson(look, request));
  json.AddJson("stages", StagesJson(look)).AddJson("lanes", LanesJson(look));
  json.AddJson("sources", SourcesJson(measures)).AddJson("targets", TargetsJson(look));
  JsonObject kept;
  kept.AddNumber("rows", measures.kept_rows).AddNumber("bytes", measures.kept_bytes);
  json.AddJson("kept", kept.AddNumber("limit", measures.kept_limit).text());
  JsonObject epochs;
  epochs.AddNumber("committed", measures.epochs_committed).AddNumber("aborted", measures.epochs_aborted);
  json.AddJson("epochs", epochs.AddNumber("abandoned", measures.epochs_abandoned).text());
  return JsonResponse(json.AddJson("warnings", WarningsJson(look.warnings)).text());
}

HttpResponse VerdictOf(const LivePipeline& live) {
  const LivePipeline::Look look = live.Now();
  std::vector<std::string> nodes;
  for (const NodeLoad& node : look.load.nodes) {
    JsonObject json;
    nodes.push_back(json.AddText("id", node.id).AddReal("share", node.share).AddText("level", node.level).text());
  }
  JsonObject json;
  json.AddJson("verdict", VerdictJson(look.load.verdict)).AddJson("nodes", JsonList(nodes));
  return JsonResponse(json.text());
}

HttpResponse Pipelines(const LivePipeline& live) {
  const LivePipeline::Look look = live.Now();
  const bool planned = look.checked != nullptr && look.checked->plan != nullptr;
  JsonObject json;
  json.AddText("id", "self").AddText("name", planned ? look.checked->plan->name : "");
  json.AddText("dir", live.identity().state_dir).AddFlag("live", true).AddText("state", NameOf(look.state));
  return JsonResponse(JsonObject().AddJson("pipelines", JsonList({json.text()})).text());
}

}  // namespace

std::string FailureJson(const LivePipeline::Look& look, const ApiRequest& request) {
  if (!look.failure) return kJsonNull;
  const Failure& failure = *look.failure;
  JsonObject json;
  json.AddText("stage", failure.stage).AddText("class", TextOf(failure.error_class));
  json.AddText("explanation", ClassText(failure.error_class));
  const bool planned = look.checked != nullptr && look.checked->plan != nullptr;
  const bool hides = !Reveals(request) && (!planned || HidesMessage(*look.checked->plan, failure));
  // It may quote a record.
  const std::string message = JsonBytes(hides ? kMasked : failure.message);
  json.AddJson("message", request.caller.may_read ? message : kJsonNull);
  if (hides) json.AddFlag("masked", true);
  json.AddJson("at", TimeJson(failure.at_ms)).AddNumber("records", failure.kept_rows);
  json.AddJson("cascade", planned ? JsonStrings(StagesBelow(*look.checked->plan, failure.stage)) : "[]");
  return json.text();
}

std::string ReasonsJson(const std::vector<NotReady>& reasons) {
  std::vector<std::string> list;
  for (const NotReady& reason : reasons) {
    list.push_back(JsonObject().AddText("part", reason.part).AddText("why", reason.why).text());
  }
  return JsonList(list);
}

std::string PartitionsJson(const SourceMeasures& source) {
  std::vector<std::string> list;
  for (const PartitionMeasures& partition : source.partitions) {
    JsonObject json;
    json.AddText("topic", partition.topic).AddNumber("partition", partition.partition);
    json.AddJson("next", NumberJson(partition.next)).AddJson("end", NumberJson(partition.end));
    json.AddJson("lag_records", NumberJson(partition.lag_records));
    json.AddJson("lag_seconds", RealJson(partition.lag_seconds));
    if (partition.watermark_us >= 0) json.AddText("watermark", FormatTimestamp(partition.watermark_us));
    list.push_back(json.text());
  }
  return JsonList(list);
}

void AddLiveRoutes(const ApiContext& context, Routes* routes) {
  LivePipeline& live = context.live;
  routes->push_back(
      {"GET", "/api/v1/snapshot", Needs::kNothing,
       "Everything that changes while a pipeline runs; ?reveal=1 shows the message of a failure to a token with "
       "operate where it may quote what is x-sensitive.",
       [&live](const ApiRequest& request) { return Snapshot(live, request); }});
  routes->push_back({"GET", "/api/v1/verdict", Needs::kNothing,
                     "Who holds the pipeline back, and the load of each node.",
                     [&live](const ApiRequest&) { return VerdictOf(live); }});
  routes->push_back({"GET", "/api/v1/pipelines", Needs::kNothing, "The pipelines that this process shows.",
                     [&live](const ApiRequest&) { return Pipelines(live); }});
}

}  // namespace anabranch
