#include "engine/run/batch_pacer.h"

#include <algorithm>

#include "engine/durations.h"

namespace anabranch {
namespace {

constexpr int64_t kMostWaitNs = 100'000'000;  // longer fills nothing, and a stop would not be heard
constexpr int kLateInARow = 2;                // one late batch may be the machine's doing
constexpr int kMissesInARow = 8;
constexpr int64_t kSlowestPerOne = 2;  // a batch, against one record, where one record is too slow already

int64_t PlanNs(const Plan& plan, uint32_t rows) {
  int64_t ns = 0;
  for (const PlanNode& node : plan.nodes) ns += node.program->EstimateNs(rows);
  return ns;
}

}  // namespace

BatchChoice ChooseBatch(const Plan& plan) {
  BatchChoice choice;
  choice.limits = plan.batch;
  const int64_t target = plan.batch.latency_target_ns;
  if (target <= 0) return choice;
  choice.record_ns = PlanNs(plan, 1);
  for (StageId stage = 0; stage < plan.nodes.size(); ++stage) {
    const auto ns = [&](StageId i) { return plan.nodes[i].program->EstimateNs(1); };
    if (ns(stage) > ns(choice.slowest)) choice.slowest = stage;
  }
  uint32_t rows = std::max(plan.batch.max_rows, 1U);
  const int64_t budget = std::max(target / 2, choice.record_ns * 2 > target ? choice.record_ns * kSlowestPerOne : 0);
  while (rows > 1 && PlanNs(plan, rows) > budget) rows -= std::max(rows / 16, 1U);
  choice.limits.max_rows = rows;
  choice.batch_ns = PlanNs(plan, rows);
  const bool batches_pay = choice.batch_ns < choice.record_ns * rows / 2;
  const int64_t left = target - 2 * choice.batch_ns;
  choice.limits.linger_ns = batches_pay ? std::clamp<int64_t>(left / 2, 0, kMostWaitNs) : 0;
  return choice;
}

std::string WhyTooSlow(const Plan& plan, const BatchChoice& choice) {
  const int64_t target = plan.batch.latency_target_ns;
  if (target <= 0 || 2 * choice.record_ns <= target) return {};
  const PlanNode& node = plan.nodes[choice.slowest];
  return "batch.latency_target_ms: " + MillisecondsText(target) + " cannot be met: one record takes " +
         MillisecondsText(choice.record_ns) + " in the models (node \"" + node.id + "\" " +
         MillisecondsText(node.program->EstimateNs(1)) + ") and may wait as long for the one before it; a target of " +
         MillisecondsText(2 * choice.record_ns) + " or more, or a smaller model, can be";
}

std::string TooSlowNow(const Plan& plan, const BatchMiss& miss) {
  const std::string records = miss.rows == 1 ? "a single record" : std::to_string(miss.rows) + " records";
  return "batch.latency_target_ms: " + MillisecondsText(plan.batch.latency_target_ns) + " is not met: batches of " +
         records + " take " + MillisecondsText(miss.ns) +
         " here, smaller ones would be no quicker, and a record may wait as long for the one before it";
}

BatchPacer::BatchPacer(const Plan& plan, const BatchChoice& choice)
    : most_rows_(std::max(plan.batch.max_rows, 1U)),
      most_linger_ns_(choice.limits.linger_ns),
      budget_ns_(plan.batch.latency_target_ns / 2),
      limits_(choice.limits) {}

void BatchPacer::Note(uint32_t rows, int64_t ns) {
  if (!adapts() || rows == 0) return;
  const uint32_t now = limits_.max_rows;
  limits_.linger_ns = std::clamp<int64_t>(budget_ns_ - ns, 0, most_linger_ns_);
  if (ns <= budget_ns_) late_ = 0;
  // A small batch's time is no fault of the size; a larger one was polled before the size changed.
  if (rows < now - now / 2 || rows > now) return;
  if (ns > budget_ns_) {
    ++late_;
    Shrink(now, ns);
    return;
  }
  before_ = {};
  if (rows == now && ns <= budget_ns_ - budget_ns_ / 8) {
    least_ = 1;
    limits_.max_rows = std::min(now + std::max(now / 8, 1U), most_rows_);
  }
}

void BatchPacer::Shrink(uint32_t rows, int64_t ns) {
  if (late_ % kLateInARow != 0) return;
  if (before_.rows == 0) before_ = {rows, ns};
  const bool halved = rows <= before_.rows / 2;
  if (halved && ns > before_.ns - before_.ns / 8) {
    least_ = limits_.max_rows = before_.rows;
    before_ = {};
  } else {
    const auto fitting = static_cast<uint32_t>(rows * budget_ns_ / ns);
    limits_.max_rows = std::max(std::clamp(fitting, rows / 4, rows - rows / 4), least_);
    if (halved) before_ = {rows, ns};
  }
  if (limits_.max_rows == rows && late_ >= kMissesInARow) miss_ = {rows, ns};
}

BatchMiss BatchPacer::TakeMiss() {
  if (miss_.rows == 0 || told_) return {};
  told_ = true;
  return miss_;
}

}  // namespace anabranch
