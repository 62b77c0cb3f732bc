#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace anabranch {

// GET /api/v1/snapshot as a table: the state, who holds the pipeline back, and a line per node. `topology`: the answer
// of GET /api/v1/topology, for the kinds and the order of the nodes; null: not known.
std::string TopText(const nlohmann::ordered_json& snapshot, const nlohmann::ordered_json& topology, bool colour);

// In one line each, for `status`: "lag 310 records, 0.2 s" and the verdict.
std::string LiveLagText(const nlohmann::ordered_json& snapshot);
std::string LiveVerdictText(const nlohmann::ordered_json& snapshot);

}  // namespace anabranch
