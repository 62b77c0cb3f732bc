#include "nodes/infer/infer.h"

#include <exception>

#include "nodes/infer/bind.h"
#include "nodes/infer/onnx.h"
#include "nodes/infer/program.h"
#include "nodes/infer/version_context.h"

namespace anabranch {
namespace {

NodeKind::Spec MakeSpec() {
  NodeKind::Spec spec;
  spec.name = "infer";
  spec.summary = "Runs an ONNX model over the records and adds its outputs as columns.";
  spec.about =
      "Names a model of the topology's `models` section, the columns that feed it, and the columns to make of its "
      "outputs. The model file is read when the topology is checked: the names, numbers and types of features and "
      "outputs are compared with its declarations.\n\n"
      "`features` as a list packs columns side by side into the model's one input, in this order. As an object it "
      "maps each input of the model to a column or a list of columns. Numbers and flags feed float inputs, integers "
      "and flags integer inputs, texts string inputs; a tensor column feeds an input of its shape, a flat one any "
      "input with as many values.\n\n"
      "`outputs` maps each new column to a part of an output, as the model names it: `label`, `probabilities` (a "
      "tensor), `probabilities[1]`, `Y[1][2]`, `output_probability['malignant']` (a ZipMap by its class), "
      "`output_probability` (all its classes as a vector, whose names an ensemble knows).\n\n"
      "A record with a null feature fails, unless `nulls` is `\"nan\"` and the input holds floats. A record whose "
      "output is not finite fails, unless `allow_nan` is true. A record that the model refuses fails alone.\n\n"
      "The model is called with up to `batch.max_rows` records. The results do not depend on that number: no call has "
      "one row, and a model whose results vary with the number of rows is called with one padded size.\n\n"
      "A call may take 30 s, or the model's `call_timeout_ms`, unless the node has a `timeout_ms`. A record that makes "
      "the model take longer fails; if more than one record of a call does, the stage stops. A model that draws random "
      "numbers is refused unless it is declared `\"nondeterministic\": true`.\n\n"
      "A model with a `registry` has versions, each a package (docs/model-packages.md), that come and go while records "
      "flow. Every version gets the same columns and makes the same columns. With `\"features\": \"package\"` the "
      "expressions of its `features.json` make the model's features of the columns that the node can read; they stay "
      "inside the node. Vectors of class probabilities keep the order of the version that the file names, whatever "
      "order the classes have in another version. `@feature.NAME` shows a feature that the package makes.\n\n"
      "`@version` is the version that scored the record, `@generation` the number of the change that made it the one "
      "(docs/models-on-the-stream.md). In a canary or a bandit, a record draws one of several versions by its key, or "
      "by its ID if it has no key. If that version fails the record, the serving version answers it: `@arm` is the "
      "version that the record drew, `@version` the one that answered. `@propensity` is the probability with which it "
      "drew `@arm`; where nothing is drawn, 1. A record that has no result has none of them.\n\n"
      "Of a canary, both versions score the records that the candidate answers, within the same `timeout_ms`: the "
      "candidate may take half of it. A shadow scores after the results were handed over, so it delays none of them. "
      "What is compared: texts, flags and integers as labels, floats as numbers, each element of a vector of at most "
      "100 floats as a number.";
  spec.fields = {
      {"model", Shape::String(), true, "", "the model's name in the topology's `models` section"},
      {"features",
       Shape::OneOf({Shape::Enum({"package"}), Shape::List(Shape::Column(), true),
                     Shape::Map(Shape::OneOf({Shape::Column(), Shape::List(Shape::Column(), true)}), true)}),
       true, "",
       "the columns that feed the model: a list for its one input, an object input → column or list, or `\"package\"`: "
       "as the model's package says"},
      {"outputs", Shape::Map(Shape::String(), true), true, "",
       "new column → model output, e.g. \"probabilities[1]\" or \"output_probability['spam']\"; of a model with "
       "versions also \"@version\", \"@generation\", \"@arm\", \"@propensity\" and \"@feature.NAME\""},
      {"batch",
       Shape::Object({{"max_rows", Shape::Integer(1, 4096), false, "",
                       "rows per model call; if you omit it, the program measures it when it loads the model"}}),
       false, "", "how records are grouped into model calls", Affects::kNothing},
      {"nulls", Shape::Enum({"error", "nan"}), false, "\"error\"",
       "what happens to a null feature: its record fails, or the model gets NaN"},
      {"allow_nan", Shape::Bool(), false, "false", "whether outputs may be NaN or infinite"},
  };
  spec.example = R"({
  "kind": "infer",
  "inputs": ["feat"],
  "model": "gbt",
  "features": ["log_amount", "is_home"],
  "outputs": {"p_gbt": "probabilities[1]"},
  "batch": {"max_rows": 64},
  "timeout_ms": 20
})";
  spec.version = 1;
  spec.results = true;
  spec.expensive = true;
  return spec;
}

class InferKind : public NodeKind {
 public:
  const Spec& spec() const override { return spec_; }

  std::vector<Library> Libraries() const override {
    const Result<OnnxLibrary> found = LoadOnnxLibrary();
    if (found.ok()) return {{"ONNX Runtime", found->version, "libonnxruntime", {}}};
    return {{"ONNX Runtime", "", "libonnxruntime", {found.status().code(), "missing: " + found.status().message()}}};
  }

  std::shared_ptr<const NodeProgram> Bind(BindContext& context) const override {
    try {
      auto plan = BindInfer(context, models_);
      if (plan == nullptr) return nullptr;
      return plan->package == nullptr ? MakeInferProgram(std::move(plan))
                                      : MakeManagedProgram(std::move(plan), context);
    } catch (const std::exception& error) {
      context.faults().Add(FaultCode::kModelLoad, context.config(),
                           std::string("the model cannot be checked: ") + error.what());
      return nullptr;
    }
  }

 private:
  const Spec spec_ = MakeSpec();
  mutable ModelCache models_;
};

}  // namespace

namespace {

const ConfigValue& MemberOf(const ConfigValue& object, const char* name) {
  static const ConfigValue kNothing;
  const ConfigValue* found = object.Find(name);
  return found == nullptr ? kNothing : *found;
}

// Features and outputs of `plan`, whose model is known if `ok`.
bool BindParts(BindContext& context, const InferPlan* serving, bool ok, InferPlan* plan) {
  const ConfigValue& features = MemberOf(context.config(), "features");
  if (ok) {
    ok = BindInputs(context, features, plan);
  } else if (!features.is_string()) {
    NoteFeatures(context, features);
  }
  return BindOutputs(context, MemberOf(context.config(), "outputs"), serving, plan) && ok;
}

}  // namespace

std::shared_ptr<const InferPlan> BindInfer(BindContext& context, ModelCache& models) {
  const ConfigValue& config = context.config();
  auto plan = std::make_shared<InferPlan>();
  plan->node = context.node_id();
  plan->null_is_nan = config.Text("nulls", "error") == "nan";
  plan->allow_nan = config.Flag("allow_nan", false);
  plan->max_rows = static_cast<uint32_t>(MemberOf(config, "batch").Integer("max_rows", 0));
  const bool found = FindModel(context, models, plan.get());
  if (!BindParts(context, nullptr, found, plan.get())) return nullptr;
  WarnOptionalFields(context, MemberOf(config, "features"), *plan);
  return plan;
}

Result<std::shared_ptr<const InferPlan>> BindVersion(const Surroundings& surroundings, const InferPlan& serving,
                                                     std::shared_ptr<const ModelPackage> package) {
  auto plan = std::make_shared<InferPlan>();
  plan->node = serving.node;
  plan->model_name = serving.model_name;
  plan->null_is_nan = serving.null_is_nan;
  plan->allow_nan = serving.allow_nan;
  plan->max_rows = serving.max_rows;
  plan->in_place = serving.in_place;
  plan->nondeterministic = serving.nondeterministic;
  plan->call_limit_ns = serving.call_limit_ns;
  plan->warmup_limit_ns = serving.warmup_limit_ns;
  auto file = ReadModelFile(ModelPathOf(*package));
  if (!file.ok()) return Status(Code::kStage, file.status().message());
  VersionContext context(surroundings, serving);
  RETURN_IF_ERROR(TakePackage(std::move(package), std::move(file).value(), plan.get()));
  const bool bound = BindParts(context, &serving, true, plan.get());
  if (!bound || context.faults().errors() != 0) return Status(Code::kInvalid, context.FaultText());
  return std::shared_ptr<const InferPlan>(std::move(plan));
}

void RegisterNodeInfer(Registry& registry) { registry.Add(std::make_unique<InferKind>()); }

}  // namespace anabranch
