#include "nodes/infer/infer.h"

#include <exception>

#include "engine/printable.h"
#include "nodes/infer/bind.h"
#include "nodes/infer/onnx.h"
#include "nodes/infer/program.h"

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
      "numbers is refused unless it is declared `\"nondeterministic\": true`.";
  spec.fields = {
      {"model", Shape::String(), true, "", "the model's name in the topology's `models` section"},
      {"features",
       Shape::OneOf({Shape::List(Shape::Column(), true),
                     Shape::Map(Shape::OneOf({Shape::Column(), Shape::List(Shape::Column(), true)}), true)}),
       true, "", "the columns that feed the model: a list for its one input, or an object input → column or list"},
      {"outputs", Shape::Map(Shape::String(), true), true, "",
       "new column → model output, e.g. \"probabilities[1]\" or \"output_probability['spam']\""},
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
      return plan ? MakeInferProgram(std::move(plan)) : nullptr;
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

int64_t Nanoseconds(const ConfigValue& object, std::string_view milliseconds, int64_t fallback) {
  return static_cast<int64_t>(object.Number(milliseconds, static_cast<double>(fallback) / double{kNsPerMs}) *
                              double{kNsPerMs});
}

// The model's file. Faults point to the topology's reference to it. Null after a fault.
std::shared_ptr<const ModelFile> FindModel(BindContext& context, ModelCache& models, InferPlan* plan) {
  const ConfigValue* name = context.config().Find("model");
  if (name == nullptr || !name->is_string()) return nullptr;
  plan->model_name = name->text;
  const ConfigValue* entry = context.services().Section("models", name->text);
  FaultSink& faults = context.faults();
  if (entry == nullptr) {
    faults
        .Add(FaultCode::kUnknownReference, *name, "model \"" + name->text + "\" is not declared under \"models\"",
             Suggest(name->text, context.services().Names("models")))
        .meant = Nearest(name->text, context.services().Names("models"));
    return nullptr;
  }
  const ConfigValue* path = entry->Find("path");
  if (path == nullptr || !path->is_string()) return nullptr;  // a fault of the section itself
  const Result<std::string> resolved = context.services().ResolvePath(path->text);
  if (!resolved.ok()) {
    faults.Add(FaultCode::kPath, *path, resolved.status().message());
    return nullptr;
  }
  const auto file = models.Get(*resolved);
  if (!file.ok()) {
    faults.Add(FaultCode::kModelLoad, *path, file.status().message());
    return nullptr;
  }
  const ConfigValue* digest = entry->Find("sha256");
  const std::string& sha256 = (*file)->sha256;
  if (digest != nullptr && digest->is_string() && digest->text != sha256) {
    faults.Add(FaultCode::kModelDigest, *digest,
               "\"" + path->text + "\" has sha256 " + sha256 + ", which is not the one given here",
               "if the file was replaced on purpose, write this digest here; otherwise restore the right file");
    return nullptr;
  }
  plan->nondeterministic = entry->Flag("nondeterministic", false);
  plan->call_limit_ns = Nanoseconds(*entry, "call_timeout_ms", plan->call_limit_ns);
  plan->warmup_limit_ns = Nanoseconds(*entry, "warmup_timeout_ms", plan->warmup_limit_ns);
  if (!plan->nondeterministic && !(*file)->random.empty()) {
    faults.Add(FaultCode::kModelRandom, *path,
               "\"" + path->text + "\" draws random numbers (" + Printable((*file)->random) +
                   "), so the same record could get another result each time",
               "export it in evaluation mode, or set \"nondeterministic\": true at the model");
    return nullptr;
  }
  const std::string_view version = entry->Text("version");
  plan->label = plan->model_name + "@" + (version.empty() ? sha256.substr(0, 8) : std::string(version));
  return *file;
}

}  // namespace

std::shared_ptr<const InferPlan> BindInfer(BindContext& context, ModelCache& models) {
  static const ConfigValue kNothing;
  const ConfigValue& config = context.config();
  const auto member = [&](const char* name) -> const ConfigValue& {
    const ConfigValue* found = config.Find(name);
    return found == nullptr ? kNothing : *found;
  };
  auto plan = std::make_shared<InferPlan>();
  plan->node = context.node_id();
  plan->null_is_nan = config.Text("nulls", "error") == "nan";
  plan->allow_nan = config.Flag("allow_nan", false);
  plan->max_rows = static_cast<uint32_t>(member("batch").Integer("max_rows", 0));
  plan->model = FindModel(context, models, plan.get());
  bool ok = plan->model != nullptr;
  if (ok) {
    ok = BindInputs(context, member("features"), plan.get());
  } else {
    NoteFeatures(context, member("features"));
  }
  ok &= BindOutputs(context, member("outputs"), plan.get());
  if (ok) WarnOptionalFields(context, member("features"), *plan);
  return ok ? plan : nullptr;
}

void RegisterNodeInfer(Registry& registry) { registry.Add(std::make_unique<InferKind>()); }

}  // namespace anabranch
