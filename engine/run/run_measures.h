#pragma once

#include <cstdint>

#include "engine/clock.h"
#include "engine/measure/measure_snapshot.h"
#include "engine/plan.h"

namespace anabranch {

// What the threads of one run measure, and how it is put together. Outlives them.
class RunMeasures {
 public:
  RunMeasures(const Plan& plan, const Clock& clock) : plan_(plan), clock_(clock) {}

  // Any thread, once the lanes run.
  MeasureSnapshot Snapshot(int64_t elapsed_ns) const;

 private:
  void AddNodes(MeasureSnapshot* snapshot) const;
  void AddTargets(MeasureSnapshot* snapshot) const;

  const Plan& plan_;
  const Clock& clock_;
};

}  // namespace anabranch
