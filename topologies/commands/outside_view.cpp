#include "topologies/commands/outside_view.h"

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

std::string LagText(const SourceLag& lag) {
  if (!lag.problem.empty()) return "  lag unknown: " + lag.problem + "\n";
  std::string text;
  for (const PartitionLag& partition : lag.partitions) {
    text += "  " + partition.partition + ": committed " +
            (partition.committed == kNoPosition ? "nothing" : std::to_string(partition.committed)) + ", end " +
            std::to_string(partition.end) + ", lag " + std::to_string(partition.records) + "\n";
  }
  return text;
}

std::string LagJson(const std::map<std::string, SourceLag>& lag) {
  JsonObject sources;
  for (const auto& [source, each] : lag) {
    JsonObject json;
    if (!each.problem.empty()) {
      sources.AddJson(source, json.AddJson("records", "null").AddText("problem", each.problem).text());
      continue;
    }
    JsonObject partitions;
    for (const PartitionLag& partition : each.partitions) {
      JsonObject one;
      if (partition.committed == kNoPosition) {
        one.AddJson("committed", "null");
      } else {
        one.AddNumber("committed", partition.committed);
      }
      partitions.AddJson(partition.partition,
                         one.AddNumber("end", partition.end).AddNumber("records", partition.records).text());
    }
    json.AddNumber("records", LagRecords(each)).AddJson("partitions", partitions.text());
    sources.AddJson(source, json.text());
  }
  return sources.text();
}

}  // namespace anabranch
