#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/plan.h"
#include "engine/registry.h"
#include "topologies/language/check_options.h"
#include "topologies/language/parse.h"

namespace anabranch {

struct CheckedTopology {
  std::unique_ptr<Topology> topology;  // null when the file could not be parsed at all
  std::shared_ptr<const Plan> plan;    // null when there is an error
  std::vector<Fault> faults;           // sorted; warnings too
  bool ok() const { return plan != nullptr; }
};

// parse → expand variables → check → compile: every fault at once, or the plan. Every command that takes a
// topology calls this. No network; reads the topology, its models and secrets only.
CheckedTopology CheckTopology(const std::string& file, const Registry& registry, const CheckOptions& options);
CheckedTopology CheckTopologyText(const std::string& file, std::string text, const Registry& registry,
                                  const CheckOptions& options);

}  // namespace anabranch
