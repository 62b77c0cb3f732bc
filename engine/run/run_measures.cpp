#include "engine/run/run_measures.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace anabranch {
namespace {

constexpr uint32_t kCurveRows = 4096;

double LatencyTargetOf(const Plan& plan) { return static_cast<double>(plan.batch.latency_target_ns) * 1e-9; }

}  // namespace

WorkerMeter::WorkerMeter(const Plan& plan) : nodes_(plan.stages()) {
  const std::vector<double> seconds = SecondsEdges(LatencyTargetOf(plan));
  const std::vector<double> rows = RowsEdges();
  for (auto stage = StageId(plan.sources.size()); stage < plan.stages(); ++stage) {
    Node& node = nodes_[stage];
    node.batch_seconds = std::make_unique<Histogram>(seconds);
    node.batch_rows = std::make_unique<Histogram>(rows);
    if (!plan.node(stage).program->model()) continue;
    node.call_seconds = std::make_unique<Histogram>(seconds);
    node.call_rows = std::make_unique<Histogram>(rows);
  }
}

void WorkerMeter::Note(StageId stage, const StageRows& rows) {
  const Node& node = nodes_[stage];
  node.batch_seconds->Add(static_cast<double>(rows.busy_ns) * 1e-9);
  node.batch_rows->Add(rows.active_count);
  if (node.call_seconds == nullptr) return;
  for (const StageRows::ModelCall& call : rows.calls) {
    node.call_seconds->Add(static_cast<double>(call.ns) * 1e-9);
    node.call_rows->Add(call.rows);
  }
}

void WorkerMeter::Fill(StageId stage, NodeMeasures* measures) const {
  const Node& node = nodes_[stage];
  measures->batch_seconds.Add(node.batch_seconds->Counts());
  measures->batch_rows.Add(node.batch_rows->Counts());
  if (node.call_seconds == nullptr) return;
  measures->call_seconds.Add(node.call_seconds->Counts());
  measures->call_rows.Add(node.call_rows->Counts());
}

RunMeasures::RunMeasures(const Plan& plan, const Clock& clock) : plan_(plan), clock_(clock) {
  for (StageId stage = 0; stage < plan.stages(); ++stage) culprits_.push_back(plan.StageName(stage));
  culprits_.emplace_back("dead_letters");
  for (size_t i = 0; i < plan.targets.size(); ++i) targets_.emplace_back(SecondsEdges(LatencyTargetOf(plan)));
}

size_t RunMeasures::CulpritOf(const std::string& id) const {
  const auto at = std::ranges::find(culprits_, id);
  return std::min(static_cast<size_t>(at - culprits_.begin()), culprits_.size() - 1);
}

LaneMeter& RunMeasures::AddLane(int number, const std::string& source_id, const SourceTable& partitions,
                                const std::vector<std::string>& stages,
                                const std::vector<std::vector<TargetId>>& targets) {
  LaneMeter::Parts parts;
  parts.number = number;
  parts.source_id = source_id;
  parts.partitions = &partitions;
  parts.culprit_of_source = CulpritOf(source_id);
  for (const PlanSource& source : plan_.sources) {
    if (source.id == source_id) parts.numbers_records = source.program->NumbersRecords();
  }
  for (size_t i = 0; i < targets.size(); ++i) {
    const bool letters = !targets[i].empty() && targets[i].front() == plan_.dead_letters();
    parts.culprits.push_back(letters ? culprits_.size() - 1 : CulpritOf(stages[i]));
  }
  parts.committers = targets;
  std::vector<TargetRecord*> records;
  for (TargetRecord& record : targets_) records.push_back(&record);
  return lanes_.emplace_back(clock_, culprits_, records, std::move(parts));
}

MeasureSnapshot RunMeasures::Snapshot(int64_t elapsed_ns) const {
  MeasureSnapshot snapshot;
  snapshot.elapsed_ns = elapsed_ns;
  snapshot.wall_ms = clock_.WallMs();
  for (const PlanSource& source : plan_.sources) snapshot.sources.emplace_back().id = source.id;
  for (const LaneMeter& lane : lanes_) lane.Fill(snapshot.wall_ms, &snapshot);
  for (auto stage = StageId(plan_.sources.size()); stage < plan_.stages(); ++stage) FillNode(stage, &snapshot);
  for (TargetId target = 0; target < plan_.targets.size(); ++target) FillTarget(target, &snapshot);
  return snapshot;
}

void RunMeasures::FillNode(StageId stage, MeasureSnapshot* snapshot) const {
  const PlanNode& node = plan_.node(stage);
  NodeMeasures& measures = snapshot->nodes.emplace_back();
  measures.id = node.id;
  measures.kind = node.kind;
  for (const WorkerMeter& worker : workers_) worker.Fill(stage, &measures);
  const std::optional<ModelFacts> model = node.program->model();
  if (!model) return;
  measures.model = model->name;
  measures.version = model->version;
  measures.load_seconds = model->load_seconds;
  measures.file_bytes = model->file_bytes;
  for (uint32_t rows = 1; rows <= kCurveRows; rows *= 4) {
    const int64_t ns = node.program->EstimateNs(rows);
    if (ns > 0) measures.curve.push_back({rows, static_cast<double>(ns) * 1e-9});
  }
}

void RunMeasures::FillTarget(TargetId target, MeasureSnapshot* snapshot) const {
  const TargetRecord& record = targets_[target];
  TargetMeasures& measures = snapshot->targets.emplace_back();
  measures.id = plan_.targets[target].id;
  measures.connector = plan_.targets[target].program->connector();
  measures.rows = record.rows.load(std::memory_order_relaxed);
  measures.bytes = record.bytes.load(std::memory_order_relaxed);
  measures.last_commit_ms = record.last_commit_ms.load(std::memory_order_relaxed);
  measures.commit_seconds = record.commit_seconds.Counts();
  measures.event_seconds = record.event_seconds.Counts();
  measures.intake_seconds = record.intake_seconds.Counts();
  const MutexLock lock(record.mutex);
  measures.errors = record.errors;
}

}  // namespace anabranch
