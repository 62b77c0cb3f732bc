#include "topologies/language/cycles.h"

#include <algorithm>
#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/strong_components.hpp>
#include <limits>

namespace anabranch {

namespace {

using Edges = std::vector<std::vector<size_t>>;
constexpr size_t kNone = std::numeric_limits<size_t>::max();

// Number of the strongly connected component of each vertex.
std::vector<size_t> Components(const Edges& edges, size_t* count) {
  boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS> graph(edges.size());
  for (size_t from = 0; from < edges.size(); ++from) {
    for (const size_t to : edges[from]) boost::add_edge(from, to, graph);
  }
  std::vector<size_t> component(edges.size());
  *count = boost::strong_components(
      graph, boost::make_iterator_property_map(component.begin(), boost::get(boost::vertex_index, graph)));
  return component;
}

// Breadth-first search inside one component, with state that is reused from start to start.
class ChainSearch {
 public:
  ChainSearch(const Edges& edges, const std::vector<size_t>& component)
      : edges_(edges), component_(component), came_from_(edges.size()), seen_(edges.size(), kNone) {}

  // The shortest closed chain through `start` with fewer than `below` vertices; empty when none.
  std::vector<size_t> Through(size_t start, size_t below) {
    queue_.assign(1, start);
    seen_[start] = start;
    size_t level_end = 1;
    size_t length = 1;  // of a chain that closes on the level being looked at
    for (size_t at = 0; at < queue_.size(); ++at) {
      if (at == level_end) {
        level_end = queue_.size();
        ++length;
      }
      if (length >= below) break;
      const size_t from = queue_[at];
      for (const size_t to : edges_[from]) {
        if (component_[to] != component_[start] || to == from) continue;
        if (to == start) return Chain(start, from);
        if (seen_[to] == start) continue;
        seen_[to] = start;
        came_from_[to] = from;
        queue_.push_back(to);
      }
    }
    return {};
  }

 private:
  std::vector<size_t> Chain(size_t start, size_t last) const {
    std::vector<size_t> chain;
    for (size_t vertex = last; vertex != start; vertex = came_from_[vertex]) chain.push_back(vertex);
    chain.push_back(start);
    std::reverse(chain.begin(), chain.end());
    return chain;
  }

  const Edges& edges_;
  const std::vector<size_t>& component_;
  std::vector<size_t> came_from_;
  std::vector<size_t> seen_;  // by the search from this start
  std::vector<size_t> queue_;
};

// `edges`: how many lead from a member to another.
std::vector<size_t> ShortestChain(const std::vector<size_t>& members, size_t edges, ChainSearch& search) {
  std::vector<size_t> best;
  size_t below = members.size() + 1;
  for (const size_t start : members) {
    std::vector<size_t> chain = search.Through(start, below);
    if (chain.empty()) continue;
    below = chain.size();  // only a shorter one is better
    best = std::move(chain);
    if (below == 2 || edges == members.size()) break;  // none is shorter; a ring has no other
  }
  std::rotate(best.begin(), std::min_element(best.begin(), best.end()), best.end());
  return best;
}

}  // namespace

std::vector<std::vector<size_t>> FindCycles(const Edges& edges) {
  size_t count = 0;
  const std::vector<size_t> component = Components(edges, &count);
  std::vector<std::vector<size_t>> members(count);
  for (size_t vertex = 0; vertex < edges.size(); ++vertex) members[component[vertex]].push_back(vertex);

  std::vector<std::vector<size_t>> cycles;
  for (size_t vertex = 0; vertex < edges.size(); ++vertex) {
    const auto& to = edges[vertex];
    if (std::find(to.begin(), to.end(), vertex) != to.end()) cycles.push_back({vertex});
  }
  ChainSearch search(edges, component);
  for (const auto& each : members) {
    if (each.size() < 2) continue;
    size_t inner = 0;
    for (const size_t from : each) {
      for (const size_t to : edges[from]) inner += to != from && component[to] == component[from];
    }
    cycles.push_back(ShortestChain(each, inner, search));
  }
  std::stable_sort(cycles.begin(), cycles.end(), [](const auto& a, const auto& b) { return a[0] < b[0]; });
  return cycles;
}

}  // namespace anabranch
