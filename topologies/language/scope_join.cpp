#include "topologies/language/scope_join.h"

#include <string_view>
#include <unordered_map>

namespace anabranch {

namespace {

struct Candidate {
  VisibleColumn column;
  std::vector<bool> sources;  // whose rows have it
  size_t brought_by = 0;      // number of inputs
  bool conflict = false;
};

}  // namespace

Scope JoinScopes(const std::vector<Inflow>& inflows, bool any, FaultSink& faults) {
  std::vector<bool> all(inflows.empty() ? 0 : inflows[0].sources->size());
  std::vector<Candidate> candidates;  // in the order in which they were made
  std::unordered_map<std::string_view, size_t> by_name;
  for (const Inflow& inflow : inflows) {
    for (size_t source = 0; source < all.size(); ++source) all[source] = all[source] || (*inflow.sources)[source];
    for (const VisibleColumn& column : inflow.scope->columns()) {
      const auto [at, added] = by_name.emplace(column.name, candidates.size());
      if (added) candidates.push_back({column, std::vector<bool>(all.size()), 0, false});
      Candidate& candidate = candidates[at->second];
      if (candidate.column.id != column.id && !candidate.conflict) {
        candidate.conflict = true;
        faults.Add(FaultCode::kTypeConflict, *inflow.place,
                   "the inputs bring two columns \"" + column.name + "\": " + candidate.column.type.ToString() +
                       " from \"" + candidate.column.maker + "\" and " + column.type.ToString() + " from \"" +
                       column.maker + "\"",
                   "rename one of them above the join");
      }
      ++candidate.brought_by;
      candidate.column.nullable = candidate.column.nullable || column.nullable;
      for (size_t source = 0; source < all.size(); ++source) {
        candidate.sources[source] = candidate.sources[source] || (*inflow.sources)[source];
      }
    }
  }
  Scope scope;
  for (Candidate& candidate : candidates) {
    if (candidate.conflict || candidate.sources != all) continue;
    if (any && candidate.brought_by < inflows.size()) candidate.column.nullable = true;
    scope.Add(std::move(candidate.column));
  }
  return scope;
}

}  // namespace anabranch
