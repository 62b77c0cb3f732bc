#include "engine/run/plan_worker.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "engine/expression/expression.h"
#include "engine/fault_point.h"
#include "engine/plan_graph.h"
#include "engine/record_id.h"
#include "engine/run/dead_letter.h"
#include "engine/run/default_cells.h"
#include "engine/run/row_key.h"
#include "engine/run/row_time.h"
#include "engine/schema/record_schema.h"
#include "engine/text/instant.h"

namespace anabranch {
namespace {

// A wake-up of another thread costs about 20 µs in a virtual machine; below ten times that a
// branch is cheaper fused.
constexpr uint64_t kWorthAThreadNs = 200'000;

void SortByRow(std::vector<RowError>* errors) {
  std::sort(errors->begin(), errors->end(), [](const RowError& a, const RowError& b) { return a.row < b.row; });
}

}  // namespace

void NodeRun::FailRow(uint32_t row, std::string_view code, std::string message) const {
  StageRows& state = rows();
  if (state.outcome[row] == Outcome::kFailed || state.outcome[row] == Outcome::kTimedOut) return;
  state.outcome[row] = Outcome::kFailed;
  state.errors.push_back({row, std::string(code), std::move(message)});
}

void NodeRun::TimeOutRow(uint32_t row, std::string message) const {
  StageRows& state = rows();
  if (state.outcome[row] == Outcome::kFailed || state.outcome[row] == Outcome::kTimedOut) return;
  state.outcome[row] = Outcome::kTimedOut;
  state.errors.push_back({row, "timeout", std::move(message)});
}

struct PlanWorker::Stage {
  std::unique_ptr<Node> node;
  std::unique_ptr<RowEncoder> encoder;
  DefaultCells defaults;
  Evaluator evaluator;
  Column when;
  std::vector<ExpressionError> when_errors;
};

PlanWorker::PlanWorker(const Plan& plan, const Clock& clock, StageGuards& guards, const CancelToken& cancel)
    : plan_(plan),
      clock_(clock),
      guards_(guards),
      context_{
          plan,   clock, cancel, guards.attempts != nullptr ? guards.attempts->Take() : nullptr, guards.output_bytes,
          nullptr},
      stages_(plan.stages()),
      parallel_(plan.stages()) {}

PlanWorker::~PlanWorker() = default;

Result<std::unique_ptr<PlanWorker>> PlanWorker::Open(const Plan& plan, const Clock& clock, StageGuards& guards,
                                                     const CancelToken& cancel) {
  std::unique_ptr<PlanWorker> worker(new PlanWorker(plan, clock, guards, cancel));
  for (const PlanSource& source : plan.sources) {
    std::unique_ptr<Decoder> decoder;
    if (source.schema) {
      ASSIGN_OR_RETURN(decoder, source.format->MakeDecoder(source.decode, source.program->row_layout()));
    }
    worker->decoders_.push_back(std::move(decoder));
  }
  const size_t first = plan.sources.size();
  for (size_t i = 0; i < plan.nodes.size(); ++i) {
    const PlanNode& node = plan.nodes[i];
    Stage& stage = worker->stages_[first + i];
    stage.defaults = DefaultCells(plan, node);
    if (auto target = node.program->target()) {
      stage.encoder = target->MakeEncoder(IdentityOf(plan, StageId(first + i)));
    } else {
      const Status opened = Guarded([&]() -> Status {
        ASSIGN_OR_RETURN(stage.node, node.program->Open());
        return Status::Ok();
      });
      if (!opened.ok()) return opened.WithContext("node \"" + node.id + "\"");
    }
  }
  worker->FindBranches();
  return worker;
}

void PlanWorker::FindBranches() {
  const size_t n = plan_.stages();
  const auto first = StageId(plan_.sources.size());
  above_.assign(n, std::vector<bool>(n, false));
  for (StageId lower = first; lower < n; ++lower) {
    for (StageId input : plan_.node(lower).inputs) {
      above_[lower][input] = true;
      for (StageId k = 0; k < input; ++k) above_[lower][k] = above_[lower][k] || above_[input][k];
    }
  }
  for (StageId i = first; i < n; ++i) {
    for (auto j = StageId(i + 1); j < n; ++j) {
      if (plan_.node(i).expensive && plan_.node(j).expensive && !above_[j][i]) parallel_[i].push_back(j);
    }
  }
}

Status PlanWorker::Run(RecordBatch& batch, BranchRunner* branches) {
  if (batch.complete) return Status::Ok();
  bool returned = false;
  Status status = Guarded([&] {
    Status ran = RunBatch(batch, branches);
    returned = true;
    return ran;
  });
  if (returned) return status;
  return StopAt(at_, {{Code::kStage, "\"" + plan_.StageName(at_) + "\": " + status.message()}, ErrorClass::kStage});
}

bool PlanWorker::WorksAfterHandOver() const {
  return std::ranges::any_of(stages_,
                             [](const Stage& stage) { return stage.node != nullptr && stage.node->works_after(); });
}

Status PlanWorker::RunAfterHandOver(RecordBatch& batch) {
  Status first;
  bool worked = false;
  for (auto stage = StageId(plan_.sources.size()); stage < plan_.stages(); ++stage) {
    Node* node = stages_[stage].node.get();
    if (node == nullptr || !node->works_after() || !InBatch(batch, stage)) continue;
    StageRows& rows = batch.stages[stage];
    if (!rows.done || rows.reused || rows.active_count == 0 || batch.give_up == stage) continue;
    worked = true;
    const int64_t now = clock_.NowNs();
    if (context_.lane != nullptr) context_.lane->Busy(stage, now);
    Status status = CallAfterHandOver(context_, *node, batch, stage, now);
    if (status.ok()) continue;
    rows.arms.clear();
    if (first.ok()) first = status.WithContext("node \"" + plan_.node(stage).id + "\"");
  }
  if (worked && context_.lane != nullptr) context_.lane->Busy(context_.lane->source(), clock_.NowNs());
  return first;
}

Status PlanWorker::RunBatch(RecordBatch& batch, BranchRunner* branches) {
  if (batch.restored) {
    batch.encoded.targets.resize(plan_.targets.size());
  } else {
    batch.PrepareStages();
    batch.encoded.Clear(plan_.targets.size());
  }
  batch.encoded.positions = batch.positions;
  at_ = batch.source;
  if (!batch.stages[batch.source].done) RETURN_IF_ERROR(RunSource(batch));
  Status ran = RunNodes(batch, branches);
  if (context_.lane != nullptr) context_.lane->Busy(context_.lane->source(), clock_.NowNs());
  RETURN_IF_ERROR(std::move(ran));
  EncodeDeadLetters(batch);
  return Status::Ok();
}

Status PlanWorker::RunSource(RecordBatch& batch) {
  const int64_t begin = clock_.NowNs();
  const PlanSource& source = plan_.sources[batch.source];
  StageRows& stage = batch.stages[batch.source];
  if (batch.give_up == batch.source) return GiveUpSource(batch);
  std::fill(stage.outcome.begin(), stage.outcome.end(), Outcome::kOk);
  std::fill(stage.active.begin(), stage.active.end(), uint8_t{1});
  stage.active_count = batch.rows();
  for (const RowError& error : batch.source_errors) {
    stage.outcome[error.row] = Outcome::kFailed;
    stage.errors.push_back(error);
  }
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    if (batch.payload[row].size() <= plan_.limits.record_bytes || stage.outcome[row] != Outcome::kOk) continue;
    stage.outcome[row] = Outcome::kFailed;
    stage.errors.push_back({row, "too_large",
                            "the record has " + std::to_string(batch.payload[row].size()) +
                                " bytes; limits.record_bytes is " + std::to_string(plan_.limits.record_bytes)});
  }
  if (decoders_[batch.source]) decoders_[batch.source]->Decode(batch);
  ApplyKeyRule(source.key, batch);
  if (source.time) ApplyTimeRule(plan_, *source.time, clock_.WallMs(), batch);
  if (source.enforce_schema && source.schema) {
    const NodeRun run{batch, batch.source, stage.active, stage.active_count, std::numeric_limits<int64_t>::max()};
    for (uint32_t row = 0; row < batch.rows(); ++row) stage.active[row] = stage.outcome[row] == Outcome::kOk ? 1 : 0;
    source.schema->Check(batch, stage.active,
                         [&run](uint32_t row, std::string why) { run.FailRow(row, "schema", std::move(why)); });
  }
  LeaveOut(batch);
  SortByRow(&stage.errors);
  if (Status tripped = guards_.breakers[batch.source].Note(stage, &batch); !tripped.ok()) {
    return StopAt(batch.source, {tripped.WithContext("source \"" + source.id + "\""), ErrorClass::kBreaker});
  }
  stage.busy_ns = static_cast<uint64_t>(clock_.NowNs() - begin);
  stage.done = true;
  return Status::Ok();
}

Status PlanWorker::GiveUpSource(RecordBatch& batch) {
  batch.record_key = batch.key;
  batch.record_key_present = batch.key_present;
  if (plan_.sources[batch.source].time) batch.time_us.assign(batch.rows(), kNoTime);
  StageRows& stage = batch.stages[batch.source];
  std::fill(stage.outcome.begin(), stage.outcome.end(), Outcome::kOk);
  std::fill(stage.active.begin(), stage.active.end(), uint8_t{1});
  stage.active_count = batch.rows();
  LeaveOut(batch);
  GiveUpRows(batch, batch.source);
  stage.done = true;
  return Status::Ok();
}

// Of a batch that is given up only what its positions hold.
void PlanWorker::LeaveOut(RecordBatch& batch) {
  if (batch.give_up == kNoStage || batch.restored) return;
  StageRows& stage = batch.stages[batch.source];
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    const bool within = std::ranges::any_of(batch.positions, [&](const PositionRange& range) {
      return range.partition == batch.partition[row] && batch.offset[row] < range.next;
    });
    if (within) continue;
    stage.outcome[row] = Outcome::kAbsent;
    stage.active_count -= stage.active[row];
    stage.active[row] = 0;
  }
  std::erase_if(stage.errors, [&](const RowError& error) { return stage.outcome[error.row] == Outcome::kAbsent; });
}

bool PlanWorker::InBatch(const RecordBatch& batch, StageId stage) const {
  return plan_.node(stage).from_source[batch.source];
}

Status PlanWorker::RunNodes(RecordBatch& batch, BranchRunner* branches) {
  std::vector<StageEnd> ends;
  for (auto stage = StageId(plan_.sources.size()); stage < plan_.stages(); ++stage) {
    if (batch.stages[stage].done || !InBatch(batch, stage)) continue;
    at_ = stage;
    together_.assign(1, stage);
    if (branches != nullptr && !parallel_[stage].empty() && guards_.costs.ns_per_batch(stage) > kWorthAThreadNs) {
      for (StageId other : parallel_[stage]) {
        const PlanNode& node = plan_.node(other);
        const bool ready = std::all_of(node.inputs.begin(), node.inputs.end(), [&](StageId input) {
          return input < plan_.sources.size() || batch.stages[input].done || !InBatch(batch, input);
        });
        const bool waits = !batch.stages[other].done && InBatch(batch, other);
        if (ready && waits && guards_.costs.ns_per_batch(other) > kWorthAThreadNs) together_.push_back(other);
      }
    }
    if (together_.size() == 1) {
      StageEnd end = RunStage(batch, stage);
      if (!end.status.ok()) return StopAt(stage, std::move(end));
    } else {
      branches->RunStages(*this, batch, together_, &ends);
      RETURN_IF_ERROR(StopAtWorst(ends));
    }
    KeepResults(batch);
  }
  return Status::Ok();
}

// Of branches that ran together: a stage that failed comes before one that only heard of a stop.
Status PlanWorker::StopAtWorst(std::vector<StageEnd>& ends) {
  const auto cancelled = [&](size_t i) { return ends[i].status.code() == Code::kCancelled; };
  std::optional<size_t> worst;
  for (size_t i = 0; i < ends.size(); ++i) {
    if (!ends[i].status.ok() && (!worst || (cancelled(*worst) && !cancelled(i)))) worst = i;
  }
  return worst ? StopAt(together_[*worst], std::move(ends[*worst])) : Status::Ok();
}

StageId PlanWorker::costliest() const {
  auto most = StageId(plan_.sources.size());
  for (StageId stage = most; stage < plan_.stages(); ++stage) {
    if (guards_.costs.ns_per_batch(stage) > guards_.costs.ns_per_batch(most)) most = stage;
  }
  return most;
}

StageEnd PlanWorker::RunStage(RecordBatch& batch, StageId stage) {
  const int64_t begin = clock_.NowNs();
  if (context_.lane != nullptr) context_.lane->Busy(stage, begin);
  SelectRows(batch, stage);
  const Status asked = Guarded([&] {
    ApplyWhen(batch, stage);
    return Status::Ok();
  });
  if (!asked.ok()) return {{Code::kInternal, "\"when\" of this node: " + asked.message()}, ErrorClass::kStage};
  StageRows& rows = batch.stages[stage];
  if (stages_[stage].encoder && batch.give_up != stage && !guards_.refused.empty()) {
    guards_.refused.FailRows(batch, stage);
  }
  const bool call = rows.active_count > 0 && batch.give_up != stage;
  StageEnd end;
  if (call) {
    end = CallStageOf(batch, stage, begin);
    if (!end.status.ok()) return end;
  } else {
    for (ColumnId column : plan_.node(stage).makes) {
      batch.columns[column].Reset(plan_.columns[column].type, batch.rows());
    }
  }
  if (batch.give_up == stage) {
    GiveUpRows(batch, stage);
  } else {
    end = ApplyErrorPolicy(batch, stage);
    if (!end.status.ok()) return end;
  }
  if (plan_.node(stage).when) MarkSkipped(batch, stage);
  rows.done = true;
  if (!call) return end;
  rows.busy_ns = static_cast<uint64_t>(clock_.NowNs() - begin);
  guards_.costs.Note(stage, rows.busy_ns);
  if (meter_ != nullptr) meter_->Note(stage, rows);
  FaultPoint("stage.done", plan_.node(stage).id);
  return end;
}

StageEnd PlanWorker::CallStageOf(RecordBatch& batch, StageId stage, int64_t now_ns) {
  Stage& own = stages_[stage];
  StageEnd end = CallStage(context_, {own.node.get(), own.encoder.get()}, batch, stage, now_ns);
  if (end.status.ok()) return end;
  const Code code = end.status.code() == Code::kCancelled ? Code::kCancelled : Code::kStage;
  end.status = {code, "node \"" + plan_.node(stage).id + "\": " + end.status.message()};
  return end;
}

// The operator's word stands above `on_error`: EncodeDeadLetters takes every error of this stage.
void PlanWorker::GiveUpRows(RecordBatch& batch, StageId stage) {
  StageRows& rows = batch.stages[stage];
  const NodeRun run{batch, stage, rows.active, rows.active_count, 0};
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    if (rows.active[row]) run.FailRow(row, "given_up", "the operator gave up on this record (anabranch dlq skip)");
  }
  SortByRow(&rows.errors);
}

void PlanWorker::KeepResults(const RecordBatch& batch) {
  if (kept_ == nullptr) return;
  const bool asked = std::ranges::any_of(together_, [&](StageId stage) { return plan_.node(stage).keep_always; });
  if (!asked) return;
  std::vector<bool> done;
  for (const StageRows& stage : batch.stages) done.push_back(stage.done);
  kept_->Keep(batch, done);
}

// A row is active when every input of its own source let it through; under "join": "any" when one
// did and no branch failed it.
void PlanWorker::SelectRows(RecordBatch& batch, StageId stage) {
  const PlanNode& node = plan_.node(stage);
  StageRows& rows = batch.stages[stage];
  const uint32_t n = batch.rows();
  bool first = true;
  for (StageId input : node.inputs) {
    if (input < plan_.sources.size() ? input != batch.source : !InBatch(batch, input)) continue;
    const Outcome* outcome = batch.stages[input].outcome.data();
    for (uint32_t row = 0; row < n; ++row) {
      const uint8_t passed = Passed(outcome[row]) ? 1 : 0;
      if (first) {
        rows.active[row] = passed;
      } else if (!node.join_any) {
        rows.active[row] &= passed;
      } else {
        rows.active[row] |= passed;
      }
    }
    first = false;
  }
  if (node.join_any) DropFailedAbove(batch, stage);
  uint32_t count = 0;
  for (uint32_t row = 0; row < n; ++row) {
    count += rows.active[row];
    rows.outcome[row] = rows.active[row] ? Outcome::kOk : Outcome::kAbsent;
  }
  rows.active_count = count;
}

// A row that failed on a path to this node is gone, though another branch let it through.
void PlanWorker::DropFailedAbove(RecordBatch& batch, StageId stage) {
  for (StageId upper = 0; upper < stage; ++upper) {
    if (!IsAbove(upper, stage)) continue;
    const StageRows& above = batch.stages[upper];
    for (const RowError& error : above.errors) {
      if (!Passed(above.outcome[error.row])) batch.stages[stage].active[error.row] = 0;
    }
  }
}

void PlanWorker::ApplyWhen(RecordBatch& batch, StageId id) {
  const PlanNode& node = plan_.node(id);
  if (!node.when) return;
  Stage& stage = stages_[id];
  StageRows& rows = batch.stages[id];
  stage.when_errors.clear();
  stage.evaluator.Evaluate(*node.when, batch, rows.active, &stage.when, &stage.when_errors);
  const auto states = stage.when.states();
  const auto values = stage.when.values<uint8_t>();
  uint32_t count = 0;
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    if (!rows.active[row]) continue;
    if ((states[row] & kValid) && values[row]) {
      ++count;
    } else {
      rows.active[row] = 0;
      rows.outcome[row] = Outcome::kSkipped;
    }
  }
  rows.active_count = count;
  const NodeRun run{batch, id, rows.active, rows.active_count, 0};
  for (const ExpressionError& error : stage.when_errors) {
    run.FailRow(error.row, "expression", std::string("\"when\": ") + error.message);
  }
}

StageEnd PlanWorker::ApplyErrorPolicy(RecordBatch& batch, StageId id) {
  const PlanNode& node = plan_.node(id);
  StageRows& rows = batch.stages[id];
  SortByRow(&rows.errors);
  if (node.on_record_error == RecordPolicy::kDeadLetter) {
    Status tripped = guards_.breakers[id].Note(rows, &batch);
    if (!tripped.ok()) return {tripped.WithContext("node \"" + node.id + "\""), ErrorClass::kBreaker};
  }
  if (rows.errors.empty()) return {};
  if (node.on_record_error == RecordPolicy::kStop) {
    const RowError& error = rows.errors.front();
    const std::string record = RecordId(batch.partitions->at(batch.partition[error.row]), batch.offset[error.row]);
    return {{Code::kStage,
             "node \"" + node.id + "\": record " + record + ": " + error.message + " (\"on_error\" is \"stop\")"},
            ErrorClass::kContract};
  }
  if (node.on_record_error == RecordPolicy::kDefault || node.on_record_error == RecordPolicy::kNull) {
    for (const RowError& error : rows.errors) PassFailedRow(batch, id, error.row);
  }
  return {};
}

// The row goes on without results of this stage; its cells say why.
void PlanWorker::PassFailedRow(RecordBatch& batch, StageId id, uint32_t row) {
  const PlanNode& node = plan_.node(id);
  StageRows& rows = batch.stages[id];
  Mark mark = rows.outcome[row] == Outcome::kTimedOut ? Mark::kTimeout : Mark::kError;
  if (node.on_record_error == RecordPolicy::kDefault) {
    mark = Mark::kDefaulted;
    stages_[id].defaults.Apply(batch, row);
  }
  rows.outcome[row] = mark == Mark::kDefaulted ? Outcome::kDefaulted : Outcome::kMissed;
  for (const ColumnId column : node.makes) {
    uint8_t& state = batch.columns[column].states()[row];
    state = Marked(mark == Mark::kDefaulted ? state : uint8_t{kNull}, mark);
  }
}

void PlanWorker::MarkSkipped(RecordBatch& batch, StageId id) {
  const std::vector<Outcome>& outcome = batch.stages[id].outcome;
  for (const ColumnId column : plan_.node(id).makes) {
    const std::span<uint8_t> states = batch.columns[column].states();
    for (uint32_t row = 0; row < batch.rows(); ++row) {
      if (outcome[row] == Outcome::kSkipped) states[row] = Marked(kNull, Mark::kSkipped);
    }
  }
}

// Notes why the batch stops, for the lane.
Status PlanWorker::StopAt(StageId stage, StageEnd end) {
  failed_stage_ = stage;
  failed_class_ = end.error_class;
  too_large_ = end.too_large;
  failed_attempts_ = end.attempts;
  return std::move(end.status);
}

bool PlanWorker::DeadLetters(const RecordBatch& batch, StageId stage) const {
  return stage < plan_.sources.size() || stage == batch.give_up ||
         plan_.node(stage).on_record_error == RecordPolicy::kDeadLetter;
}

// In source order, whatever stage the rows failed in: order per partition holds for this target too.
void PlanWorker::EncodeDeadLetters(RecordBatch& batch) {
  std::vector<DeadLetterWriter::Failed> letters;
  for (StageId stage = 0; stage < plan_.stages(); ++stage) {
    StageRows& rows = batch.stages[stage];
    if (rows.errors.empty()) continue;
    if (!DeadLetters(batch, stage)) continue;
    for (const RowError& error : rows.errors) letters.push_back({&error, stage});
    rows.dead_lettered = static_cast<uint32_t>(rows.errors.size());
  }
  if (letters.empty()) return;
  std::stable_sort(letters.begin(), letters.end(),
                   [](const auto& a, const auto& b) { return a.error->row < b.error->row; });
  const std::string failed_at = FormatInstant(clock_.WallMs());
  const Failure* given_up = guards_.given_up ? &*guards_.given_up : nullptr;
  if (!dead_letters_) dead_letters_ = std::make_unique<DeadLetterWriter>(plan_, guards_.refused, given_up);
  dead_letters_->Append(batch, letters, failed_at, &batch.encoded.targets[plan_.dead_letters()]);
}

}  // namespace anabranch
