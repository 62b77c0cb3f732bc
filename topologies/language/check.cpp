#include "topologies/language/check.h"

#include <utility>

#include "topologies/language/cascade.h"
#include "topologies/language/compile.h"
#include "topologies/language/edit.h"
#include "topologies/language/graph.h"
#include "topologies/language/structure.h"
#include "topologies/language/variables.h"

namespace anabranch {

namespace {

CheckedTopology CheckParsed(std::unique_ptr<Topology> topology, const Registry& registry, const CheckOptions& options,
                            FaultSink& faults) {
  CheckedTopology checked;
  topology = ApplyEdits(std::move(topology), options.edits, faults);
  if (topology != nullptr) {
    ExpandVariables(*topology, options, faults);
    const Broken broken = CheckStructure(topology->root, registry, faults, options.checks_tests);
    if (broken.count(&topology->root) == 0) {
      const Graph graph = CheckGraph(topology->root, registry, faults);
      checked.plan = CompileTopology(*topology, graph, broken, registry, options, faults);
    }
    checked.topology = std::move(topology);
  }
  if (faults.errors() > 0) checked.plan = nullptr;
  checked.faults = WithoutConsequences(faults.Sorted());
  return checked;
}

}  // namespace

CheckedTopology CheckTopology(const std::string& file, const Registry& registry, const CheckOptions& options) {
  FaultSink faults(file);
  return CheckParsed(LoadTopology(file, faults), registry, options, faults);
}

CheckedTopology CheckTopologyText(const std::string& file, std::string text, const Registry& registry,
                                  const CheckOptions& options) {
  FaultSink faults(file);
  return CheckParsed(ParseTopology(file, std::move(text), faults), registry, options, faults);
}

}  // namespace anabranch
