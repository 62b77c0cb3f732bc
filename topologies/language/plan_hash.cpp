#include "topologies/language/plan_hash.h"

#include <xxhash.h>

#include <algorithm>
#include <cstdio>

#include "topologies/language/topology_spec.h"

namespace anabranch {

std::string HashText(const std::string& text) {
  char digits[24];
  std::snprintf(digits, sizeof digits, "%016llx",
                static_cast<unsigned long long>(XXH3_64bits(text.data(), text.size())));
  return digits;
}

namespace {

// A model whose versions are deployed counts by its name alone: they come and go under one topology.
ConfigValue WithoutVersions(const ConfigValue& models) {
  ConfigValue content = models;
  for (ConfigValue& model : content.children) {
    if (model.Find("registry") == nullptr) continue;
    std::erase_if(model.children, [](const ConfigValue& member) {
      return member.name == "registry" || member.name == "start" || member.name == "swap" || member.name == "verify" ||
             member.name == "rollout" || member.name == "bandit";
    });
  }
  return content;
}

}  // namespace

std::string HashPlan(const ConfigValue& root, const Plan& plan) {
  const std::vector<FieldSpec> fields = TopologyFields();
  std::vector<std::string> parts;
  for (const ConfigValue& member : root.children) {
    const std::string& name = member.name;
    if (AffectsOf(fields, name) == Affects::kNothing) continue;
    parts.push_back(name + "=" + (name == "models" ? WithoutVersions(member) : member).Canonical());
  }
  std::sort(parts.begin(), parts.end());
  for (const PlanNode& node : plan.nodes) parts.push_back(node.id + ":" + node.program->FingerprintExtra());
  std::string all;
  for (const std::string& part : parts) (all += part) += '\n';
  return HashText(all).substr(0, 12);
}

}  // namespace anabranch
