#include "topologies/commands/latency_view.h"

#include "engine/durations.h"
#include "engine/run/batch_pacer.h"

namespace anabranch {
std::string LatencyText(const Plan& plan) {
  const int64_t target = plan.batch.latency_target_ns;
  if (target <= 0) return {};
  std::string out = "\nlatency\n";
  for (const PlanNode& node : plan.nodes) {
    if (node.program->target()) continue;
    if (const auto opened = node.program->Open(); !opened.ok()) {
      return out + "   node \"" + node.id + "\": " + opened.status().message() + "\n";
    }
  }
  const BatchChoice choice = ChooseBatch(plan);
  const std::string rows = std::to_string(choice.limits.max_rows);
  out += "   target " + MillisecondsText(target) + ": batches of up to " + rows +
         " rows; one that is not full waits at most " + MillisecondsText(choice.limits.linger_ns) + "\n";
  for (const PlanNode& node : plan.nodes) {
    const int64_t one = node.program->EstimateNs(1);
    if (one == 0) continue;
    out += "   node " + node.id + ": " + MillisecondsText(one) + " for one record, " +
           MillisecondsText(node.program->EstimateNs(choice.limits.max_rows)) + " for " + rows + "\n";
  }
  if (const std::string slow = WhyTooSlow(plan, choice); !slow.empty()) out += "   " + slow + "\n";
  out += "   measured on this machine just now; a run measures again and adjusts\n";
  if (plan.delivery == Delivery::kExactlyOnce) {
    out += "   not included: results become visible when their epoch is committed, every " +
           MillisecondsText(plan.epoch.commit_ns) + "\n";
  }
  return out;
}

}  // namespace anabranch
