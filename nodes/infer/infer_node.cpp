#include <exception>

#include "nodes/infer/model_runner.h"
#include "nodes/infer/program.h"

namespace anabranch {
namespace {

class InferNode : public Node {
 public:
  explicit InferNode(std::unique_ptr<ModelRunner> runner) : runner_(std::move(runner)) {}

  bool judges_rows() const override { return true; }
  Status Process(const NodeRun& run) override {
    const InferPlan& plan = runner_->plan();
    try {
      for (const MadeValue& value : plan.values) run.batch.columns[value.id].Reset(value.type, run.batch.rows());
      return runner_->Score(run);
    } catch (const std::exception& error) {
      return {Code::kInternal, "model " + plan.label + ": " + error.what()};
    }
  }

 private:
  const std::unique_ptr<ModelRunner> runner_;
};

class InferProgram : public NodeProgram {
 public:
  explicit InferProgram(std::shared_ptr<const InferPlan> plan) : plan_(std::move(plan)), loader_(plan_) {}

  Result<std::unique_ptr<Node>> Open() const override {
    ASSIGN_OR_RETURN(auto runner, loader_.Load(true));
    return std::unique_ptr<Node>(std::make_unique<InferNode>(std::move(runner)));
  }

  std::map<std::string, std::string> Facts() const override { return FactsOf(*plan_, loader_.shape()); }
  std::optional<ModelFacts> model() const override { return ModelFactsOf(*plan_, loader_.load_seconds()); }
  int64_t EstimateNs(uint32_t rows) const override {
    const std::optional<CallShape> shape = loader_.shape();
    return shape ? shape->EstimateNs(rows) : 0;
  }
  bool deterministic() const override { return !plan_->nondeterministic; }
  std::string FingerprintExtra() const override { return plan_->model->sha256; }

 private:
  const std::shared_ptr<const InferPlan> plan_;
  mutable ModelLoader loader_;
};

}  // namespace

std::map<std::string, std::string> FactsOf(const InferPlan& plan, const std::optional<CallShape>& shape) {
  std::map<std::string, std::string> facts = {{"model", plan.label}, {"sha256", plan.model->sha256}};
  if (plan.fixed_rows != 0) facts["rows_per_call"] = std::to_string(plan.fixed_rows);
  if (plan.max_rows != 0 && plan.fixed_rows == 0) facts["rows_per_call"] = std::to_string(plan.max_rows);
  if (!shape) return facts;
  facts["rows_per_call"] = std::to_string(shape->records);
  if (plan.nondeterministic) facts["nondeterministic"] = "yes";
  facts["in_place"] = shape->borrows ? "yes" : "no";
  facts["batch_invariant"] = shape->invariant ? "yes" : shape->runs ? "no" : "unknown";
  if (shape->fixed_rows != 0) facts["padded_rows"] = std::to_string(shape->fixed_rows);
  return facts;
}

ModelFacts ModelFactsOf(const InferPlan& plan, double load_seconds) {
  const size_t at = plan.label.find('@');
  ModelFacts facts{plan.label.substr(0, at), at == std::string::npos ? "" : plan.label.substr(at + 1)};
  facts.file_bytes = plan.model->file_bytes;
  for (const ModelFile::Data& data : plan.model->data) facts.file_bytes += data.bytes;
  facts.load_seconds = load_seconds;
  return facts;
}

std::shared_ptr<const NodeProgram> MakeInferProgram(std::shared_ptr<const InferPlan> plan) {
  return std::make_shared<InferProgram>(std::move(plan));
}

}  // namespace anabranch
