#include "engine/run/counters.h"

#include <array>

namespace anabranch {

Counters::Counters(const Plan& plan) : plan_(plan), stages_(plan.stages()) {}

void Counters::Add(const RecordBatch& batch) {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  if (batch.complete) return;  // counted by the run that computed it
  for (StageId id = 0; id < stages_.size(); ++id) {
    const StageRows& rows = batch.stages[id];
    if (rows.reused) {
      stages_[id].dead_lettered.fetch_add(rows.dead_lettered, kRelaxed);
      continue;
    }
    std::array<int64_t, 6> by_outcome{};
    for (Outcome outcome : rows.outcome) ++by_outcome[static_cast<size_t>(outcome)];
    const int64_t absent = by_outcome[static_cast<size_t>(Outcome::kAbsent)];
    const int64_t rows_in = static_cast<int64_t>(rows.outcome.size()) - absent;
    if (rows_in == 0) continue;
    Stage& stage = stages_[id];
    if (rows.active_count > 0) stage.invocations.fetch_add(1, kRelaxed);
    stage.rows_in.fetch_add(rows_in, kRelaxed);
    stage.rows_out.fetch_add(by_outcome[0] + by_outcome[1], kRelaxed);
    stage.skipped.fetch_add(by_outcome[1], kRelaxed);
    stage.filtered.fetch_add(by_outcome[2], kRelaxed);
    stage.failed.fetch_add(static_cast<int64_t>(rows.errors.size()), kRelaxed);
    stage.dead_lettered.fetch_add(rows.dead_lettered, kRelaxed);
    stage.retried.fetch_add(rows.retried, kRelaxed);
    stage.busy_ns.fetch_add(static_cast<int64_t>(rows.busy_ns), kRelaxed);
  }
}

RunSnapshot Counters::Snapshot(int64_t elapsed_ns) const {
  RunSnapshot snapshot;
  snapshot.elapsed_ns = elapsed_ns;
  snapshot.rows_read = rows_read_.load();
  snapshot.rows_committed = rows_committed_.load();
  for (StageId id = 0; id < stages_.size(); ++id) {
    const Stage& stage = stages_[id];
    StageCounts counts;
    counts.id = plan_.StageName(id);
    counts.kind = id < plan_.sources.size() ? "source" : plan_.node(id).kind;
    counts.invocations = stage.invocations.load();
    counts.rows_in = stage.rows_in.load();
    counts.rows_out = stage.rows_out.load();
    counts.filtered = stage.filtered.load();
    counts.skipped = stage.skipped.load();
    counts.failed = stage.failed.load();
    counts.dead_lettered = stage.dead_lettered.load();
    counts.retried = stage.retried.load();
    counts.busy_ns = stage.busy_ns.load();
    snapshot.stages.push_back(std::move(counts));
  }
  return snapshot;
}

}  // namespace anabranch
