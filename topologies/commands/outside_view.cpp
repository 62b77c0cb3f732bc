#include "topologies/commands/outside_view.h"

#include <algorithm>

#include "connectors/kafka/kafka_source.h"
#include "engine/plan_graph.h"
#include "engine/text/json_object.h"

namespace anabranch {
namespace {

constexpr int64_t kLagWaitMs = 3'000;

}  // namespace

OutsideFacts AskOutside(const Plan& plan, const Registry& registry, const std::string& identity,
                        const std::string& make_command) {
  OutsideFacts facts;
  bool reached = true;
  for (const PlanSource& source : plan.sources) {
    const auto* kafka = dynamic_cast<const KafkaSourceProgram*>(&source.program->origin());
    if (kafka == nullptr) continue;
    SourceLag& lag = facts.lag[source.id];
    auto answer = AskLag(kafka->settings(), identity, kLagWaitMs);
    if (answer.ok()) {
      lag.partitions = std::move(answer).value();
    } else {
      lag.problem = answer.status().message();
      reached = false;
    }
  }
  if (!reached) return facts;  // unreachable is not the same as missing
  const Status there = registry.CheckOutside(NeedsOf(plan), make_command, nullptr);
  if (!there.ok()) facts.missing = there.message();
  return facts;
}

int64_t LagRecords(const SourceLag& lag) {
  int64_t records = 0;
  for (const PartitionLag& partition : lag.partitions) records += partition.records;
  return records;
}

std::optional<double> LagSeconds(const SourceLag& lag) {
  std::optional<double> most;
  for (const auto& [partition, seconds] : lag.seconds) most = std::max(most.value_or(0), seconds);
  return most;
}

std::string LagText(const SourceLag& lag) {
  if (!lag.problem.empty()) return "  lag unknown: " + lag.problem + "\n";
  std::string text;
  for (const PartitionLag& partition : lag.partitions) {
    text += "  " + partition.partition + ": committed " +
            (partition.committed == kNoPosition ? "nothing" : std::to_string(partition.committed)) + ", end " +
            std::to_string(partition.end) + ", lag " + std::to_string(partition.records);
    const auto watermark = lag.watermarks.find(partition.partition);
    if (watermark != lag.watermarks.end()) text += ", watermark " + watermark->second;
    text += "\n";
  }
  return text;
}

std::string LagJson(const std::map<std::string, SourceLag>& lag) {
  const auto add_seconds = [](std::optional<double> seconds, JsonObject* json) {
    seconds ? json->AddReal("seconds", *seconds) : json->AddJson("seconds", "null");
  };
  JsonObject sources;
  for (const auto& [source, each] : lag) {
    JsonObject json, partitions;
    each.known() ? json.AddNumber("records", LagRecords(each)) : json.AddJson("records", "null");
    add_seconds(LagSeconds(each), &json);
    for (const PartitionLag& partition : each.partitions) {
      JsonObject one;
      const bool stored = partition.committed != kNoPosition;
      stored ? one.AddNumber("committed", partition.committed) : one.AddJson("committed", "null");
      one.AddNumber("end", partition.end).AddNumber("records", partition.records);
      const auto seconds = each.seconds.find(partition.partition);
      add_seconds(seconds == each.seconds.end() ? std::nullopt : std::optional(seconds->second), &one);
      const auto watermark = each.watermarks.find(partition.partition);
      if (watermark != each.watermarks.end()) one.AddText("watermark", watermark->second);
      partitions.AddJson(partition.partition, one.text());
    }
    json.AddJson("partitions", partitions.text());
    if (!each.problem.empty()) json.AddText("problem", each.problem);
    sources.AddJson(source, json.text());
  }
  return sources.text();
}

}  // namespace anabranch
