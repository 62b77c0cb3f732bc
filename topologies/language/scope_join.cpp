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

bool Disjoint(const std::vector<bool>& a, const std::vector<bool>& b) {
  for (size_t source = 0; source < a.size(); ++source) {
    if (a[source] && b[source]) return false;
  }
  return true;
}

void ReportConflict(const Candidate& first, const VisibleColumn& second, const Inflow& inflow, FaultSink& faults) {
  const std::string& name = second.name;
  const bool same_type = first.column.type == second.type;
  std::string hint = "rename or drop one of them above this node";
  if (Disjoint(first.sources, *inflow.sources)) {
    // A renamed column is still the old one: only what is made under one name and type becomes one column.
    hint = same_type ? "make the column in both branches instead of renaming it: \"set\": {\"" + name + "\": …}"
                     : "drop one of them above this node; to read both, make a column of a new name and of one type "
                       "in each branch, for example with float(x) or string(x)";
  }
  faults
      .Add(FaultCode::kTypeConflict, *inflow.place,
           "the inputs bring two columns \"" + name + "\": " + first.column.type.ToString() + " from \"" +
               first.column.maker + "\" and " + second.type.ToString() + " from \"" + second.maker + "\"",
           std::move(hint))
      .subject = name;
}

}  // namespace

Scope JoinScopes(const std::vector<Inflow>& inflows, bool any, std::vector<std::string>* in_conflict,
                 FaultSink& faults) {
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
        in_conflict->push_back(column.name);
        ReportConflict(candidate, column, inflow, faults);
      }
      ++candidate.brought_by;
      candidate.column.nullable = candidate.column.nullable || column.nullable;
      candidate.column.substituted = candidate.column.substituted || column.substituted;
      if (candidate.column.classes != column.classes) candidate.column.classes.clear();
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
