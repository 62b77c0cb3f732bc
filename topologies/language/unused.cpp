#include "topologies/language/unused.h"

#include <string>
#include <unordered_set>

namespace anabranch {

namespace {

// Every string below a value: a name that stands somewhere is not called unused, even when its reader is faulty.
void CollectStrings(const ConfigValue& value, std::unordered_set<std::string>& strings) {
  if (value.is_string()) strings.insert(value.text);
  for (const ConfigValue& child : value.children) CollectStrings(child, strings);
}

}  // namespace

void WarnUnused(const ConfigValue& root, const Graph& graph, const Services& services, FaultSink& faults) {
  std::unordered_set<std::string> named;
  for (const char* section : {"sources", "nodes", "dead_letters", "control"}) {
    if (const ConfigValue* value = root.Find(section)) CollectStrings(*value, named);
  }
  const bool faulty = faults.errors() > 0;
  for (const char* section : {"connections", "schemas", "models"}) {
    const ConfigValue* entries = root.Find(section);
    if (entries == nullptr || !entries->is_object()) continue;
    // A connection may be meant without being named; with faults it is not known by whom.
    if (faulty && std::string_view(section) == "connections") continue;
    for (const ConfigValue& entry : entries->children) {
      if (named.count(entry.name) != 0 || services.Used(section, entry.name)) continue;
      std::string what(section, std::string_view(section).size() - 1);
      faults.AddAtName(FaultCode::kUnused, entry, what + " \"" + entry.name + "\" is not used", "remove it, or use it");
    }
  }
  for (size_t source = 0; source < graph.sources; ++source) {
    const Graph::Vertex& vertex = graph.vertices[source];
    if (!vertex.readers.empty() || faulty) continue;
    faults.AddAtName(FaultCode::kUnused, *vertex.entry, "nothing reads source \"" + vertex.entry->name + "\"",
                     "name it in the inputs of a node, or remove it");
  }
}

}  // namespace anabranch
