#include "engine/run/stage_call.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/durations.h"
#include "engine/fault_point.h"
#include "engine/run/backoff.h"
#include "engine/run/call_name.h"

namespace anabranch {
namespace {

constexpr size_t kMostBadRows = 16;
constexpr int64_t kNoDeadline = std::numeric_limits<int64_t>::max();

bool Transient(const Status& status) { return status.code() == Code::kRetry || status.code() == Code::kTimedOut; }

// A call that the next process, or the watchdog of this one, knows of while it lasts.
struct WatchedCall {
  WatchedCall(const CallContext& context, const PlanNode& node, std::string_view name, const RecordBatch& batch,
              int64_t now_ns)
      : deadline(node.timeout_ns > 0 ? now_ns + node.timeout_ns : kNoDeadline),
        due(context.slot != nullptr ? context.slot->due_ns() : nullptr),
        scope(context.slot, name, batch.partitions->at(batch.partition.front()), batch.offset.front(), now_ns,
              deadline) {}

  const int64_t deadline;
  std::atomic<int64_t>* const due;
  const AttemptScope scope;
};

class StageCall {
 public:
  StageCall(const CallContext& context, Callee callee, RecordBatch& batch, StageId stage)
      : context_(context),
        node_(context.plan.node(stage)),
        callee_(callee),
        batch_(batch),
        stage_(stage),
        rows_(batch.stages[stage]),
        errors_before_(rows_.errors.size()) {
    if (callee_.encoder == nullptr) return;
    encoded().max_row_bytes = context_.plan.limits.result_bytes;
    encoded().max_bytes = context_.output_bytes;
    encoded_rows_ = encoded().rows.size();
    encoded_bytes_ = encoded().bytes.size();
  }

  StageEnd Run(int64_t now_ns) {
    StageEnd end = CallWithRetries(now_ns);
    if (callee_.encoder != nullptr && end.status.ok()) return JudgeSizes(std::move(end));
    const bool whole = end.error_class != ErrorClass::kNone;
    if (!whole || fault_ || callee_.node == nullptr || callee_.node->judges_rows() || rows_.active_count < 2)
      return end;
    return CallWithoutBadRows(std::move(end));
  }

 private:
  EncodedRows& encoded() { return batch_.encoded.targets[node_.target]; }

  StageEnd JudgeSizes(StageEnd end) {
    if (encoded().full) {
      Forget();
      return {{Code::kStage, "its results are more than a batch may hold"}, ErrorClass::kNone, end.attempts, true};
    }
    const NodeRun run{batch_, stage_, rows_.active, rows_.active_count, kNoDeadline};
    for (const EncodedRows::TooLarge& large : encoded().too_large) {
      run.FailRow(large.row, "too_large",
                  "its result has " + std::to_string(large.bytes) + " bytes or more; limits.result_bytes is " +
                      std::to_string(context_.plan.limits.result_bytes));
    }
    encoded().too_large.clear();
    return end;
  }

  StageEnd CallWithRetries(int64_t now_ns) {
    std::optional<Backoff> backoff;
    for (int attempt = 1;; ++attempt) {
      Status status = Call(rows_.active, rows_.active_count, now_ns);
      if (!Transient(status)) return End(std::move(status), attempt);
      const bool timed_out = status.code() == Code::kTimedOut;
      if (attempt > node_.retry_max) {
        return {{Code::kStage, status.message() + " (after " + std::to_string(attempt) + " attempts)"},
                timed_out ? ErrorClass::kTimeout : ErrorClass::kTransient,
                attempt};
      }
      using std::chrono::nanoseconds;
      if (!backoff) backoff.emplace(nanoseconds(node_.retry_backoff_ns), nanoseconds(node_.retry_max_backoff_ns));
      if (!Pause(&*backoff)) {
        return {{Code::kCancelled, "stopped while it waited to try again: " + status.message()},
                ErrorClass::kNone,
                attempt};
      }
      ++rows_.retried;
      Forget();
      now_ns = context_.clock.NowNs();
    }
  }

  bool Pause(Backoff* backoff) const {
    const LaneClock::Spell paused(context_.lane, LaneState::kPaused, stage_);
    return backoff->Wait(context_.cancel);
  }

  static StageEnd End(Status status, int attempt) {
    const bool failed = !status.ok() && status.code() != Code::kCancelled;
    return {std::move(status), failed ? ErrorClass::kStage : ErrorClass::kNone, attempt};
  }

  // One call with some of the active rows.
  Status Call(std::span<const uint8_t> active, uint32_t count, int64_t now_ns) {
    const WatchedCall call(context_, node_, node_.id, batch_, now_ns);
    if (Status fault = FaultStatus("stage.call", node_.id, count); !fault.ok()) {
      fault_ = true;
      return fault;
    }
    const NodeRun run{batch_, stage_, active, count, call.deadline, call.due};
    Status status = Guarded([&] {
      return callee_.node != nullptr ? callee_.node->Process(run) : callee_.encoder->Encode(batch_, active, &encoded());
    });
    return status.ok() && call.deadline != kNoDeadline ? InTime(now_ns, call.deadline) : status;
  }

  // A node that fails late rows by itself has had its say: what it finished counts.
  Status InTime(int64_t begin_ns, int64_t deadline) const {
    if (callee_.node != nullptr && callee_.node->judges_rows()) return Status::Ok();
    const int64_t now = context_.clock.NowNs();
    if (now <= deadline) return Status::Ok();
    return {Code::kTimedOut, "the batch took " + MillisecondsText(now - begin_ns) + "; timeout_ms is " +
                                 MillisecondsText(node_.timeout_ns)};
  }

  // As if the rows had not been worked on.
  void Forget() {
    rows_.errors.resize(errors_before_);
    for (uint32_t row = 0; row < batch_.rows(); ++row) {
      if (rows_.active[row]) rows_.outcome[row] = Outcome::kOk;
    }
    if (callee_.encoder == nullptr) return;
    encoded().too_large.clear();
    encoded().full = false;
    encoded().rows.resize(encoded_rows_);
    encoded().bytes.resize(encoded_bytes_);
  }

  StageEnd CallWithoutBadRows(StageEnd failed) {
    const bool found = FindBadRows(failed.error_class == ErrorClass::kStage);
    if (context_.cancel.now())
      return {{Code::kCancelled, "stopped: " + failed.status.message()}, ErrorClass::kNone, failed.attempts};
    if (!found) return failed;
    Forget();
    std::vector<uint8_t> good = rows_.active;
    for (const RowError& bad : bad_) good[bad.row] = 0;
    Status status = Call(good, rows_.active_count - static_cast<uint32_t>(bad_.size()), context_.clock.NowNs());
    if (!status.ok()) {
      failed.status = {Code::kStage, status.message()};
      return failed;
    }
    const NodeRun run{batch_, stage_, rows_.active, rows_.active_count, kNoDeadline};
    for (RowError& bad : bad_) run.FailRow(bad.row, bad.code, std::move(bad.message));
    return {Status::Ok(), ErrorClass::kNone, failed.attempts};
  }

  // Halves what fails until single rows are left; each failing part holds at least one bad row. False: too many.
  bool FindBadRows(bool hard) {
    std::vector<uint32_t> rows;
    for (uint32_t row = 0; row < batch_.rows(); ++row) {
      if (rows_.active[row]) rows.push_back(row);
    }
    const size_t most = hard ? std::clamp<size_t>(rows.size() / 4, 1, kMostBadRows) : 1;
    std::vector<std::span<const uint32_t>> parts = {rows};
    while (!parts.empty()) {
      std::vector<std::span<const uint32_t>> failing;
      for (size_t i = 0; i < parts.size(); ++i) {
        const size_t half = parts[i].size() / 2;
        for (const auto part : {parts[i].first(half), parts[i].subspan(half)}) {
          Status status = Probe(part);
          if (fault_ || context_.cancel.now()) return false;
          if (status.ok()) continue;
          if (part.size() > 1) {
            failing.push_back(part);
          } else {
            bad_.push_back({part.front(), "node", status.message()});
          }
        }
        if (bad_.size() + failing.size() + (parts.size() - i - 1) > most) return false;
      }
      parts = std::move(failing);
    }
    return true;
  }

  Status Probe(std::span<const uint32_t> part) {
    Forget();
    std::vector<uint8_t> active(batch_.rows(), 0);
    for (const uint32_t row : part) active[row] = 1;
    return Call(active, static_cast<uint32_t>(part.size()), context_.clock.NowNs());
  }

  const CallContext& context_;
  const PlanNode& node_;
  const Callee callee_;
  RecordBatch& batch_;
  const StageId stage_;
  StageRows& rows_;
  const size_t errors_before_;
  size_t encoded_rows_ = 0, encoded_bytes_ = 0;
  bool fault_ = false;  // a test asked for the failure: no row is to blame
  std::vector<RowError> bad_;
};

}  // namespace

StageEnd CallStage(const CallContext& context, Callee callee, RecordBatch& batch, StageId stage, int64_t now_ns) {
  return StageCall(context, callee, batch, stage).Run(now_ns);
}

Status CallAfterHandOver(const CallContext& context, Node& node, RecordBatch& batch, StageId stage, int64_t now_ns) {
  const PlanNode& of = context.plan.node(stage);
  const WatchedCall call(context, of, UnseenCallOf(of.id), batch, now_ns);
  const StageRows& rows = batch.stages[stage];
  const NodeRun run{batch, stage, rows.active, rows.active_count, call.deadline, call.due};
  return Guarded([&] { return node.AfterHandOver(run); });
}

}  // namespace anabranch
