#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/mutex.h"
#include "nodes/infer/probe.h"
#include "nodes/infer/program.h"
#include "nodes/infer/rows.h"
#include "nodes/infer/watchdog.h"

namespace anabranch {

class CallTime;

// A session of a bound model with its scratch memory: scores rows of batches. For one thread.
class ModelRunner {
 public:
  ModelRunner(std::shared_ptr<const InferPlan> plan, std::unique_ptr<ModelCall> call, CallShape shape)
      : plan_(std::move(plan)),
        call_(std::move(call)),
        shape_(std::move(shape)),
        evaluators_(plan_->own.size()),
        own_(plan_->own.size()) {}

  const InferPlan& plan() const { return *plan_; }
  // Scores the active rows: fills the columns of the plan's values, which are null in all rows before, and fails the
  // rows that have no result.
  Status Score(const NodeRun& run);

 private:
  std::span<const uint8_t> MakeFeatures(const NodeRun& run);
  Features features(const NodeRun& run) const { return {run.batch, own_}; }
  Status CallAll(const NodeRun& run);
  Status CallRows(const NodeRun& run, std::span<const uint32_t> rows);
  Status CallOneByOne(const NodeRun& run, std::span<const uint32_t> rows, CallTime& time, const Status& refused);
  Status TooLong() const;
  void TimeOutFrom(size_t first);
  void Finish(const NodeRun& run);

  const std::shared_ptr<const InferPlan> plan_;
  const std::unique_ptr<ModelCall> call_;
  const CallShape shape_;
  std::vector<Evaluator> evaluators_;  // by own feature
  std::vector<Column> own_;
  std::vector<ExpressionError> errors_;
  std::vector<uint8_t> left_;  // active rows whose own features could be computed
  std::vector<uint8_t> usable_;
  std::vector<uint32_t> rows_;  // the rows of the call
  std::vector<BadRow> bad_;
};

// Copies what was computed for these rows into the column that shows it (own_features.cpp).
void ShowFeature(const Column& from, std::span<const uint32_t> rows, Column* to);

// Loads a bound model for each thread that runs it. Thread-safe.
class ModelLoader {
 public:
  explicit ModelLoader(std::shared_ptr<const InferPlan> plan) : plan_(std::move(plan)) {}

  const InferPlan& plan() const { return *plan_; }
  // Loads and warms up. The first thread probes the model for all threads. Errors: kUnavailable, kStage.
  // `may_exit`: where the runtime ignores the request to end a call of the warm-up, the process ends: nothing else ends
  // that call. False: this thread waits for it.
  Result<std::unique_ptr<ModelRunner>> Load(bool may_exit);
  // From now on all threads use one session if the model is larger than `bytes`.
  void ShareSessionAbove(size_t bytes) { share_above_ = bytes; }

  // Once it was loaded.
  std::optional<CallShape> shape() const;
  double load_seconds() const;
  bool shares() const { return plan_->model->bytes->size() > share_above_; }

 private:
  Result<std::unique_ptr<ModelRunner>> LoadOnce(bool may_exit);
  Result<std::unique_ptr<ModelCall>> OpenCall();
  std::string SlowWarmup() const;
  void EndProcess() const;
  Result<CallShape> Settle(ModelCall* call, const Watchdog::Guard& guard);

  const std::shared_ptr<const InferPlan> plan_;
  size_t share_above_ = SIZE_MAX;
  mutable Mutex mutex_;
  std::optional<CallShape> shape_ GUARDED_BY(mutex_);
  int64_t load_ns_ GUARDED_BY(mutex_) = 0;  // of the first thread: file, probe and warm-up
  Mutex session_mutex_;
  std::weak_ptr<OrtSession> session_ GUARDED_BY(session_mutex_);  // of the runners that share it: it ends with the last
};

// What `explain` and reports say about a node with this plan.
std::map<std::string, std::string> FactsOf(const InferPlan& plan, const std::optional<CallShape>& shape);
ModelFacts ModelFactsOf(const InferPlan& plan, double load_seconds);

}  // namespace anabranch
