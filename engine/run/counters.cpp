#include "engine/run/counters.h"

namespace anabranch {

Counters::Counters(const Plan& plan) : plan_(plan), stages_(plan.stages()), reasons_(plan.stages()) {
  for (auto id = StageId(plan.sources.size()); id < plan.stages(); ++id) {
    Stage& stage = stages_[id];
    stage.tally_names = plan.node(id).program->Tallies();
    stage.tallies = std::make_unique<std::atomic<int64_t>[]>(stage.tally_names.size());
  }
}

Counters::BatchCounts Counters::Of(const RecordBatch& batch) const {
  if (batch.complete) return {};  // counted by the run that computed it
  BatchCounts counts(stages_.size());
  for (StageId id = 0; id < stages_.size(); ++id) {
    const StageRows& rows = batch.stages[id];
    if (rows.reused) {
      counts[id].numbers[6] = rows.dead_lettered;
      continue;
    }
    std::array<int64_t, kOutcomes> by_outcome{};
    for (Outcome outcome : rows.outcome) ++by_outcome[static_cast<size_t>(outcome)];
    const auto count = [&by_outcome](Outcome outcome) { return by_outcome[static_cast<size_t>(outcome)]; };
    const int64_t rows_in = static_cast<int64_t>(rows.outcome.size()) - count(Outcome::kAbsent);
    if (rows_in == 0) continue;
    const int64_t skipped = count(Outcome::kSkipped);
    const int64_t missed = count(Outcome::kMissed), defaulted = count(Outcome::kDefaulted);
    counts[id].numbers = {rows.active_count > 0 ? 1 : 0,
                          rows_in,
                          count(Outcome::kOk) + skipped + missed + defaulted,
                          count(Outcome::kFiltered),
                          skipped,
                          static_cast<int64_t>(rows.errors.size()),
                          rows.dead_lettered,
                          rows.retried,
                          static_cast<int64_t>(rows.busy_ns),
                          missed,
                          defaulted};
    counts[id].tally.assign(rows.tally.begin(), rows.tally.end());
    if (!rows.errors.empty()) counts[id].reasons = ReasonsOf(rows.errors);
  }
  return counts;
}

void Counters::Add(const BatchCounts& counts, int64_t times) {
  const auto add = [times](int64_t by, std::atomic<int64_t>* to) {
    if (by != 0) to->fetch_add(by * times, std::memory_order_relaxed);
  };
  for (size_t id = 0; id < counts.size(); ++id) {
    for (size_t i = 0; i < kNumbers; ++i) add(counts[id].numbers[i], &stages_[id].numbers[i]);
    for (size_t i = 0; i < counts[id].tally.size(); ++i) add(counts[id].tally[i], &stages_[id].tallies[i]);
    if (!counts[id].reasons.empty()) AddReasons(id, counts[id].reasons, times);
  }
}

// Failed rows come in runs of one reason.
Counters::Reasons Counters::ReasonsOf(const std::vector<RowError>& errors) {
  Reasons reasons;
  for (size_t begin = 0, end = 0; begin < errors.size(); begin = end) {
    while (end < errors.size() && errors[end].code == errors[begin].code) ++end;
    StageCounts::Reason& reason = reasons[errors[begin].code];
    if (reason.count == 0) reason.example = errors[begin].message;
    reason.count += static_cast<int64_t>(end - begin);
  }
  return reasons;
}

void Counters::AddReasons(size_t stage, const Reasons& added, int64_t times) {
  const MutexLock lock(mutex_);
  for (const auto& [code, reason] : added) {
    const auto at = reasons_[stage].try_emplace(code, StageCounts::Reason{0, reason.example}).first;
    at->second.count += reason.count * times;
    if (at->second.count == 0) reasons_[stage].erase(at);
  }
}

RunSnapshot Counters::Snapshot(int64_t elapsed_ns) const {
  RunSnapshot snapshot;
  snapshot.elapsed_ns = elapsed_ns;
  snapshot.rows_read = rows_read_.load();
  snapshot.rows_committed = rows_committed_.load();
  snapshot.epochs = epochs_.load();
  for (StageId id = 0; id < stages_.size(); ++id) {
    const Stage& stage = stages_[id];
    StageCounts counts;
    counts.id = plan_.StageName(id);
    counts.kind = id < plan_.sources.size() ? "source" : plan_.node(id).kind;
    int64_t* const fields[] = {&counts.invocations, &counts.rows_in, &counts.rows_out,      &counts.filtered,
                               &counts.skipped,     &counts.failed,  &counts.dead_lettered, &counts.retried,
                               &counts.busy_ns,     &counts.missed,  &counts.defaulted};
    for (size_t i = 0; i < kNumbers; ++i) *fields[i] = stage.numbers[i].load();
    for (size_t i = 0; i < stage.tally_names.size(); ++i) {
      if (const int64_t sum = stage.tallies[i].load(); sum > 0) counts.tallies[stage.tally_names[i]] = sum;
    }
    {
      const MutexLock lock(mutex_);
      counts.reasons = reasons_[id];
    }
    snapshot.stages.push_back(std::move(counts));
  }
  return snapshot;
}

}  // namespace anabranch
