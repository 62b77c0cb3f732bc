#include "nodes/infer/arm_scorer.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "engine/clock.h"
#include "nodes/infer/compared.h"

namespace anabranch {
namespace {

Status ScoreGuarded(const NodeRun& run, ModelRunner& runner) {
  try {
    return runner.Score(run);
  } catch (const std::exception& error) {
    return {Code::kInternal, "model " + runner.plan().label + ": " + error.what()};
  }
}

// Of one of `rows` rows, by the calls from number `first` on.
int64_t NsPerRow(std::span<const StageRows::ModelCall> calls, size_t first, uint32_t rows) {
  int64_t ns = 0;
  for (const StageRows::ModelCall& call : calls.subspan(first)) ns += call.ns;
  return ns == 0 || rows == 0 ? -1 : ns / rows;
}

// When an arm has to be done, so that those after it have time as well.
int64_t DeadlineOf(int64_t deadline_ns, size_t arms_left) {
  if (deadline_ns == INT64_MAX) return deadline_ns;
  const int64_t now = Clock::Real().NowNs();
  return now + std::max<int64_t>(deadline_ns - now, 0) / static_cast<int64_t>(arms_left);
}

// What a row takes the serving version, had it as few rows per call as its shadow.
int64_t ServingNs(const NodeRun& run, const BoundVersion& serving, uint32_t drawn) {
  const int64_t measured = NsPerRow(run.rows().calls, 0, run.active_count);
  const std::optional<CallShape> shape = serving.loader.shape();
  if (measured < 0 || drawn == 0 || drawn >= run.active_count || !shape) return measured;
  const auto few = static_cast<double>(shape->EstimateNs(drawn)) / drawn;
  const auto all = static_cast<double>(shape->EstimateNs(run.active_count)) / run.active_count;
  return all > 0 ? static_cast<int64_t>(static_cast<double>(measured) * few / all) : measured;
}

}  // namespace

// While it lives, the batch has other columns, outcomes and errors of this node: those of the scorer.
class ArmScorer::Aside {
 public:
  Aside(const NodeRun& run, ArmScorer& scorer) : run_(run), scorer_(scorer) { Swap(); }
  ~Aside() { Swap(); }
  Aside(const Aside&) = delete;
  Aside& operator=(const Aside&) = delete;

 private:
  void Swap() {
    for (size_t i = 0; i < scorer_.written_.size(); ++i) {
      std::swap(run_.batch.columns[scorer_.written_[i].id], scorer_.columns_[i]);
    }
    std::swap(run_.rows().outcome, scorer_.outcome_);
    std::swap(run_.rows().errors, scorer_.errors_);
    std::swap(run_.rows().calls, scorer_.calls_);
  }

  const NodeRun& run_;
  ArmScorer& scorer_;
};

ArmScorer::ArmScorer(const InferPlan& plan) : compared_(ComparedValues(plan)) {
  for (const MadeValue& value : plan.values) written_.push_back({value.id, value.type});
  for (const ShownFeature& shown : plan.shown) written_.push_back({shown.id, shown.type});
}

// ------------------------------------------------------------------ answers

Status ArmScorer::Answer(const NodeRun& run, const VersionTable::Entry& entry, std::span<ModelRunner* const> runners) {
  const std::shared_ptr<ArmScores> scores = Begin(run, entry);
  scores->answered = scores->drawn;
  for (size_t arm = 1; arm < runners.size(); ++arm) {
    const uint32_t count = Pick(scores->drawn, static_cast<uint8_t>(arm));
    if (count == 0) continue;
    const NodeRun part = Picked(run, count, DeadlineOf(run.deadline_ns, runners.size() - arm + 1));
    scores->second_ns = TryArm(part, *runners[arm], scores.get());
    if (!failure_.ok()) NoteFailure(part, entry, *runners[arm]);
  }
  const uint32_t rest = Pick(scores->answered, 0);
  if (rest != 0) RETURN_IF_ERROR(runners[0]->Score(Picked(run, rest, run.deadline_ns)));
  if (entry.rule() == ArmRule::kCanary) {
    for (size_t row = 0; row < scores->drawn.size(); ++row) scores->paired[row] = scores->drawn[row] == 1 ? 1 : 0;
    const uint32_t both = Pick(scores->answered, 1);
    scores->first_ns = ScoreAside(Picked(run, both, run.deadline_ns), *runners[0], scores.get());
  } else {
    scores->second_ns = -1;
  }
  run.rows().arms.push_back(scores);
  return Status::Ok();
}

std::shared_ptr<ArmScores> ArmScorer::Begin(const NodeRun& run, const VersionTable::Entry& entry) {
  auto scores = std::make_shared<ArmScores>();
  scores->generation = entry.from;
  draw_.DrawAll(entry.record, run, &scores->drawn);
  scores->paired.assign(run.batch.rows(), 0);
  scores->other_outcome.assign(run.batch.rows(), Outcome::kOk);
  return scores;
}

uint32_t ArmScorer::Pick(const std::vector<uint8_t>& arms, uint8_t arm) {
  picked_.resize(arms.size());
  uint32_t count = 0;
  for (size_t row = 0; row < arms.size(); ++row) {
    picked_[row] = arms[row] == arm ? 1 : 0;
    count += picked_[row];
  }
  return count;
}

NodeRun ArmScorer::Picked(const NodeRun& run, uint32_t count, int64_t deadline_ns) const {
  return {run.batch, run.stage, picked_, count, deadline_ns, run.due_ns};
}

// What the arm fails is undone: the first one answers it. Returns the time per row; -1: unknown.
int64_t ArmScorer::TryArm(const NodeRun& run, ModelRunner& runner, ArmScores* scores) {
  StageRows& rows = run.rows();
  const size_t errors = rows.errors.size(), calls = rows.calls.size();
  failure_ = ScoreGuarded(run, runner);
  if (!failure_.ok()) GiveUpRows(run, scores);
  for (size_t i = errors; i < rows.errors.size(); ++i) {
    const uint32_t row = rows.errors[i].row;
    scores->answered[row] = 0;
    scores->other_outcome[row] = rows.outcome[row];
    rows.outcome[row] = Outcome::kOk;
  }
  rows.errors.resize(errors);
  return failure_.ok() ? NsPerRow(rows.calls, calls, run.active_count) : -1;
}

// A call that failed as a whole fails all its rows.
void ArmScorer::GiveUpRows(const NodeRun& run, ArmScores* scores) {
  for (uint32_t row = 0; row < run.batch.rows(); ++row) {
    if (run.active[row] == 0) continue;
    scores->answered[row] = 0;
    scores->other_outcome[row] = Outcome::kFailed;
    run.rows().outcome[row] = Outcome::kOk;
    for (const Written& written : written_) run.batch.columns[written.id].states()[row] = kNull;
  }
  std::erase_if(run.rows().errors, [&](const RowError& error) { return run.active[error.row] != 0; });
}

// Once per generation: each batch would fail like this.
void ArmScorer::NoteFailure(const NodeRun& run, const VersionTable::Entry& entry, const ModelRunner& runner) {
  if (told_ == entry.from) return;
  told_ = entry.from;
  run.rows().notice = failure_.message() + "; " + entry.arms[0]->loader.plan().label + " answers the " +
                      std::to_string(run.active_count) + " records of that call, and those of later calls of " +
                      runner.plan().label + " that fail";
}

// ------------------------------------------------------------------ comparison

void ArmScorer::ScoreUnseen(const NodeRun& run, const VersionTable::Entry& entry, ModelRunner& candidate, bool alone) {
  const std::shared_ptr<ArmScores> scores = Begin(run, entry);
  scores->answered.assign(run.batch.rows(), ArmScores::kNoArm);
  for (uint32_t row = 0; row < run.batch.rows(); ++row) {
    if (run.active[row] != 0) scores->answered[row] = 0;
  }
  const uint32_t count = Pick(scores->drawn, 1);
  if (count != 0) {
    scores->paired = picked_;
    if (alone) scores->first_ns = ServingNs(run, *entry.arms[0], count);
    scores->second_ns = ScoreAside(Picked(run, count, run.deadline_ns), candidate, scores.get());
  }
  run.rows().arms.push_back(scores);
}

// Scores rows that another arm answers: only `scores` says what comes of it. Returns the time per row; -1: unknown.
int64_t ArmScorer::ScoreAside(const NodeRun& run, ModelRunner& runner, ArmScores* scores) {
  if (std::ranges::count(scores->paired, 1) == 0) return -1;
  PrepareAside(run.batch.rows());
  Status status;
  if (run.active_count != 0) {
    const Aside aside(run, *this);
    status = ScoreGuarded(run, runner);
  }
  for (uint32_t row = 0; row < run.batch.rows(); ++row) {
    if (run.active[row] != 0) scores->other_outcome[row] = status.ok() ? outcome_[row] : Outcome::kFailed;
  }
  for (const size_t i : compared_) {
    scores->columns.push_back(written_[i].id);
    scores->other.push_back(std::exchange(columns_[i], Column()));
  }
  return status.ok() ? NsPerRow(calls_, 0, run.active_count) : -1;
}

void ArmScorer::PrepareAside(uint32_t rows) {
  columns_.resize(written_.size());
  for (size_t i = 0; i < written_.size(); ++i) columns_[i].Reset(written_[i].type, rows);
  outcome_.assign(rows, Outcome::kOk);
  errors_.clear();
  calls_.clear();
}

}  // namespace anabranch
