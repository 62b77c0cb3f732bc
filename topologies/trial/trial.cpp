#include "topologies/trial/trial.h"

#include <algorithm>
#include <chrono>
#include <unordered_map>

#include "engine/codec/json_writer.h"
#include "engine/mutex.h"
#include "engine/registry.h"
#include "engine/run/pipeline.h"
#include "topologies/trial/reused_node.h"
#include "topologies/trial/trial_ends.h"
#include "topologies/trial/trial_folder.h"

namespace anabranch {
namespace {

constexpr uint32_t kMostExplained = 128;  // rows of a batch

// The wall shows a fixed time, so that two trials write the same bytes.
class TrialClock : public Clock {
 public:
  explicit TrialClock(std::optional<int64_t> wall_ms) : wall_ms_(wall_ms) {}
  int64_t NowNs() const override { return Real().NowNs(); }
  int64_t WallMs() const override { return wall_ms_.value_or(Real().WallMs()); }

 private:
  const std::optional<int64_t> wall_ms_;
};

constexpr std::chrono::milliseconds kCancelPause(20);  // between two looks at TrialOptions::cancel

struct RecordName {
  SourcePartition partition;
  int64_t offset;
  bool operator==(const RecordName&) const = default;
};
struct RecordNameHash {
  size_t operator()(const RecordName& name) const {
    const size_t topic = std::hash<std::string>()(name.partition.topic);
    return topic ^
           (static_cast<size_t>(name.offset) * 0x9E3779B97F4A7C15ULL + static_cast<size_t>(name.partition.partition));
  }
};
using RecordIndex = std::unordered_map<RecordName, size_t, RecordNameHash>;

// Takes the story of each record from the batches that pass.
class StoryTeller {
 public:
  StoryTeller(const Plan& plan, const RecordIndex& records, const TrialOptions& options)
      : plan_(plan), records_(records), cells_(options.cells), explain_(options.explain) {
    stories_.resize(records.size());
    fields_.resize(plan.targets.size());
    for (const PlanNode& node : plan.nodes) {
      const auto written = node.program->written();
      if (written.empty()) continue;
      writers_.emplace(node.target, std::vector<TargetField>(written.begin(), written.end()));
    }
  }

  // Any lane's thread.
  void Take(const RecordBatch& batch) {
    const MutexLock lock(mutex_);
    for (uint32_t row = 0; row < batch.rows(); ++row) TakeRow(batch, row, &stories_[IndexOf(batch, row)]);
    for (const auto& [target, writer] : writers_) TakeFields(batch, target, writer);
  }

  void TakeStopped(const RecordBatch& batch) {
    const MutexLock lock(mutex_);
    for (uint32_t row = 0; row < batch.rows(); ++row) TakeRow(batch, row, &stopped_[IndexOf(batch, row)]);
  }

  std::map<size_t, TrialStory> TakeAllStopped() {
    const MutexLock lock(mutex_);
    return std::move(stopped_);
  }
  std::vector<TrialStory> TakeStories() {
    const MutexLock lock(mutex_);
    return std::move(stories_);
  }
  std::string FieldsOf(TargetId target, size_t record) {
    const MutexLock lock(mutex_);
    return std::move(fields_[target][record]);
  }

 private:
  size_t IndexOf(const RecordBatch& batch, uint32_t row) const {
    return records_.at({batch.partitions->at(batch.partition[row]), batch.offset[row]});
  }

  void TakeRow(const RecordBatch& batch, uint32_t row, TrialStory* story) const {
    story->steps.assign(batch.stages.size(), {});
    story->cells.assign(plan_.columns.size(), {});
    if (batch.key_present[row] != 0) story->key = std::string(batch.key[row]);
    for (StageId stage = 0; stage < batch.stages.size(); ++stage) {
      const StageRows& rows = batch.stages[stage];
      if (rows.outcome.size() <= row || !rows.done) continue;
      TrialStep& step = story->steps[stage];
      step.outcome = rows.outcome[row];
      const auto error = std::ranges::find(rows.errors, row, &RowError::row);
      if (error != rows.errors.end()) {
        step.code = error->code;
        step.message = error->message;
      }
      if (step.outcome == Outcome::kAbsent) continue;
      if (cells_) TakeCells(batch, stage, row, story);
      const bool judged = stage >= plan_.sources.size() && step.outcome != Outcome::kSkipped;
      if (explain_ && judged) step.findings = plan_.node(stage).program->Explain(batch, row);
    }
  }

  void TakeCells(const RecordBatch& batch, StageId stage, uint32_t row, TrialStory* story) const {
    const std::string& maker = plan_.StageName(stage);
    for (ColumnId column = 0; column < plan_.columns.size(); ++column) {
      if (plan_.columns[column].maker != maker || batch.columns[column].rows() <= row) continue;
      AppendJsonCell(&story->cells[column], batch.columns[column], row);
    }
  }

  void TakeFields(const RecordBatch& batch, TargetId target, const JsonRowWriter& writer) REQUIRES(mutex_) {
    uint32_t row = 0;
    for (const EncodedRows::Row& encoded : batch.encoded.targets[target].rows) {
      // Encoded rows are in the order of the batch.
      while (batch.offset[row] != encoded.offset || batch.partition[row] != encoded.partition) ++row;
      std::string text;
      writer.Append(batch, row, &text);
      fields_[target][IndexOf(batch, row)] = std::move(text);
    }
  }

  const Plan& plan_;
  const RecordIndex& records_;
  const bool cells_, explain_;
  std::map<TargetId, JsonRowWriter> writers_;  // of the sinks that write fields
  Mutex mutex_;
  std::vector<TrialStory> stories_ GUARDED_BY(mutex_);
  std::map<size_t, TrialStory> stopped_ GUARDED_BY(mutex_);
  std::vector<std::map<size_t, std::string>> fields_ GUARDED_BY(mutex_);  // by target, by record
};

}  // namespace

class Trials::Impl {
 public:
  explicit Impl(const Plan& plan) : plan_(plan) {
    connectors_.Add(MakeTrialConnector());
    for (const PlanNode& node : plan.nodes) nodes_.push_back(ReuseNodes(node.program));
  }

  TrialResult Run(std::span<const TrialRecord> records, const TrialOptions& options) {
    TrialResult result;
    TrialFolder folder;
    result.status = folder.Make();
    if (!result.status.ok()) return result;
    const auto targets = std::make_shared<TrialTargets>(plan_.targets.size());
    for (const auto& [target, commits] : options.failing_commits) targets->FailNext(target, commits);
    const Plan plan = InMemory(records, options, targets);
    RecordIndex index;
    for (size_t i = 0; i < records.size(); ++i) index.emplace(RecordName{records[i].partition, records[i].offset}, i);
    StoryTeller teller(plan, index, options);
    RunObserver observer;
    observer.batch = [&teller](const RecordBatch& batch) { teller.Take(batch); };
    observer.stopped = [&teller](const RecordBatch& batch) { teller.TakeStopped(batch); };
    const TrialClock clock(options.wall_ms);
    RunOptions run;
    run.state_dir = folder.state();
    run.workers = 1;
    run.once = true;
    run.clock = &clock;
    Pipeline pipeline(plan, connectors_, run, observer);
    const bool runs = pipeline.Start().ok();  // the summary has its failure
    while (runs && options.cancel != nullptr && !pipeline.Wait(kCancelPause)) {
      if (options.cancel->now()) pipeline.Stop();
    }
    RunSummary summary = pipeline.Finish();
    result.status = std::move(summary.status);
    result.failure = std::move(summary.failure);
    result.counts = std::move(summary.totals);
    result.stories = teller.TakeStories();
    result.stopped = teller.TakeAllStopped();
    CollectRows(*targets, index, teller, &result);
    return result;
  }

 private:
  // The plan with its ends in memory.
  Plan InMemory(std::span<const TrialRecord> records, const TrialOptions& options,
                const std::shared_ptr<TrialTargets>& targets) const {
    Plan plan = plan_;
    plan.batch.linger_ns = 0;
    plan.batch.latency_target_ns = 0;
    if (options.batch_rows > 0) plan.batch.max_rows = options.batch_rows;
    // Explain() goes through the whole batch for each of its rows.
    if (options.explain) plan.batch.max_rows = std::min(plan.batch.max_rows, kMostExplained);
    for (StageId source = 0; source < plan.sources.size(); ++source) {
      TrialRecords own;
      for (const TrialRecord& record : records) {
        if (record.source == source) own.push_back(&record);
      }
      plan.sources[source].program = MakeTrialSource(plan_.sources[source].program, std::move(own));
    }
    for (size_t i = 0; i < plan.nodes.size(); ++i) {
      const auto other = options.nodes.find(StageId(plan.sources.size() + i));
      plan.nodes[i].program = other == options.nodes.end() ? nodes_[i] : other->second;
    }
    for (PlanTarget& target : plan.targets) target.program = MakeTrialTarget(target.program, targets);
    // One broken record of a case must not stop the others.
    for (PlanSource& source : plan.sources) source.breaker.failures = UINT32_MAX;
    for (PlanNode& node : plan.nodes) node.breaker.failures = UINT32_MAX;
    return plan;
  }

  void CollectRows(TrialTargets& targets, const RecordIndex& index, StoryTeller& teller, TrialResult* result) const {
    std::vector<std::vector<TrialCommit>> commits = targets.Take();
    result->rows.resize(plan_.targets.size());
    for (TargetId target = 0; target < plan_.targets.size(); ++target) {
      for (TrialCommit& commit : commits[target]) {
        commit.row.record = index.at({commit.partition, commit.offset});
        // An encoder may write the key into the value. A dead letter bears the key of its record as it came.
        if (target != plan_.dead_letters()) commit.row.key = result->stories[commit.row.record].key;
        commit.row.fields = teller.FieldsOf(target, commit.row.record);
        result->rows[target].push_back(std::move(commit.row));
      }
    }
  }

  const Plan& plan_;
  Registry connectors_;
  std::vector<std::shared_ptr<const NodeProgram>> nodes_;  // in plan order
};

std::vector<const TrialRow*> RowsInOrder(const TrialResult& result, TargetId target) {
  std::vector<const TrialRow*> rows;
  for (const TrialRow& row : result.rows[target]) rows.push_back(&row);
  std::ranges::stable_sort(rows, {}, [](const TrialRow* row) { return row->record; });
  return rows;
}

Trials::Trials(const Plan& plan) : impl_(std::make_unique<Impl>(plan)) {}
Trials::~Trials() = default;

TrialResult Trials::Run(std::span<const TrialRecord> records, const TrialOptions& options) {
  return impl_->Run(records, options);
}

}  // namespace anabranch
