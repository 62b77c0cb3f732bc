#include "engine/run/counters.h"

#include <array>

namespace anabranch {

Counters::Counters(const Plan& plan) : plan_(plan), stages_(plan.stages()) {
  for (auto id = static_cast<StageId>(plan.sources.size()); id < plan.stages(); ++id) {
    Stage& stage = stages_[id];
    stage.tally_names = plan.node(id).program->Tallies();
    stage.tallies = std::make_unique<std::atomic<int64_t>[]>(stage.tally_names.size());
  }
}

void Counters::Add(const RecordBatch& batch) {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  if (batch.complete) return;  // counted by the run that computed it
  for (StageId id = 0; id < stages_.size(); ++id) {
    const StageRows& rows = batch.stages[id];
    if (rows.reused) {
      stages_[id].dead_lettered.fetch_add(rows.dead_lettered, kRelaxed);
      continue;
    }
    std::array<int64_t, kOutcomes> by_outcome{};
    for (Outcome outcome : rows.outcome) ++by_outcome[static_cast<size_t>(outcome)];
    const auto count = [&by_outcome](Outcome outcome) { return by_outcome[static_cast<size_t>(outcome)]; };
    const int64_t absent = count(Outcome::kAbsent);
    const int64_t rows_in = static_cast<int64_t>(rows.outcome.size()) - absent;
    if (rows_in == 0) continue;
    Stage& stage = stages_[id];
    if (rows.active_count > 0) stage.invocations.fetch_add(1, kRelaxed);
    stage.rows_in.fetch_add(rows_in, kRelaxed);
    const int64_t missed = count(Outcome::kMissed), defaulted = count(Outcome::kDefaulted);
    stage.rows_out.fetch_add(count(Outcome::kOk) + count(Outcome::kSkipped) + missed + defaulted, kRelaxed);
    stage.skipped.fetch_add(count(Outcome::kSkipped), kRelaxed);
    stage.filtered.fetch_add(count(Outcome::kFiltered), kRelaxed);
    stage.missed.fetch_add(missed, kRelaxed);
    stage.defaulted.fetch_add(defaulted, kRelaxed);
    for (size_t i = 0; i < rows.tally.size(); ++i) stage.tallies[i].fetch_add(rows.tally[i], kRelaxed);
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
    counts.missed = stage.missed.load();
    counts.defaulted = stage.defaulted.load();
    for (size_t i = 0; i < stage.tally_names.size(); ++i) {
      if (const int64_t sum = stage.tallies[i].load(); sum > 0) counts.tallies[stage.tally_names[i]] = sum;
    }
    snapshot.stages.push_back(std::move(counts));
  }
  return snapshot;
}

}  // namespace anabranch
