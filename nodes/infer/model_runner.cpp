#include "nodes/infer/model_runner.h"

#include <unistd.h>

#include <algorithm>
#include <exception>

#include "nodes/infer/watchdog.h"

namespace anabranch {
namespace {

constexpr int64_t kWarmupGraceNs = 2'000'000'000;

}  // namespace

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

// ------------------------------------------------------------------ scoring

Status ModelRunner::Score(const NodeRun& run) {
  bad_.clear();
  const std::span<const uint8_t> active = plan_->own.empty() ? run.active : MakeFeatures(run);
  SelectRows(features(run), active, *plan_, &usable_, &rows_, &bad_);
  RETURN_IF_ERROR(CallAll(run));
  Finish(run);
  return Status::Ok();
}

// Rows for which an expression fails have no result; the others are what is left.
std::span<const uint8_t> ModelRunner::MakeFeatures(const NodeRun& run) {
  left_.assign(run.active.begin(), run.active.end());
  for (size_t i = 0; i < own_.size(); ++i) {
    const OwnFeature& feature = plan_->own[i];
    evaluators_[i].Evaluate(*feature.expression, run.batch, left_, &own_[i], &errors_, feature.storage.get());
    for (const ExpressionError& error : errors_) {
      left_[error.row] = 0;
      bad_.push_back({error.row, "expression",
                      "feature \"" + feature.name + "\" of model " + plan_->label + ": " + error.message + " in \"" +
                          feature.expression->text + "\"",
                      false});
    }
  }
  return left_;
}

Status ModelRunner::CallAll(const NodeRun& run) {
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

Status ModelRunner::TooLong() const {
  return {Code::kStage, "a call did not return within " + std::to_string(plan_->call_limit_ns / 1'000'000) +
                            " ms and was ended; if the model is that slow, raise its \"call_timeout_ms\""};
}

Status ModelRunner::CallRows(const NodeRun& run, std::span<const uint32_t> rows) {
  const uint32_t call_rows = shape_.Rows(static_cast<uint32_t>(rows.size()));
  PackRows(features(run), rows, call_rows, call_.get());
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
Status ModelRunner::CallOneByOne(const NodeRun& run, std::span<const uint32_t> rows, CallTime& time,
                                 const Status& refused) {
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

void ModelRunner::TimeOutFrom(size_t first) {
  for (size_t i = first; i < rows_.size(); ++i) {
    bad_.push_back({rows_[i], "timeout", "model " + plan_->label + " did not respond in time", true});
  }
}

// Writes the results of the rows that have one, and the errors of the others, in row order.
void ModelRunner::Finish(const NodeRun& run) {
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
  for (const ShownFeature& shown : plan_->shown) {
    Column& column = run.batch.columns[shown.id];
    ShowFeature(own_[shown.own], rows_, &column);
    for (const BadRow& bad : bad_) column.states()[bad.row] = kNull;
  }
  for (BadRow& bad : bad_) {
    if (bad.timed_out) {
      run.TimeOutRow(bad.row, std::move(bad.message));
    } else {
      run.FailRow(bad.row, bad.code, std::move(bad.message));
    }
  }
}

// ------------------------------------------------------------------ loading

Result<std::unique_ptr<ModelRunner>> ModelLoader::Load(bool may_exit) {
  try {
    return LoadOnce(may_exit);
  } catch (const std::exception& error) {
    return Status(Code::kStage, "model " + plan_->label + " cannot be loaded: " + error.what());
  }
}

Result<std::unique_ptr<ModelRunner>> ModelLoader::LoadOnce(bool may_exit) {
  const int64_t begin = Clock::Real().NowNs();
  const int64_t deadline = begin + plan_->warmup_limit_ns;
  const Watchdog::Guard last(Watchdog::Process(), may_exit ? deadline + kWarmupGraceNs : INT64_MAX,
                             [this] { EndProcess(); });
  auto call = OpenCall();
  if (!call.ok()) {
    const Code code = call.status().code() == Code::kUnavailable ? Code::kUnavailable : Code::kStage;
    return Status(code, "model " + plan_->label + " cannot be loaded: " + call.status().message());
  }
  bool late = false;  // the guard's until it has ended
  const auto end_call = [&late, running = call->get()] {
    late = true;
    running->Terminate();
  };
  std::optional<Watchdog::Guard> guard(std::in_place, Watchdog::Process(), deadline, end_call);
  ASSIGN_OR_RETURN(const CallShape shape, Settle(call->get(), *guard));
  shape.ApplyTo(call->get());
  if (shape.runs) WarmUp(call->get(), shape);
  guard.reset();
  if (late) return Status(Code::kStage, SlowWarmup());
  const MutexLock lock(mutex_);
  if (load_ns_ == 0) load_ns_ = Clock::Real().NowNs() - begin;
  return std::make_unique<ModelRunner>(plan_, std::move(call).value(), shape);
}

Result<std::unique_ptr<ModelCall>> ModelLoader::OpenCall() {
  if (!shares()) return ModelCall::Open(*plan_);
  const MutexLock lock(session_mutex_);
  std::unique_ptr<OnnxSession> session;
  if (auto loaded = session_.lock()) {
    ASSIGN_OR_RETURN(session, OnnxSession::Share(std::move(loaded)));
  } else {
    ASSIGN_OR_RETURN(const auto bytes, plan_->model->bytes->Get());
    ASSIGN_OR_RETURN(session, OnnxSession::Load(*bytes, true));
    session_ = session->loaded();
  }
  return ModelCall::Open(*plan_, std::move(session));
}

std::optional<CallShape> ModelLoader::shape() const {
  const MutexLock lock(mutex_);
  return shape_;
}

double ModelLoader::load_seconds() const {
  const MutexLock lock(mutex_);
  return static_cast<double>(load_ns_) * 1e-9;
}

std::string ModelLoader::SlowWarmup() const {
  return "model " + plan_->label + ": its first calls, with made-up rows, did not end within " +
         std::to_string(plan_->warmup_limit_ns / 1'000'000) +
         " ms; if the model is that slow, raise its \"warmup_timeout_ms\", otherwise look for a loop that does "
         "not end";
}

// The runtime ignored the request to end the call. No record has been read yet, so none is lost.
void ModelLoader::EndProcess() const {
  const std::string text = SlowWarmup() + "; its thread cannot be stopped, so this process exits\n";
  (void)!write(STDERR_FILENO, text.data(), text.size());
  _exit(1);
}

// The first thread that opens the program probes the model for all threads.
Result<CallShape> ModelLoader::Settle(ModelCall* call, const Watchdog::Guard& guard) {
  const MutexLock lock(mutex_);
  if (shape_) return *shape_;
  auto shape = ProbeModel(call);
  if (guard.expired()) return Status(Code::kStage, SlowWarmup());
  if (!shape.ok()) return shape.status().WithContext("model " + plan_->label);
  shape_ = *shape;
  return *shape_;
}

}  // namespace anabranch
