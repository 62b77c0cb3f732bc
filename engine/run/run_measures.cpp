#include "engine/run/run_measures.h"

#include <utility>

namespace anabranch {

MeasureSnapshot RunMeasures::Snapshot(int64_t elapsed_ns) const {
  MeasureSnapshot snapshot;
  snapshot.elapsed_ns = elapsed_ns;
  snapshot.wall_ms = clock_.WallMs();
  for (const PlanSource& source : plan_.sources) snapshot.sources.emplace_back().id = source.id;
  AddNodes(&snapshot);
  AddTargets(&snapshot);
  return snapshot;
}

void RunMeasures::AddNodes(MeasureSnapshot* snapshot) const {
  for (const PlanNode& node : plan_.nodes) {
    NodeMeasures& measures = snapshot->nodes.emplace_back();
    measures.id = node.id;
    measures.kind = node.kind;
  }
}

void RunMeasures::AddTargets(MeasureSnapshot* snapshot) const {
  for (const PlanTarget& target : plan_.targets) {
    TargetMeasures& measures = snapshot->targets.emplace_back();
    measures.id = target.id;
    measures.connector = target.program->connector();
  }
}

}  // namespace anabranch
