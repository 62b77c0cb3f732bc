#include <algorithm>
#include <exception>

#include "nodes/infer/arm_scorer.h"
#include "nodes/infer/arms.h"
#include "nodes/infer/program.h"
#include "nodes/infer/stamps.h"
#include "nodes/infer/versions.h"

namespace anabranch {
namespace {

// Scores each row as its generation says.
class ManagedNode : public Node {
 public:
  ManagedNode(const std::shared_ptr<const BoundVersion>& start, std::shared_ptr<VersionShelf> shelf)
      : plan_(start->loader.plan()), shelf_(std::move(shelf)), scorer_(plan_), stamps_(start) {}

  bool judges_rows() const override { return true; }
  Status Process(const NodeRun& run) override {
    return AtWork([&] { return Score(run); });
  }

  bool works_after() const override { return shelf_->shadows(); }
  Status AfterHandOver(const NodeRun& run) override {
    const bool scored = !run.rows().reused && run.batch.give_up != run.stage && run.active_count != 0;
    return scored ? AtWork([&] { return ScoreUnseen(run); }) : Status::Ok();
  }

 private:
  using Entry = VersionTable::Entry;

  // Meanwhile neither the table nor a runner changes.
  template <typename Work>
  Status AtWork(const Work& work) {
    shelf_->BeginBatch();
    Status status;
    try {
      status = work();
    } catch (const std::exception& error) {
      status = {Code::kInternal, "model " + plan_.model_name + ": " + error.what()};
    }
    shelf_->EndBatch();
    return status;
  }

  Status Score(const NodeRun& run) {
    run.rows().version.clear();
    run.rows().versions.clear();
    run.rows().arms.clear();
    for (const MadeValue& value : plan_.values) run.batch.columns[value.id].Reset(value.type, run.batch.rows());
    for (const ShownFeature& shown : plan_.shown) run.batch.columns[shown.id].Reset(shown.type, run.batch.rows());
    for (const RowStamp& stamp : plan_.stamps) run.batch.columns[stamp.id].Reset(stamp.type(), run.batch.rows());
    stamps_.Begin();
    const Entry* only = OnlyGeneration(shelf_->table(), run.batch);
    if (only == nullptr || only->has_cut()) {
      RETURN_IF_ERROR(ScoreParts(only, run));
    } else if (only->divides()) {
      RETURN_IF_ERROR(ScoreGeneration(*only, 0, run));
    } else {
      ASSIGN_OR_RETURN(ModelRunner * runner, RunnerOf(*only, 0));
      RETURN_IF_ERROR(runner->Score(run));
      stamps_.NoteAll(*only);
    }
    stamps_.Write(run);
    return Status::Ok();
  }

  // `only`: the generation of all rows; null: there are several.
  Status ScoreParts(const Entry* only, const NodeRun& run) {
    RETURN_IF_ERROR(division_.Divide(shelf_->table(), only, run));
    for (const GenerationRows& part : division_.parts()) {
      RETURN_IF_ERROR(ScoreGeneration(*part.entry, part.arm, Of(part, run)));
    }
    if (division_.without_time() != 0) TellWithoutTime(run);
    std::ranges::sort(run.rows().errors, {}, &RowError::row);
    return Status::Ok();
  }

  // The sum is for `status`, the line for the operator's log: once per generation.
  void TellWithoutTime(const NodeRun& run) {
    const uint32_t rows = division_.without_time();
    run.rows().tally.assign(1, rows);
    const GenerationRows& part = *std::ranges::find_if(
        division_.parts(), [](const GenerationRows& each) { return each.entry->has_cut() && each.arm == 1; });
    if (told_ == part.entry->from) return;
    told_ = part.entry->from;
    run.rows().notice = (rows == 1 ? "1 record of a batch has" : std::to_string(rows) + " records of a batch have") +
                        " no time; " + part.entry->arms[1]->loader.plan().label +
                        " scores such records, as if they were of its event time. \"status\" counts them";
  }

  static NodeRun Of(const GenerationRows& part, const NodeRun& run) {
    return {run.batch, run.stage, part.active, part.count, run.deadline_ns, run.due_ns};
  }

  // `arm`: that scores them all; of a generation that divides them: 0.
  Status ScoreGeneration(const Entry& entry, size_t arm, const NodeRun& run) {
    ASSIGN_OR_RETURN(ModelRunner * serving, RunnerOf(entry, arm));
    if (!entry.divides()) {
      RETURN_IF_ERROR(serving->Score(run));
      return stamps_.NoteRows(entry, run, nullptr, arm);
    }
    runners_.assign(1, serving);
    while (runners_.size() < entry.arms.size()) {
      ASSIGN_OR_RETURN(ModelRunner * runner, RunnerOf(entry, runners_.size()));
      runners_.push_back(runner);
    }
    RETURN_IF_ERROR(scorer_.Answer(run, entry, runners_));
    return stamps_.NoteRows(entry, run, run.rows().arms.back().get());
  }

  Status ScoreUnseen(const NodeRun& run) {
    const Entry* only = OnlyGeneration(shelf_->table(), run.batch);
    if (only != nullptr) return ScoreShadow(*only, run, true);
    RETURN_IF_ERROR(division_.Divide(shelf_->table(), nullptr, run));
    for (const GenerationRows& part : division_.parts()) {
      RETURN_IF_ERROR(ScoreShadow(*part.entry, Of(part, run), false));
    }
    return Status::Ok();
  }

  // Of an older generation nobody compares any more: its candidate may have been rolled back as it kills the process.
  Status ScoreShadow(const Entry& entry, const NodeRun& run, bool alone) {
    const bool newest = &entry == &shelf_->table().entries.back();
    if (!newest || entry.rule() != ArmRule::kShadow || entry.arms.empty()) return Status::Ok();
    ASSIGN_OR_RETURN(ModelRunner * candidate, RunnerOf(entry, 1));
    scorer_.ScoreUnseen(run, entry, *candidate, alone);
    return Status::Ok();
  }

  Result<ModelRunner*> RunnerOf(const Entry& entry, size_t arm) {
    if (entry.arms.empty()) {
      return Status(Code::kInternal, "model " + plan_.model_name + " has no version for rows of generation " +
                                         std::to_string(entry.from) + ": it was never prepared, or is given up");
    }
    const std::shared_ptr<BoundVersion>& version = entry.arms[arm];
    ModelRunner* runner = shelf_->Find(*version);
    if (runner != nullptr) return runner;
    // Nobody prepared it: it is the version that the file names.
    ASSIGN_OR_RETURN(auto loaded, version->loader.Load(false));
    runner = loaded.get();
    shelf_->Add({version, std::move(loaded)});
    return runner;
  }

  const InferPlan& plan_;  // of the version that the file names: what the columns are
  const std::shared_ptr<VersionShelf> shelf_;
  ArmScorer scorer_;
  VersionStamps stamps_;
  RowDivision division_;
  std::vector<ModelRunner*> runners_;
  GenerationId told_{0};  // the generation of which the operator's log has heard that records have no time
};

class ManagedProgram : public NodeProgram {
 public:
  ManagedProgram(std::shared_ptr<const InferPlan> plan, const BindContext& context)
      : plan_(plan), versions_(std::move(plan), context) {}

  Result<std::unique_ptr<Node>> Open() const override {
    ASSIGN_OR_RETURN(auto shelf, versions_.Open());
    return std::unique_ptr<Node>(std::make_unique<ManagedNode>(versions_.start(), std::move(shelf)));
  }

  ManagedModel* managed() const override { return &versions_; }
  // The model is that of the file: what the plan says does not change while it runs.
  std::map<std::string, std::string> Facts() const override {
    std::map<std::string, std::string> facts = FactsOf(*plan_, versions_.newest()->loader.shape());
    facts["package"] = plan_->package->manifest.digest;
    return facts;
  }
  std::optional<ModelFacts> model() const override {
    const std::shared_ptr<BoundVersion> newest = versions_.newest();
    return ModelFactsOf(newest->loader.plan(), newest->loader.load_seconds());
  }
  int64_t EstimateNs(uint32_t rows) const override {
    const std::optional<CallShape> shape = versions_.newest()->loader.shape();
    return shape ? shape->EstimateNs(rows) : 0;
  }
  std::vector<std::string> Tallies() const override { return {"no_time"}; }
  bool deterministic() const override { return !plan_->nondeterministic; }

 private:
  const std::shared_ptr<const InferPlan> plan_;
  mutable Versions versions_;
};

}  // namespace

std::shared_ptr<const NodeProgram> MakeManagedProgram(std::shared_ptr<const InferPlan> plan,
                                                      const BindContext& context) {
  return std::make_shared<ManagedProgram>(std::move(plan), context);
}

}  // namespace anabranch
