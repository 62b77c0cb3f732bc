#include "nodes/infer/gate_scorer.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <map>

#include "engine/clock.h"
#include "engine/models/package_type.h"
#include "engine/printable.h"
#include "engine/registry.h"
#include "nodes/infer/gate.h"
#include "nodes/infer/infer.h"
#include "nodes/infer/watchdog.h"

namespace anabranch {
namespace {

constexpr StageId kGateStage = 1;
constexpr double kGateWarmupMs = 20'000;

ConfigValue ConfigText(const std::string& text) {
  ConfigValue value;
  value.kind = ConfigValue::Kind::kString;
  value.text = text;
  return value;
}

ConfigValue& AddConfig(ConfigValue* object, const std::string& name, ConfigValue value) {
  object->kind = ConfigValue::Kind::kObject;
  value.name = name;
  return object->children.emplace_back(std::move(value));
}

void LinkParents(ConfigValue* value) {
  for (ConfigValue& child : value->children) {
    child.parent = value;
    LinkParents(&child);
  }
}

int64_t CpuNs() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

class GateScorer::Services : public BindServices {
 public:
  Result<std::string> ResolvePath(std::string_view path) const override { return std::string(path); }
  const ConfigValue* Section(std::string_view section, std::string_view name) const override {
    return section == "models" && name == model.name ? &model : nullptr;
  }
  std::vector<std::string> Names(std::string_view /*section*/) const override { return {model.name}; }
  std::shared_ptr<const TargetProgram> BindTarget(const ConfigValue& /*to*/, const TargetFields& /*fields*/,
                                                  FaultSink& /*faults*/) override {
    return nullptr;
  }
  ConfigValue model;
};

struct GateScorer::State {
  Services services;
  Registry registry;
  ConfigValue config;
  std::string node_id;
  FaultSink sink{kGateFile};
  Scope scope;  // inputs and what `set` makes
  Scope made;   // of the model, by reference
  struct Set {
    ColumnId id;
    std::string name;
    std::shared_ptr<const Expression> expression;
  };
  std::vector<Set> sets;
  size_t inputs = 0;                    // the first columns of `scope`
  std::vector<std::string> undeclared;  // features that are neither
  uint32_t columns = 0;
  std::shared_ptr<const NodeProgram> program;
  std::unique_ptr<Node> node;
  SourceTable partitions;
  RecordBatch batch;
  Evaluator evaluator;
  std::vector<uint8_t> all;
  std::vector<ExpressionError> errors;

  static constexpr const char* kGateFile = "model.json";
};

class GateScorer::Context : public BindContext {
 public:
  explicit Context(State& state) : state_(state) {}
  const ConfigValue& config() const override { return state_.config; }
  const std::string& node_id() const override { return state_.node_id; }
  const Scope& scope() const override { return state_.scope; }
  FaultSink& faults() override { return state_.sink; }
  BindServices& services() override { return state_.services; }
  const VisibleColumn* Read(const ConfigValue& /*at*/, std::string_view name, bool /*as_float32*/) override {
    const VisibleColumn* column = state_.scope.Find(name);
    if (column == nullptr && std::ranges::count(state_.undeclared, name) == 0) state_.undeclared.emplace_back(name);
    return column;
  }
  void NoteReads(std::span<const ColumnId> /*reads*/) override {}
  ColumnId Make(const ConfigValue& /*at*/, std::string_view name, const Type& type, bool nullable) override {
    const ColumnId id(state_.columns++);
    state_.made.Add({std::string(name), id, type, nullable, true, state_.node_id});
    return id;
  }
  void Rename(std::string_view /*from*/, std::string_view /*to*/) override {}
  void Drop(std::string_view /*name*/) override {}
  std::vector<std::shared_ptr<const RecordSchema>> TakeSchemas() override { return {}; }

 private:
  State& state_;
};

namespace {

// Compiles the `set` expressions: they read the inputs, not each other.
template <typename State>
void CompileSets(const ModelPackage& package, State* state, std::vector<PackageFault>* faults) {
  const Scope inputs = state->scope;
  for (const auto& [name, text] : package.features.set) {
    const CompiledExpression compiled = CompileExpression(text, inputs);
    for (const ExpressionFault& fault : compiled.faults) {
      faults->push_back(
          {"expression", "features.json",
           "\"set." + Printable(name) + "\": " + fault.message + (fault.hint.empty() ? "" : "; " + fault.hint)});
    }
    if (!compiled.expression) continue;
    const ColumnId id(state->columns++);
    state->scope.Add({name, id, compiled.expression->type, compiled.expression->nullable, false, "features"});
    state->sets.push_back({id, name, compiled.expression});
  }
}

// {"kind": "infer", "model": …, "features": [order] or {input: feature}, "outputs": {reference: reference}}
ConfigValue NodeConfig(const PackageFeatures& features, bool by_name, const std::string& model,
                       const std::vector<std::string>& references) {
  ConfigValue config;
  AddConfig(&config, "model", ConfigText(model));
  ConfigValue& list = AddConfig(&config, "features", {});
  list.kind = by_name ? ConfigValue::Kind::kObject : ConfigValue::Kind::kArray;
  for (const std::string& name : features.order) {
    ConfigValue item = ConfigText(name);
    if (by_name) item.name = name;
    list.children.push_back(std::move(item));
  }
  ConfigValue& outputs = AddConfig(&config, "outputs", {});
  outputs.kind = ConfigValue::Kind::kObject;
  for (const std::string& reference : references) AddConfig(&outputs, reference, ConfigText(reference));
  AddConfig(&config, "nulls", ConfigText("nan"));
  return config;
}

std::string CodeOf(FaultCode code) {
  switch (code) {
    case FaultCode::kModelInput: return "width";
    case FaultCode::kModelType:
    case FaultCode::kUnknownColumn: return "expression";
    default: return "model";
  }
}

}  // namespace

GateScorer::GateScorer(std::unique_ptr<State> state) : state_(std::move(state)) {}
GateScorer::~GateScorer() = default;

std::unique_ptr<GateScorer> GateScorer::Bind(const ModelPackage& package, bool by_name,
                                             const std::vector<std::string>& references,
                                             std::vector<PackageFault>* faults) {
  auto state = std::make_unique<State>();
  const size_t before = faults->size();
  state->node_id = package.manifest.name;
  for (const PackageManifest::Input& input : package.manifest.inputs) {
    const std::optional<Type> type = ParseTypeText(input.type);
    if (type) state->scope.Add({input.name, ColumnId(state->columns++), *type, true, false, "inputs"});
  }
  state->inputs = state->scope.columns().size();
  CompileSets(package, state.get(), faults);
  if (faults->size() > before) return nullptr;
  RegisterNodeInfer(state->registry);
  ConfigValue& model = state->services.model;
  model.name = "model";
  AddConfig(&model, "path", ConfigText(package.folder + "/model.onnx"));
  AddConfig(&model, "version", ConfigText(package.manifest.version));
  ConfigValue limit;
  limit.kind = ConfigValue::Kind::kNumber;
  limit.number = kGateWarmupMs;
  AddConfig(&model, "warmup_timeout_ms", limit);
  AddConfig(&model, "call_timeout_ms", limit);
  state->config = NodeConfig(package.features, by_name, model.name, references);
  LinkParents(&model);
  LinkParents(&state->config);
  Context context(*state);
  state->program = state->registry.kinds()[0]->Bind(context);
  if (!state->undeclared.empty()) {
    faults->push_back({"expression", "model.json", UndeclaredText(state->undeclared, state->scope.Names())});
  }
  for (const Fault& fault : state->sink.faults()) {
    if (fault.warning) continue;
    faults->push_back(
        {CodeOf(fault.code), "model.onnx", fault.message + (fault.hint.empty() ? "" : "; " + fault.hint)});
  }
  if (faults->size() > before || !state->program) return nullptr;
  return std::unique_ptr<GateScorer>(new GateScorer(std::move(state)));
}

Status GateScorer::Open() {
  // After the warm-up was asked to end, and before its own last means, whose exit code says less.
  const int64_t last_ns = Clock::Real().NowNs() + int64_t{static_cast<int64_t>(kGateWarmupMs) + 1000} * kNsPerMs;
  const Watchdog::Guard last(Watchdog::Process(), last_ns, [] { _exit(kGateHangsExit); });
  ASSIGN_OR_RETURN(state_->node, state_->program->Open());
  return Status::Ok();
}

Status GateScorer::Compute() {
  State& s = *state_;
  s.errors.clear();
  for (const State::Set& set : s.sets) {
    s.evaluator.Evaluate(*set.expression, s.batch, s.all, &s.batch.columns[set.id], &s.errors);
  }
  s.batch.PrepareStages();
  StageRows& stage = s.batch.stages[kGateStage];
  std::ranges::fill(s.batch.stages[0].outcome, Outcome::kOk);
  std::ranges::fill(stage.outcome, Outcome::kOk);
  stage.active = s.all;
  stage.active_count = rows();
  return s.node->Process({s.batch, kGateStage, stage.active, stage.active_count, std::numeric_limits<int64_t>::max()});
}

void GateScorer::Score(const std::vector<GateRow>& rows, const std::string& code, std::vector<PackageFault>* faults) {
  State& s = *state_;
  const size_t before = faults->size();
  s.batch.Clear(s.columns, 2);
  s.batch.partitions = &s.partitions;
  const PartitionId partition = *s.partitions.Find({code, 0});
  for (size_t i = 0; i < rows.size(); ++i) {
    s.batch.AddRow(partition, static_cast<int64_t>(i), -1, {}, false, {});
    s.batch.record_key.push_back({});
    s.batch.record_key_present.push_back(0);
  }
  s.all.assign(rows.size(), 1);
  for (size_t i = 0; i < s.inputs; ++i) {
    const VisibleColumn& input = s.scope.columns()[i];
    FillGateColumn(rows, input.name, input.type, &s.batch.columns[input.id], faults);
  }
  if (faults->size() > before || rows.empty()) return;
  const Status status = Compute();
  for (const ExpressionError& error : s.errors) {
    faults->push_back({code, rows[error.row].place, std::string("a feature: ") + error.message});
  }
  for (const RowError& error : s.batch.stages[kGateStage].errors) {
    faults->push_back({error.code == "non_finite" ? "nan" : code, rows[error.row].place, error.message});
  }
  if (!status.ok()) faults->push_back({"model", "model.onnx", status.message()});
}

uint32_t GateScorer::rows() const { return state_->batch.rows(); }
const Scope& GateScorer::scope() const { return state_->made; }
const RecordBatch& GateScorer::batch() const { return state_->batch; }

const Column* GateScorer::column(const std::string& reference) const {
  const VisibleColumn* made = state_->made.Find(reference);
  return made == nullptr ? nullptr : &state_->batch.columns[made->id];
}

double GateScorer::MeasureRowMicros() {
  if (rows() == 0) return -1;
  const int64_t begin = CpuNs();
  int64_t least = std::numeric_limits<int64_t>::max();
  // At least a few passes, and more of short ones: the first ones are slow.
  for (int pass = 0; pass < 5 || (pass < 200 && CpuNs() - begin < 50'000'000); ++pass) {
    const int64_t from = CpuNs();
    if (!Compute().ok()) return -1;
    least = std::min(least, CpuNs() - from);
  }
  return static_cast<double>(least) / 1e3 / rows();
}

}  // namespace anabranch
