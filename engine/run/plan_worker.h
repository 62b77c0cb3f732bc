#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/cancel.h"
#include "engine/clock.h"
#include "engine/measure/lane_clock.h"
#include "engine/plan.h"
#include "engine/record_batch.h"
#include "engine/run/dead_letter.h"
#include "engine/run/run_measures.h"
#include "engine/run/stage_call.h"
#include "engine/run/stage_guards.h"
#include "engine/status.h"

namespace anabranch {

// Runs independent branches of one batch on other threads. Implemented by the crew.
class BranchRunner {
 public:
  virtual ~BranchRunner() = default;
  // Runs `stages` of `batch` at the same time: the first on the calling thread by `self`, the others
  // on idle threads while there are some, else here too. Returns when all are done; one end each.
  virtual void RunStages(class PlanWorker& self, RecordBatch& batch, const std::vector<StageId>& stages,
                         std::vector<StageEnd>* ends) = 0;
};

// Takes the results of nodes with "keep": "always", on the compute thread, before anything below such a node runs.
class KeptSink {
 public:
  virtual ~KeptSink() = default;
  // `done`: the stages that finished, the node among them.
  virtual void Keep(const RecordBatch& batch, const std::vector<bool>& done) = 0;
};

// One compute thread's copy of everything that runs a plan: decoders, nodes with their model
// sessions, evaluators, encoders. Used by one thread at a time; the plan outlives it.
class PlanWorker {
 public:
  // Opens every node (models are loaded here). Errors name the node.
  static Result<std::unique_ptr<PlanWorker>> Open(const Plan& plan, const Clock& clock, StageGuards& guards,
                                                  const CancelToken& cancel);
  ~PlanWorker();

  // Runs a batch as its source filled it through all stages, in dependency order, until batch.encoded holds what
  // leaves. A restored batch goes through the stages that are not done; its encoded rows and positions stay. Of a
  // batch that is given up, rows beyond its positions are left alone. A stage that finished says so in
  // StageRows::done, also when a later one stops the batch. Rows that fail are data; a Status stops the stage named in
  // failed_stage(), kCancelled excepted. `branches` may be null.
  Status Run(RecordBatch& batch, BranchRunner* branches);

  // Runs one stage whose inputs are done. Safe for different stages of one batch at the same time,
  // each by its own worker.
  StageEnd RunStage(RecordBatch& batch, StageId stage);

  // Of a batch whose results were handed over: lets nodes do what no result shows (Node::AfterHandOver). The lane's own
  // worker, on the lane's thread; the batch is whole. A call that never returns ends as one of RunStage() does. A stage
  // that failed has no StageRows::arms then; the Status names the first one.
  Status RunAfterHandOver(RecordBatch& batch);
  // Whether some node has something to do there now.
  bool WorksAfterHandOver() const;

  // Null (at first): nothing is kept on the way. Outlives the worker.
  void SetKeptSink(KeptSink* sink) { kept_ = sink; }
  // The same for what is measured of nodes, and, of a lane's own worker, of the lane's time.
  void SetMeter(WorkerMeter* meter) { meter_ = meter; }
  void SetLaneClock(LaneClock* lane) { context_.lane = lane; }
  LaneClock* lane_clock() const { return context_.lane; }
  // The stage that took the most time for a batch lately.
  StageId costliest() const;

  // Of the last Run() that was not Ok: the stage, why it stops (see StageEnd), how often it was tried.
  StageId failed_stage() const { return failed_stage_; }
  ErrorClass failed_class() const { return failed_class_; }
  // The batch stopped only because its results are too large: see StageEnd.
  bool too_large() const { return too_large_; }
  int failed_attempts() const { return failed_attempts_; }

 private:
  struct Stage;
  PlanWorker(const Plan& plan, const Clock& clock, StageGuards& guards, const CancelToken& cancel);

  void FindBranches();
  Status RunBatch(RecordBatch& batch, BranchRunner* branches);
  Status RunSource(RecordBatch& batch);
  Status RunNodes(RecordBatch& batch, BranchRunner* branches);
  void SelectRows(RecordBatch& batch, StageId stage);
  void ApplyWhen(RecordBatch& batch, StageId stage);
  StageEnd CallStageOf(RecordBatch& batch, StageId stage, int64_t now_ns);
  StageEnd ApplyErrorPolicy(RecordBatch& batch, StageId stage);
  void PassFailedRow(RecordBatch& batch, StageId stage, uint32_t row);
  void MarkSkipped(RecordBatch& batch, StageId stage);
  Status StopAt(StageId stage, StageEnd end);
  Status GiveUpSource(RecordBatch& batch);
  void LeaveOut(RecordBatch& batch);
  void GiveUpRows(RecordBatch& batch, StageId stage);
  bool DeadLetters(const RecordBatch& batch, StageId stage) const;
  void DropFailedAbove(RecordBatch& batch, StageId stage);
  void EncodeDeadLetters(RecordBatch& batch);
  void KeepResults(const RecordBatch& batch);
  Status StopAtWorst(std::vector<StageEnd>& ends);
  bool InBatch(const RecordBatch& batch, StageId stage) const;
  bool IsAbove(StageId upper, StageId lower) const { return above_[lower][upper]; }

  const Plan& plan_;
  const Clock& clock_;
  StageGuards& guards_;
  CallContext context_;
  std::vector<Stage> stages_;
  std::vector<std::unique_ptr<Decoder>> decoders_;  // by source
  std::vector<std::vector<bool>> above_;            // by stage: which stages lie on a path to it
  std::vector<std::vector<StageId>> parallel_;      // by stage: later expensive stages independent of it
  std::vector<StageId> together_;                   // scratch
  KeptSink* kept_ = nullptr;
  WorkerMeter* meter_ = nullptr;
  std::unique_ptr<DeadLetterWriter> dead_letters_;  // made when the first row fails
  StageId at_;                                      // the stage that Run() is in
  StageId failed_stage_;
  ErrorClass failed_class_ = ErrorClass::kNone;
  bool too_large_ = false;
  int failed_attempts_ = 1;
};

}  // namespace anabranch
