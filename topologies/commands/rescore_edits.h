#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/config.h"
#include "engine/plan.h"
#include "engine/registry.h"
#include "topologies/language/check_options.h"

namespace anabranch {

// --to of `model rescore`: "{…}", or "NODE={…}".
struct RescoreTo {
  std::string node;               // a persist node; empty: the only one below the model
  std::string target;             // its other `to`, as JSON
  std::string Canonical() const;  // of `target`: two texts that mean the same are equal
};
RescoreTo ParseRescoreTo(const std::string& text);

// The node whose rows are written again. kInvalid: it is no sink below the model, or there are several.
Result<StageId> FindRescoreSink(const Plan& plan, const std::string& model, const std::string& node);

// The edits that make of a topology the one that scores again: only what is above `sink`, which writes `target`, with
// the generation that its rows revise. `root` is the file that `plan` was made of. kInvalid: the rows have no place for
// the generation.
Result<std::vector<TopologyEdit>> RescoreEdits(const ConfigValue& root, const Plan& plan, const Registry& registry,
                                               StageId sink, const std::string& target, uint32_t generation,
                                               const std::string& dead_letters);

}  // namespace anabranch
