#include "topologies/language/graph.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <unordered_map>
#include <unordered_set>

#include "topologies/language/cycles.h"
#include "topologies/language/topology_spec.h"

namespace anabranch {

namespace {

constexpr size_t kMaxSuggestions = 200;  // each one looks at every id
constexpr size_t kLongChain = 100;
constexpr size_t kNamedEdges = 8;

class GraphCheck {
 public:
  GraphCheck(const ConfigValue& root, const Registry& registry, FaultSink& faults)
      : root_(root), registry_(registry), faults_(faults) {}

  Graph Run() {
    Collect("sources", true);
    graph_.sources = graph_.vertices.size();
    Collect("nodes", false);
    CheckRenames();
    for (size_t node = graph_.sources; node < graph_.vertices.size(); ++node) Connect(node);
    CheckCycles();
    Order();
    CheckReadersOfSinks();
    CheckDeadEnds();
    return std::move(graph_);
  }

 private:
  void Collect(const char* section, bool sources);
  void CheckRenames();
  bool InputsMisspelt(const ConfigValue& entry) const;
  void Connect(size_t node);
  void ConnectOne(size_t node, const ConfigValue& input);
  void UnknownInput(size_t node, const ConfigValue& input);
  void CheckCycles();
  void BeginAtEntry(std::vector<size_t>& chain) const;
  void ReportCycle(std::vector<size_t> chain);
  const ConfigValue* EdgePlace(size_t from, size_t to) const;
  void CheckReadersOfSinks();
  void CheckDeadEnds();
  void Order();
  const std::string& Id(size_t vertex) const { return graph_.vertices[vertex].entry->name; }
  std::string KindOf(const std::string& id) const {
    return std::string(graph_.vertices[by_id_.at(id)].entry->Text("kind"));
  }
  std::string Sinks() const;

  const ConfigValue& root_;
  const Registry& registry_;
  FaultSink& faults_;
  Graph graph_;
  std::unordered_map<std::string, size_t> by_id_;
  std::vector<std::string> ids_;
  size_t suggestions_ = 0;
  std::vector<std::pair<size_t, const ConfigValue*>> read_sinks_;  // reader, its input
  std::unordered_set<std::string> meant_;                          // in place of unknown inputs
};

void GraphCheck::Collect(const char* section, bool sources) {
  const ConfigValue* entries = root_.Find(section);
  if (entries == nullptr || !entries->is_object()) return;
  for (const ConfigValue& entry : entries->children) {
    Graph::Vertex vertex;
    vertex.entry = &entry;
    vertex.source = sources;
    const NodeKind* kind = sources ? nullptr : registry_.FindKind(entry.Text("kind"));
    vertex.sink = kind != nullptr && kind->spec().sink;
    const auto [at, added] = by_id_.emplace(entry.name, graph_.vertices.size());
    if (!added) {
      const ConfigValue& first = *graph_.vertices[at->second].entry;
      faults_.AddAtName(
          FaultCode::kDuplicateId, entry,
          "the id \"" + entry.name + "\" is also a source's, in line " + std::to_string(first.name_place.line),
          "sources and nodes share one name space: rename one");
    } else {
      ids_.push_back(entry.name);
    }
    graph_.vertices.push_back(std::move(vertex));
  }
}

// An old id leads to one node only.
void GraphCheck::CheckRenames() {
  std::unordered_map<std::string, const ConfigValue*> claimed;
  for (size_t node = graph_.sources; node < graph_.vertices.size(); ++node) {
    const ConfigValue* was = graph_.vertices[node].entry->Find("was");
    if (was == nullptr || !was->is_string()) continue;
    const std::string claim = "\"was\" of node \"" + Id(node) + "\" is \"" + was->text + "\"";
    if (const auto still = by_id_.find(was->text); still != by_id_.end()) {
      const bool source = graph_.vertices[still->second].source;
      faults_.Add(FaultCode::kDuplicateId, *was, claim + ", a " + (source ? "source" : "node") + " that is still there",
                  "\"was\" names the id that the node had before it was renamed: remove it here, or the other one");
    }
    if (const auto [first, added] = claimed.emplace(was->text, was); !added) {
      faults_.Add(FaultCode::kDuplicateId, *was,
                  claim + ", and so is that of node \"" + first->second->parent->name + "\", in line " +
                      std::to_string(first->second->place.line),
                  "one node goes on under a new id: remove the other \"was\"");
    }
  }
}

// An unknown key of the node probably means "inputs".
bool GraphCheck::InputsMisspelt(const ConfigValue& entry) const {
  if (entry.Find("inputs") != nullptr) return false;
  return std::any_of(faults_.faults().begin(), faults_.faults().end(), [&](const Fault& fault) {
    return fault.code == FaultCode::kUnknownKey && fault.node == entry.name && fault.meant == "inputs";
  });
}

void GraphCheck::Connect(size_t node) {
  const ConfigValue& entry = *graph_.vertices[node].entry;
  if (!entry.is_object()) {
    graph_.vertices[node].sound = false;
    return;
  }
  const ConfigValue* inputs = entry.Find("inputs");
  const bool none = inputs == nullptr || (inputs->is_array() && inputs->children.empty());
  if (none && !InputsMisspelt(entry)) {
    const std::string message = "node \"" + entry.name + "\" has no inputs";
    const std::string hint = "name a source or node: \"inputs\": [\"" + (ids_.empty() ? "…" : ids_[0]) + "\"]";
    if (inputs != nullptr) {
      faults_.Add(FaultCode::kNoInput, *inputs, message, hint);
    } else {
      faults_.AddAtName(FaultCode::kNoInput, entry, message, hint);
    }
  }
  if (none || !inputs->is_array()) {
    graph_.vertices[node].sound = false;
    return;
  }
  for (const ConfigValue& input : inputs->children) {
    if (input.is_string()) {
      ConnectOne(node, input);
    } else {
      graph_.vertices[node].sound = false;
    }
  }
}

void GraphCheck::ConnectOne(size_t node, const ConfigValue& input) {
  const auto found = by_id_.find(input.text);
  if (found == by_id_.end()) return UnknownInput(node, input);
  Graph::Vertex& from = graph_.vertices[found->second];
  Graph::Vertex& reader = graph_.vertices[node];
  const size_t index = found->second;
  if (std::find(reader.inputs.begin(), reader.inputs.end(), index) != reader.inputs.end()) {
    faults_.Add(FaultCode::kBadValue, input, "node \"" + Id(node) + "\" names the input \"" + input.text + "\" twice");
    return;
  }
  if (from.sink && index != node) read_sinks_.push_back({node, &input});
  reader.inputs.push_back(index);
  reader.input_places.push_back(&input);
  from.readers.push_back(node);
}

void GraphCheck::UnknownInput(size_t node, const ConfigValue& input) {
  graph_.vertices[node].sound = false;
  const bool suggest = ++suggestions_ <= kMaxSuggestions;
  Fault& fault =
      faults_.Add(FaultCode::kUnknownReference, input,
                  "node \"" + Id(node) + "\" reads \"" + input.text + "\", which is neither a source nor a node",
                  suggest ? Suggest(input.text, ids_) : std::string());
  if (suggest) fault.meant = Nearest(input.text, ids_);
  meant_.insert(fault.meant);
}

void GraphCheck::CheckCycles() {
  std::vector<std::vector<size_t>> edges(graph_.vertices.size());
  for (size_t vertex = 0; vertex < edges.size(); ++vertex) edges[vertex] = graph_.vertices[vertex].readers;
  for (const auto& chain : FindCycles(edges)) ReportCycle(chain);
}

// The input of `to` that names `from`.
const ConfigValue* GraphCheck::EdgePlace(size_t from, size_t to) const {
  const Graph::Vertex& reader = graph_.vertices[to];
  const auto at = std::find(reader.inputs.begin(), reader.inputs.end(), from);
  return reader.input_places[static_cast<size_t>(at - reader.inputs.begin())];
}

// Begins the chain at the first node that is also fed from outside of it: the edge that closes the chain there is
// the likeliest one to be wrong.
void GraphCheck::BeginAtEntry(std::vector<size_t>& chain) const {
  const std::unordered_set<size_t> inside(chain.begin(), chain.end());
  const auto entered = [&](size_t vertex) {
    const auto& inputs = graph_.vertices[vertex].inputs;
    return std::any_of(inputs.begin(), inputs.end(), [&](size_t input) { return inside.count(input) == 0; });
  };
  auto first = chain.end();
  for (auto at = chain.begin(); at != chain.end(); ++at) {
    if (entered(*at) && (first == chain.end() || *at < *first)) first = at;
  }
  if (first != chain.end()) std::rotate(chain.begin(), first, chain.end());
}

void GraphCheck::ReportCycle(std::vector<size_t> chain) {
  BeginAtEntry(chain);
  std::string text = "cycle: ";
  std::string edges;
  for (size_t i = 0; i < chain.size(); ++i) {
    const bool named = chain.size() <= kLongChain || i < kLongChain / 2 || i + kLongChain / 2 >= chain.size();
    if (named) text += Id(chain[i]) + " -> ";
    if (!named && i == kLongChain / 2) text += "… (" + std::to_string(chain.size() - kLongChain) + " more) … -> ";
    if (i >= kNamedEdges) continue;
    const Place& place = EdgePlace(chain[i], chain[(i + 1) % chain.size()])->place;
    edges += (i ? ", " : "") + std::to_string(place.line) + ":" + std::to_string(place.column);
  }
  text += Id(chain[0]);
  if (chain.size() > kNamedEdges) edges += ", …";
  const ConfigValue* closing = EdgePlace(chain.back(), chain[0]);
  faults_.Add(FaultCode::kCycle, *closing, std::move(text),
              chain.size() == 1 ? "a node cannot read itself" : "take one of these edges out: " + edges);
}

void GraphCheck::CheckReadersOfSinks() {
  const std::unordered_set<size_t> ordered(graph_.order.begin(), graph_.order.end());
  for (const auto& [reader, input] : read_sinks_) {
    graph_.vertices[reader].sound = false;
    if (ordered.count(reader) == 0) continue;  // the cycle tells more
    faults_.Add(FaultCode::kUnknownReference, *input,
                "node \"" + Id(reader) + "\" reads \"" + input->text + "\", a " + KindOf(input->text) +
                    " node: it passes nothing on",
                "read what \"" + input->text + "\" reads");
  }
}

// The kinds that end the graph: "write or publish".
std::string GraphCheck::Sinks() const {
  std::string names;
  for (const NodeKind* kind : registry_.kinds()) {
    if (kind->spec().sink) names += (names.empty() ? "" : " or ") + kind->spec().name;
  }
  return names;
}

void GraphCheck::CheckDeadEnds() {
  for (size_t node = graph_.sources; node < graph_.vertices.size(); ++node) {
    const Graph::Vertex& vertex = graph_.vertices[node];
    const std::string_view kind = vertex.entry->Text("kind");
    // A node without readers is the end of every chain that reaches nothing; one fault names it.
    if (!vertex.readers.empty() || vertex.sink || registry_.FindKind(kind) == nullptr) continue;
    if (vertex.inputs.empty()) continue;        // a fault of its own says so
    if (by_id_.at(Id(node)) != node) continue;  // its id is another's: said already
    if (meant_.count(Id(node)) != 0) continue;  // its reader misspelt it
    faults_.AddAtName(
        FaultCode::kDeadEnd, *vertex.entry, "nothing reads node \"" + Id(node) + "\", and it writes nowhere",
        "add \"" + Id(node) + "\" to the inputs of a node that leads to a " + Sinks() + " node, or remove it");
  }
}

void GraphCheck::Order() {
  std::vector<size_t> waiting(graph_.vertices.size());
  std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready;
  for (size_t vertex = 0; vertex < graph_.vertices.size(); ++vertex) {
    waiting[vertex] = graph_.vertices[vertex].inputs.size();
    if (waiting[vertex] == 0) ready.push(vertex);
  }
  while (!ready.empty()) {
    const size_t vertex = ready.top();
    ready.pop();
    if (vertex >= graph_.sources) graph_.order.push_back(vertex);
    for (const size_t reader : graph_.vertices[vertex].readers) {
      if (--waiting[reader] == 0) ready.push(reader);
    }
  }
}

}  // namespace

Graph CheckGraph(const ConfigValue& root, const Registry& registry, FaultSink& faults) {
  return GraphCheck(root, registry, faults).Run();
}

}  // namespace anabranch
