#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/cancel.h"
#include "engine/clock.h"
#include "engine/plan.h"
#include "engine/record_batch.h"
#include "engine/status.h"

namespace anabranch {

// Runs independent branches of one batch on other threads. Implemented by the crew.
class BranchRunner {
 public:
  virtual ~BranchRunner() = default;
  // Runs `stages` of `batch` at the same time: the first on the calling thread by `self`, the others
  // on idle threads while there are some, else here too. Returns when all are done; one status each.
  virtual void RunStages(class PlanWorker& self, RecordBatch& batch, const std::vector<StageId>& stages,
                         std::vector<Status>* statuses) = 0;
};

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

// One compute thread's copy of everything that runs a plan: decoders, nodes with their model
// sessions, evaluators, encoders. Used by one thread at a time; the plan outlives it.
class PlanWorker {
 public:
  // Opens every node (models are loaded here). Errors name the node.
  static Result<std::unique_ptr<PlanWorker>> Open(const Plan& plan, const Clock& clock, StageCosts& costs,
                                                  const CancelToken& cancel);
  ~PlanWorker();

  // Runs a batch as its source filled it through all stages, in dependency order, until
  // batch.encoded holds what leaves. A restored batch goes through the stages that are not done; its encoded rows and
  // positions stay. A stage that finished says so in StageRows::done, also when a later one stops the batch. Rows that
  // fail are data; a Status stops the stage named in failed_stage(). `branches` may be null.
  Status Run(RecordBatch& batch, BranchRunner* branches);

  // Runs one stage whose inputs are done. Safe for different stages of one batch at the same time,
  // each by its own worker.
  Status RunStage(RecordBatch& batch, StageId stage);

  StageId failed_stage() const { return failed_stage_; }

 private:
  struct Stage;
  PlanWorker(const Plan& plan, const Clock& clock, StageCosts& costs, const CancelToken& cancel);

  void FindBranches();
  Status RunSource(RecordBatch& batch);
  Status RunNodes(RecordBatch& batch, BranchRunner* branches);
  void SelectRows(RecordBatch& batch, StageId stage);
  Status ApplyWhen(RecordBatch& batch, StageId stage);
  Status Call(RecordBatch& batch, StageId stage);
  Status CallEncoder(RecordBatch& batch, StageId stage);
  Status CallNode(RecordBatch& batch, StageId stage);
  Status ApplyErrorPolicy(RecordBatch& batch, StageId stage);
  Status GiveUpSource(RecordBatch& batch);
  void GiveUpRows(RecordBatch& batch, StageId stage);
  bool DeadLetters(const RecordBatch& batch, StageId stage) const;
  void DropFailedAbove(RecordBatch& batch, StageId stage);
  void EncodeDeadLetters(RecordBatch& batch);
  bool InBatch(const RecordBatch& batch, StageId stage) const;
  bool IsAbove(StageId upper, StageId lower) const { return above_[lower][upper]; }

  const Plan& plan_;
  const Clock& clock_;
  StageCosts& costs_;
  const CancelToken& cancel_;
  std::vector<Stage> stages_;
  std::vector<std::unique_ptr<Decoder>> decoders_;  // by source
  std::vector<std::vector<bool>> above_;            // by stage: which stages lie on a path to it
  std::vector<std::vector<StageId>> parallel_;      // by stage: later expensive stages independent of it
  std::vector<StageId> together_;                   // scratch
  StageId failed_stage_ = 0;
};

}  // namespace anabranch
