#pragma once

#include <string>
#include <vector>

#include "engine/registry.h"
#include "topologies/language/check.h"

namespace anabranch {

// Sanitizers make everything slower; bounds on time are multiplied by this.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr int kSlower = 10;
#else
inline constexpr int kSlower = 1;
#endif

// A registry of small parts, so that the language is tested without the real kinds and connectors:
//   make     {"set": {column: "column it reads" or ""}, "model": …}   a result kind; the columns are float64
//   filter   {"where": expression text, not compiled}; "needs": [columns]
//   check    takes the schemas above
//   persist  {"to": {"disk"|"pipe": …}, "fields": [columns]}
//   disk     source and target {"path"}; exactly once
//   pipe     source {"name"}, target {"name", "connection"}; at least once; connection {"host", "port", "password"}
const Registry& FakeParts();

// Schema "s" with id (string), a and b (numbers, required) and note (optional string); source "in" on the disk
// with that schema; a persist node "out" that reads `last`. `nodes` are members, ending in a comma or empty.
std::string TopologyWith(const std::string& nodes, const std::string& last, const std::string& more = {});

// Checks with the fake parts and the given environment.
CheckedTopology CheckFake(const std::string& text, const std::vector<std::pair<std::string, std::string>>& env = {});

// "AB203 7:12 message" per fault, in order.
std::vector<std::string> Lines(const CheckedTopology& checked);
// Only the codes: "AB203".
std::vector<std::string> Codes(const CheckedTopology& checked);

}  // namespace anabranch
