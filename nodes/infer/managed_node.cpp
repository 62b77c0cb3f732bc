#include <algorithm>
#include <exception>

#include "nodes/infer/program.h"
#include "nodes/infer/versions.h"

namespace anabranch {
namespace {

constexpr size_t kMostParts = 250;  // StageRows::version is a byte

// Scores each row with the version of its generation.
class ManagedNode : public Node {
 public:
  ManagedNode(std::shared_ptr<const BoundVersion> start, std::shared_ptr<VersionShelf> shelf)
      : start_(std::move(start)), plan_(start_->loader.plan()), shelf_(std::move(shelf)) {}

  bool judges_rows() const override { return true; }
  Status Process(const NodeRun& run) override {
    shelf_->BeginBatch();
    Status status;
    try {
      status = Score(run);
    } catch (const std::exception& error) {
      status = {Code::kInternal, "model " + plan_.model_name + ": " + error.what()};
    }
    shelf_->EndBatch();
    return status;
  }

 private:
  using Entry = VersionTable::Entry;
  // The rows of one generation.
  struct Part {
    const Entry* entry = nullptr;
    std::vector<uint8_t> active;
    uint32_t count = 0;
  };

  Status Score(const NodeRun& run) {
    run.rows().version.clear();
    run.rows().versions.clear();
    for (const MadeValue& value : plan_.values) run.batch.columns[value.id].Reset(value.type, run.batch.rows());
    for (const ShownFeature& shown : plan_.shown) run.batch.columns[shown.id].Reset(shown.type, run.batch.rows());
    for (const RowStamp& stamp : plan_.stamps) {
      const Kind kind = stamp.what == RowStamp::What::kVersion ? Kind::kString : Kind::kInt64;
      run.batch.columns[stamp.id].Reset(Type::Scalar(kind), run.batch.rows());
    }
    const Entry* only = OnlyGeneration(run.batch);
    if (only != nullptr) {
      ASSIGN_OR_RETURN(ModelRunner * runner, RunnerOf(*only));
      RETURN_IF_ERROR(runner->Score(run));
    } else {
      RETURN_IF_ERROR(ScoreParts(run));
    }
    NoteVersions(run, only);
    if (!plan_.stamps.empty()) MakeStamps(run, only);
    return Status::Ok();
  }

  // The generation of all rows; null when there are several.
  const Entry* OnlyGeneration(const RecordBatch& batch) const {
    const VersionTable& table = shelf_->table();
    const Entry* only = nullptr;
    for (const PositionRange& range : batch.positions) {
      const Entry& first = table.At(range.scoring.At(range.first));
      if (batch.encoded.replayed != nullptr) return &first;  // the rows are of other partitions
      const Entry& last = table.At(range.scoring.At(std::max(range.first, range.next - 1)));
      if (&first != &last || (only != nullptr && only != &first)) return nullptr;
      only = &first;
    }
    return only != nullptr ? only : &table.At({});
  }

  Result<ModelRunner*> RunnerOf(const Entry& entry) {
    if (entry.version == nullptr) {
      return Status(Code::kInternal, "model " + plan_.model_name + " has no version for rows of generation " +
                                         std::to_string(entry.from) + ": it was never prepared, or is given up");
    }
    ModelRunner* runner = shelf_->Find(*entry.version);
    if (runner != nullptr) return runner;
    // Nobody prepared it: it is the version that the file names.
    ASSIGN_OR_RETURN(auto loaded, entry.version->loader.Load(false));
    runner = loaded.get();
    shelf_->Add({entry.version, std::move(loaded)});
    return runner;
  }

  Status ScoreParts(const NodeRun& run) {
    RETURN_IF_ERROR(DivideRows(run));
    for (size_t i = 0; i < parts_; ++i) {
      const Part& part = all_parts_[i];
      if (part.count == 0) continue;
      ASSIGN_OR_RETURN(ModelRunner * runner, RunnerOf(*part.entry));
      RETURN_IF_ERROR(runner->Score({run.batch, run.stage, part.active, part.count, run.deadline_ns, run.due_ns}));
    }
    std::ranges::sort(run.rows().errors, {}, &RowError::row);
    return Status::Ok();
  }

  // Sorts the rows into parts by their generation. Rows of a partition usually stand side by side.
  Status DivideRows(const NodeRun& run) {
    const RecordBatch& batch = run.batch;
    parts_ = 0;
    part_of_.assign(batch.rows(), 0);
    const PositionRange* range = &batch.positions.front();
    for (uint32_t row = 0; row < batch.rows(); ++row) {
      if (run.active[row] == 0) continue;
      if (range->partition != batch.partition[row]) {
        const auto found = std::ranges::find(batch.positions, batch.partition[row], &PositionRange::partition);
        if (found == batch.positions.end()) {
          return {Code::kInternal, "the batch does not say which generation scores a row at offset " +
                                       std::to_string(batch.offset[row])};
        }
        range = &*found;
      }
      if (parts_ > kMostParts) return {Code::kInternal, "the rows of one batch are of too many generations"};
      const size_t at = PartOf(shelf_->table().At(range->scoring.At(batch.offset[row])), batch.rows());
      part_of_[row] = static_cast<uint8_t>(at);
      all_parts_[at].active[row] = 1;
      ++all_parts_[at].count;
    }
    return Status::Ok();
  }

  size_t PartOf(const Entry& entry, uint32_t rows) {
    for (size_t i = 0; i < parts_; ++i) {
      if (all_parts_[i].entry == &entry) return i;
    }
    if (parts_ == all_parts_.size()) all_parts_.emplace_back();
    Part& part = all_parts_[parts_];
    part.entry = &entry;
    part.active.assign(rows, 0);
    part.count = 0;
    return parts_++;
  }

  // Says by which version the rows were scored, unless it is the one that the file names.
  void NoteVersions(const NodeRun& run, const Entry* only) const {
    if (only != nullptr && only->version == start_) return;
    StageRows& rows = run.rows();
    rows.version.assign(run.batch.rows(), 0);
    if (only != nullptr) {
      rows.versions.push_back(LabelOf(*only));
      return;
    }
    std::ranges::copy(part_of_, rows.version.begin());
    for (size_t i = 0; i < parts_; ++i) rows.versions.push_back(LabelOf(*all_parts_[i].entry));
  }

  static std::string LabelOf(const Entry& entry) {
    return entry.version == nullptr ? std::string() : entry.version->loader.plan().label;
  }

  // Of the rows that have a result.
  void MakeStamps(const NodeRun& run, const Entry* only) const {
    const RecordBatch& batch = run.batch;
    const auto entry_of = [&](uint32_t row) { return only != nullptr ? only : all_parts_[part_of_[row]].entry; };
    for (const RowStamp& stamp : plan_.stamps) {
      const bool is_version = stamp.what == RowStamp::What::kVersion;
      Column& column = run.batch.columns[stamp.id];
      const Entry* last = nullptr;
      std::string_view text;
      for (uint32_t row = 0; row < batch.rows(); ++row) {
        if (run.active[row] == 0 || run.rows().outcome[row] != Outcome::kOk) continue;
        const Entry* entry = entry_of(row);
        if (is_version && entry != last) {
          text = column.text().Copy(entry->version->loader.plan().package->manifest.version);
        }
        last = entry;
        if (is_version) column.values<std::string_view>()[row] = text;
        if (!is_version) column.values<int64_t>()[row] = static_cast<int64_t>(uint32_t{entry->from});
        column.states()[row] = kValid;
      }
    }
  }

  const std::shared_ptr<const BoundVersion> start_;
  const InferPlan& plan_;  // of the start version: what the columns are
  const std::shared_ptr<VersionShelf> shelf_;
  std::vector<Part> all_parts_;  // the first `parts_` of them are in use
  size_t parts_ = 0;
  std::vector<uint8_t> part_of_;  // by row
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
