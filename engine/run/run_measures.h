#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "engine/clock.h"
#include "engine/measure/measure_snapshot.h"
#include "engine/plan.h"
#include "engine/record_batch.h"
#include "engine/run/lane_meter.h"

namespace anabranch {

// What one compute thread measures of the nodes, once per batch. Its thread writes, any thread reads.
class WorkerMeter {
 public:
  explicit WorkerMeter(const Plan& plan);
  // A stage that had active rows is done.
  void Note(StageId stage, const StageRows& rows);
  // Adds to the node's measures.
  void Fill(StageId stage, NodeMeasures* node) const;

 private:
  struct Node {
    std::unique_ptr<Histogram> batch_seconds, batch_rows;  // null: a source
    std::unique_ptr<Histogram> call_seconds, call_rows;    // null: it calls no model
  };
  std::vector<Node> nodes_;  // by StageId
};

// What the threads of one run measure, and how it is put together. Outlives them. Threads are added before any of them
// runs.
class RunMeasures {
 public:
  RunMeasures(const Plan& plan, const Clock& clock);

  WorkerMeter& AddWorker() { return workers_.emplace_back(plan_); }
  // `stages`: whose rows each committer commits (LaneParts::committer_stages); `targets`: what it writes.
  LaneMeter& AddLane(int number, const std::string& source_id, const SourceTable& partitions,
                     const std::vector<std::string>& stages, const std::vector<std::vector<TargetId>>& targets);

  // Any thread, once the lanes run. What the run's other parts hold is left empty: kept results, limits, breakers.
  MeasureSnapshot Snapshot(int64_t elapsed_ns) const;

 private:
  size_t CulpritOf(const std::string& id) const;
  void FillNode(StageId stage, MeasureSnapshot* snapshot) const;
  void FillTarget(TargetId target, MeasureSnapshot* snapshot) const;

  const Plan& plan_;
  const Clock& clock_;
  std::vector<std::string> culprits_;  // the stages, then the dead letters
  std::deque<TargetRecord> targets_;   // by TargetId
  std::deque<WorkerMeter> workers_;
  std::deque<LaneMeter> lanes_;
};

}  // namespace anabranch
