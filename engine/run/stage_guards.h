#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "engine/plan.h"
#include "engine/restart/failure.h"
#include "engine/run/attempts.h"
#include "engine/run/breaker.h"
#include "engine/run/refused_rows.h"

namespace anabranch {

// What a stage cost lately, shared by all workers of a run. Relaxed: a hint, not a measurement.
class StageCosts {
 public:
  explicit StageCosts(size_t stages) : ns_(stages) {}
  void Note(StageId stage, uint64_t ns) {
    const uint64_t old = ns_[stage].load(std::memory_order_relaxed);
    ns_[stage].store(old == 0 ? ns : (old * 7 + ns) / 8, std::memory_order_relaxed);
  }
  uint64_t ns_per_batch(StageId stage) const { return ns_[stage].load(std::memory_order_relaxed); }

 private:
  std::vector<std::atomic<uint64_t>> ns_;
};

// What all workers of a run know of its stages together. Outlives the workers.
struct StageGuards {
  explicit StageGuards(const Plan& plan) : costs(plan.stages()), refused(plan) {
    for (const PlanSource& source : plan.sources) breakers.emplace_back(source.breaker);
    for (const PlanNode& node : plan.nodes) breakers.emplace_back(node.breaker);
  }

  // A stage that is unchanged since `failure`, with all above it, counts on from where its breaker stood then.
  // `identity`: of the pipeline now. Before workers run.
  void ResumeBreakers(const Plan& plan, const std::string& identity, const Failure& failure);
  // Writes down what the breakers have counted.
  void NoteBreakers(const Plan& plan, Failure* failure) const;

  size_t output_bytes = size_t{64} << 20;  // CallContext::output_bytes; set before workers open
  StageCosts costs;
  std::deque<RowBreaker> breakers;  // by StageId
  RefusedRows refused;
  AttemptSlots* attempts = nullptr;  // set before workers open, one slot for each; null: nothing is written down
  std::optional<Failure> given_up;   // set before workers run: why the stage stopped whose rows are given up
};

}  // namespace anabranch
