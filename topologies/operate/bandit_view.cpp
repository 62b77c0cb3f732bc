#include "topologies/operate/bandit_view.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "engine/printable.h"
#include "engine/strategy/figure_text.h"
#include "engine/text/instant.h"
#include "engine/text/json_object.h"

namespace anabranch {
namespace {

constexpr std::string_view kAlways = "always:";

int64_t RewardsIn(const BanditStatus& status) {
  int64_t rewards = 0;
  for (const ArmTotals& arm : status.totals.ByArm()) rewards += arm.rewards;
  return rewards;
}

std::string ArmsJson(const BanditStatus& status) {
  const std::vector<ArmTotals> totals = status.totals.ByArm();
  std::vector<std::string> arms;
  for (size_t i = 0; i < totals.size(); ++i) {
    JsonObject arm;
    arm.AddText("version", status.now.record.arms[i].version);
    arm.AddReal("probability", status.now.record.probabilities[i]).AddNumber("rewards", totals[i].rewards);
    if (totals[i].rewards > 0) {
      arm.AddReal("mean", totals[i].mean());
    } else {
      arm.AddJson("mean", "null");
    }
    arms.push_back(arm.AddReal("sum", totals[i].sum).text());
  }
  return JsonList(arms);
}

std::string ValueJson(const PolicyValue& value) {
  return JsonObject().AddReal("value", value.value).AddReal("error", value.error).text();
}

std::string ValueText(const PolicyValue& value) {
  char text[64];
  std::snprintf(text, sizeof text, "%10.5f ± %-9.5f", value.value, value.error);
  return text;
}

}  // namespace

std::string BanditSentence(const BanditStatus& status) {
  std::string text = Printable(BanditText(status));
  if (status.totals.unmatched > 0) text += "; " + Grouped(status.totals.unmatched) + " rewards of no record of it";
  return status.fault.empty() ? text : text + "; " + Printable(status.fault);
}

std::string BanditJson(const BanditStatus& status) {
  JsonObject json;
  json.AddNumber("generation", status.generation).AddNumber("began", status.now.began);
  json.AddText("since", FormatInstant(status.since_ms));
  json.AddText("unit", status.now.record.by_record ? "record" : "key");
  json.AddNumber("rewards", RewardsIn(status)).AddNumber("unmatched", status.totals.unmatched);
  return json.AddJson("arms", ArmsJson(status)).AddText("text", BanditSentence(status)).text();
}

std::vector<std::string> PlainPolicies(const BanditStatus& status) {
  std::vector<std::string> names = {"now", "uniform"};
  for (const GenerationRecord::Arm& arm : status.now.record.arms) names.push_back(std::string(kAlways) + arm.version);
  return names;
}

Result<PolicyView> EstimateOf(const BanditStatus& status, const BanditPolicy& policy, const std::string& name) {
  const GenerationRecord& record = status.now.record;
  const size_t arms = record.arms.size();
  PolicyView view{name, std::vector<double>(arms, 1 / static_cast<double>(arms)), {}};
  if (name == "now") {
    view.shares = record.probabilities;
  } else if (name.starts_with(kAlways)) {
    const std::string version = name.substr(kAlways.size());
    const auto arm = std::ranges::find(record.arms, version, &GenerationRecord::Arm::version);
    if (arm == record.arms.end()) {
      std::vector<std::string> known;
      for (const GenerationRecord::Arm& each : record.arms) known.push_back(each.version);
      return Status(Code::kInvalid, "policy \"" + name + "\": the bandit has no version \"" + version + "\"; " +
                                        Suggest(version, known));
    }
    for (size_t i = 0; i < arms; ++i) view.shares[i] = &record.arms[i] == &*arm ? 1 : 0;
  } else if (const auto kind = BanditKindOf(name)) {
    BanditPolicy other = policy;
    other.kind = *kind;
    view.shares = Probabilities(other, status.totals.ByArm());
  } else if (name != "uniform") {
    return Status(Code::kInvalid, "there is no policy \"" + name +
                                      "\"; write always:VERSION, uniform, now, thompson, thompson_gaussian, ucb1 or "
                                      "epsilon_greedy");
  }
  view.estimate = status.totals.rounds.Estimate(view.shares);
  return view;
}

std::string EvaluationJson(const BanditStatus& status, const std::vector<PolicyView>& policies) {
  std::vector<std::string> all;
  for (const PolicyView& each : policies) {
    std::vector<std::string> shares;
    JsonObject json;
    json.AddText("policy", each.name).AddNumber("rewards", each.estimate.rounds);
    json.AddJson("ips", ValueJson(each.estimate.ips)).AddJson("snips", ValueJson(each.estimate.snips));
    json.AddJson("dr", ValueJson(each.estimate.dr)).AddReal("effective", each.estimate.effective);
    JsonObject versions;
    for (size_t i = 0; i < each.shares.size(); ++i) {
      versions.AddReal(status.now.record.arms[i].version, each.shares[i]);
    }
    all.push_back(json.AddJson("shares", versions.text()).text());
  }
  JsonObject json;
  json.AddText("model", status.model).AddJson("bandit", BanditJson(status));
  return json.AddJson("policies", JsonList(all)).text();
}

std::string EvaluationText(const BanditStatus& status, const std::vector<PolicyView>& policies) {
  std::string text = "model " + Printable(status.model) + ": " + BanditSentence(status) + "\n\n";
  size_t width = 6;
  for (const PolicyView& each : policies) width = std::max(width, each.name.size());
  const auto padded = [&](const std::string& name) { return name + std::string(width - name.size(), ' ') + "  "; };
  text += padded("policy") + "IPS                     SNIPS                   DR                      effective\n";
  for (const PolicyView& each : policies) {
    text += padded(Printable(each.name)) + ValueText(each.estimate.ips) + "  " + ValueText(each.estimate.snips) + "  " +
            ValueText(each.estimate.dr) + "  " + Grouped(static_cast<int64_t>(each.estimate.effective)) + " of " +
            Grouped(each.estimate.rounds) + "\n";
  }
  return text;
}

}  // namespace anabranch
