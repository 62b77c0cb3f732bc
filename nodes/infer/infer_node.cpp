#include <unistd.h>

#include <algorithm>
#include <exception>
#include <optional>

#include "engine/mutex.h"
#include "nodes/infer/probe.h"
#include "nodes/infer/program.h"
#include "nodes/infer/rows.h"
#include "nodes/infer/watchdog.h"

namespace anabranch {
namespace {

constexpr int64_t kWarmupGraceNs = 2'000'000'000;

// How long model calls may take: all of a batch until its deadline, or, where it has none, each call by itself.
class CallTime {
 public:
  CallTime(const NodeRun& run, int64_t limit_ns, ModelCall* call) : run_(run), limit_ns_(limit_ns), call_(*call) {
    Restart();
  }

  // After a call was ended: allows the next ones.
  void Restart() {
    guard_.reset();
    call_.ResumeCalls();  // here, because a guard may end a call as long as the guard exists
    const int64_t deadline = each() ? Clock::Real().NowNs() + limit_ns_ : run_.deadline_ns;
    guard_.emplace(Watchdog::Process(), deadline, [this] { call_.Terminate(); });
  }
  void NextCall() {
    if (!each()) return;
    const int64_t deadline = Clock::Real().NowNs() + limit_ns_;
    guard_->Renew(deadline);
    if (run_.due_ns != nullptr) run_.due_ns->store(deadline, std::memory_order_relaxed);
  }
  // The batch's deadline has passed.
  bool over() const { return !each() && (guard_->expired() || Clock::Real().NowNs() >= run_.deadline_ns); }
  // A call took longer than its limit.
  bool call_ended() const { return each() && guard_->expired(); }

 private:
  bool each() const { return run_.deadline_ns == INT64_MAX; }

  const NodeRun& run_;
  const int64_t limit_ns_;
  ModelCall& call_;
  std::optional<Watchdog::Guard> guard_;
};

class InferNode : public Node {
 public:
  InferNode(std::shared_ptr<const InferPlan> plan, std::unique_ptr<ModelCall> call, CallShape shape)
      : plan_(std::move(plan)), call_(std::move(call)), shape_(std::move(shape)) {}

  bool judges_rows() const override { return true; }
  Status Process(const NodeRun& run) override {
    try {
      return Infer(run);
    } catch (const std::exception& error) {
      return {Code::kInternal, "model " + plan_->label + ": " + error.what()};
    }
  }

 private:
  Status Infer(const NodeRun& run) {
    bad_.clear();
    for (const MadeValue& value : plan_->values) run.batch.columns[value.id].Reset(value.type, run.batch.rows());
    SelectRows(run, *plan_, &usable_, &rows_, &bad_);
    RETURN_IF_ERROR(CallAll(run));
    Finish(run);
    return Status::Ok();
  }

  Status CallAll(const NodeRun& run) {
    if (rows_.empty()) return Status::Ok();
    CallTime time(run, plan_->call_limit_ns, call_.get());
    Status status;
    for (size_t first = 0; first < rows_.size() && status.ok(); first += shape_.records) {
      const size_t n = std::min<size_t>(shape_.records, rows_.size() - first);
      if (time.over()) {
        TimeOutFrom(first);
        break;
      }
      const std::span<const uint32_t> rows(rows_.data() + first, n);
      time.NextCall();
      status = CallRows(run, rows);
      if (status.ok()) continue;
      if (time.over()) {
        status = Status::Ok();
        TimeOutFrom(first);
        break;
      }
      if (time.call_ended()) status = TooLong();
      if (status.code() == Code::kStage) status = CallOneByOne(run, rows, time, status);
    }
    return status.ok() ? status : Status(Code::kStage, "model " + plan_->label + ": " + status.message());
  }

  Status TooLong() const {
    return {Code::kStage, "a call did not return within " + std::to_string(plan_->call_limit_ns / 1'000'000) +
                              " ms and was ended; if the model is that slow, raise its \"call_timeout_ms\""};
  }

  Status CallRows(const NodeRun& run, std::span<const uint32_t> rows) {
    const uint32_t call_rows = shape_.Rows(static_cast<uint32_t>(rows.size()));
    PackRows(run.batch, rows, call_rows, call_.get());
    BorrowColumns(run.batch, rows, call_rows, call_.get());
    const int64_t begin = Clock::Real().NowNs();
    const Status called = call_->Run(call_rows);
    run.rows().calls.push_back({static_cast<uint32_t>(rows.size()), Clock::Real().NowNs() - begin});
    RETURN_IF_ERROR(called);
    return UnpackRows(*call_, rows, run.batch, &bad_);
  }

  // Finds the rows that the model refuses, and the row that makes a call too slow: at most one per call, because each
  // costs the full time limit. If the model refuses all rows, and also the rows that it accepted when it was loaded,
  // then the model is at fault, not the records.
  Status CallOneByOne(const NodeRun& run, std::span<const uint32_t> rows, CallTime& time, const Status& refused) {
    size_t failed = 0;
    bool kept_long = false;
    for (const uint32_t& row : rows) {
      if (time.call_ended()) time.Restart();
      time.NextCall();
      Status status = time.over() ? refused : CallRows(run, {&row, 1});
      if (status.code() == Code::kInvalid) return status;
      if (status.ok()) continue;
      if (time.over()) {
        TimeOutFrom(static_cast<size_t>(&row - rows_.data()));
        return Status::Ok();
      }
      const bool too_long = time.call_ended();
      if (too_long && kept_long) return TooLong();
      kept_long = kept_long || too_long;
      ++failed;
      bad_.push_back({row, too_long ? "timeout" : "model",
                      "model " + plan_->label + ": " + (too_long ? TooLong() : status).message(), too_long});
    }
    if (time.call_ended()) time.Restart();
    time.NextCall();
    if (failed < rows.size() || (shape_.runs && WarmUp(call_.get(), shape_))) return Status::Ok();
    return refused;
  }

  void TimeOutFrom(size_t first) {
    for (size_t i = first; i < rows_.size(); ++i) {
      bad_.push_back({rows_[i], "timeout", "model " + plan_->label + " did not respond in time", true});
    }
  }

  // Writes the results of the rows that have one, and the errors of the others, in row order.
  void Finish(const NodeRun& run) {
    std::ranges::stable_sort(bad_, {}, &BadRow::row);
    for (const MadeValue& value : plan_->values) {
      const std::span<uint8_t> states = run.batch.columns[value.id].states();
      if (rows_.size() == states.size()) {
        std::ranges::fill(states, kValid);
      } else {
        for (const uint32_t row : rows_) states[row] = kValid;
      }
      for (const BadRow& bad : bad_) states[bad.row] = kNull;
    }
    for (BadRow& bad : bad_) {
      if (bad.timed_out) {
        run.TimeOutRow(bad.row, std::move(bad.message));
      } else {
        run.FailRow(bad.row, bad.code, std::move(bad.message));
      }
    }
  }

  const std::shared_ptr<const InferPlan> plan_;
  const std::unique_ptr<ModelCall> call_;
  const CallShape shape_;
  std::vector<uint8_t> usable_;
  std::vector<uint32_t> rows_;  // the rows of the call
  std::vector<BadRow> bad_;
};

class InferProgram : public NodeProgram {
 public:
  explicit InferProgram(std::shared_ptr<const InferPlan> plan) : plan_(std::move(plan)) {}

  Result<std::unique_ptr<Node>> Open() const override {
    try {
      return OpenNode();
    } catch (const std::exception& error) {
      return Status(Code::kStage, "model " + plan_->label + " cannot be loaded: " + error.what());
    }
  }

  std::map<std::string, std::string> Facts() const override {
    std::map<std::string, std::string> facts = {{"model", plan_->label}, {"sha256", plan_->model->sha256}};
    const MutexLock lock(mutex_);
    if (plan_->fixed_rows != 0) facts["rows_per_call"] = std::to_string(plan_->fixed_rows);
    if (plan_->max_rows != 0 && plan_->fixed_rows == 0) facts["rows_per_call"] = std::to_string(plan_->max_rows);
    if (!shape_) return facts;
    facts["rows_per_call"] = std::to_string(shape_->records);
    if (plan_->nondeterministic) facts["nondeterministic"] = "yes";
    facts["in_place"] = shape_->borrows ? "yes" : "no";
    facts["batch_invariant"] = shape_->invariant ? "yes" : shape_->runs ? "no" : "unknown";
    if (shape_->fixed_rows != 0) facts["padded_rows"] = std::to_string(shape_->fixed_rows);
    return facts;
  }

  std::optional<ModelFacts> model() const override {
    const size_t at = plan_->label.find('@');
    ModelFacts facts{plan_->label.substr(0, at), at == std::string::npos ? "" : plan_->label.substr(at + 1)};
    facts.file_bytes = plan_->model->file_bytes;
    for (const ModelFile::Data& data : plan_->model->data) facts.file_bytes += data.bytes;
    const MutexLock lock(mutex_);
    facts.load_seconds = static_cast<double>(load_ns_) * 1e-9;
    return facts;
  }

  int64_t EstimateNs(uint32_t rows) const override {
    const MutexLock lock(mutex_);
    return shape_ ? shape_->EstimateNs(rows) : 0;
  }

  bool deterministic() const override { return !plan_->nondeterministic; }
  std::string FingerprintExtra() const override { return plan_->model->sha256; }

 private:
  Result<std::unique_ptr<Node>> OpenNode() const {
    const int64_t begin = Clock::Real().NowNs();
    const int64_t deadline = begin + plan_->warmup_limit_ns;
    const Watchdog::Guard last(Watchdog::Process(), deadline + kWarmupGraceNs, [this] { EndProcess(); });
    auto call = ModelCall::Open(*plan_);
    if (!call.ok()) {
      const Code code = call.status().code() == Code::kUnavailable ? Code::kUnavailable : Code::kStage;
      return Status(code, "model " + plan_->label + " cannot be loaded: " + call.status().message());
    }
    const Watchdog::Guard guard(Watchdog::Process(), deadline, [&call] { (*call)->Terminate(); });
    ASSIGN_OR_RETURN(const CallShape shape, Settle(call->get(), guard));
    shape.ApplyTo(call->get());
    if (shape.runs) WarmUp(call->get(), shape);
    if (guard.expired()) return Status(Code::kStage, SlowWarmup());
    const MutexLock lock(mutex_);
    if (load_ns_ == 0) load_ns_ = Clock::Real().NowNs() - begin;
    return std::unique_ptr<Node>(std::make_unique<InferNode>(plan_, std::move(call).value(), shape));
  }

  std::string SlowWarmup() const {
    return "model " + plan_->label + ": its first calls, with made-up rows, did not end within " +
           std::to_string(plan_->warmup_limit_ns / 1'000'000) +
           " ms; if the model is that slow, raise its \"warmup_timeout_ms\", otherwise look for a loop that does "
           "not end";
  }

  // The runtime ignored the request to end the call. No record has been read yet, so none is lost.
  void EndProcess() const {
    const std::string text = SlowWarmup() + "; its thread cannot be stopped, so this process exits\n";
    (void)!write(STDERR_FILENO, text.data(), text.size());
    _exit(1);
  }

  // The first thread that opens the program probes the model for all threads.
  Result<CallShape> Settle(ModelCall* call, const Watchdog::Guard& guard) const {
    const MutexLock lock(mutex_);
    if (shape_) return *shape_;
    auto shape = ProbeModel(call);
    if (guard.expired()) return Status(Code::kStage, SlowWarmup());
    if (!shape.ok()) return shape.status().WithContext("model " + plan_->label);
    shape_ = *shape;
    return *shape_;
  }

  const std::shared_ptr<const InferPlan> plan_;
  mutable Mutex mutex_;
  mutable std::optional<CallShape> shape_ GUARDED_BY(mutex_);
  mutable int64_t load_ns_ GUARDED_BY(mutex_) = 0;  // of the first thread: file, probe and warm-up
};

}  // namespace

std::shared_ptr<const NodeProgram> MakeInferProgram(std::shared_ptr<const InferPlan> plan) {
  return std::make_shared<InferProgram>(std::move(plan));
}

}  // namespace anabranch
