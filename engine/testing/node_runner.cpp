#include "engine/testing/node_runner.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "engine/schema/record_schema.h"

namespace anabranch {
namespace {

constexpr StageId kSource = 0;
constexpr StageId kNode = 1;

[[noreturn]] void Misuse(const std::string& what) {
  std::fprintf(stderr, "NodeRunner: %s\n", what.c_str());
  std::abort();
}

}  // namespace

class NodeRunner::Services : public BindServices {
 public:
  Result<std::string> ResolvePath(std::string_view path) const override {
    const std::filesystem::path absolute = (base / path).lexically_normal();
    const std::string inside = absolute.lexically_relative(base.lexically_normal()).string();
    if (inside.empty() || inside.starts_with("..")) {
      return Status(Code::kInvalid, "path \"" + std::string(path) + "\" leaves the topology's folder");
    }
    return absolute.string();
  }

  const ConfigValue* Section(std::string_view section, std::string_view name) const override {
    const auto found = sections.find(std::string(section));
    if (found == sections.end()) return nullptr;
    const auto entry = found->second.find(std::string(name));
    return entry == found->second.end() ? nullptr : entry->second.get();
  }

  std::vector<std::string> Names(std::string_view section) const override {
    std::vector<std::string> names;
    const auto found = sections.find(std::string(section));
    if (found == sections.end()) return names;
    for (const auto& [name, value] : found->second) names.push_back(name);
    return names;
  }

  std::shared_ptr<const TargetProgram> BindTarget(const ConfigValue& to, const TargetFields& fields,
                                                  FaultSink& faults) override {
    if (binder) return binder(to, fields, faults);
    faults.Add(FaultCode::kNotSupported, to, "this test has no targets", "call SetTargetBinder");
    return nullptr;
  }

  std::filesystem::path base = std::filesystem::current_path();
  std::map<std::string, std::map<std::string, std::unique_ptr<const ConfigValue>>> sections;
  TargetBinder binder;
};

struct NodeRunner::State {
  Services services;
  FaultSink faults{"test.json"};
  Scope scope;  // above the node
  Scope below;
  std::string node_id = "node";
  std::vector<std::shared_ptr<RecordSchema>> schemas;
  std::unique_ptr<const ConfigValue> config;
  std::unique_ptr<Registry> registry;

  std::shared_ptr<const NodeProgram> program;
  std::vector<MadeColumn> made;
  std::set<ColumnId> reads;

  std::unique_ptr<Node> node;
  SourceTable partitions;
  RecordBatch batch;
  std::vector<uint8_t> inactive;
  std::map<ColumnId, std::vector<Cell>> cells;

  ColumnId columns() const { return ColumnId(scope.columns().size() + made.size()); }
  const VisibleColumn* InputById(ColumnId id) const {
    for (const VisibleColumn& column : scope.columns()) {
      if (column.id == id) return &column;
    }
    return nullptr;
  }
};

class NodeRunner::Context : public BindContext {
 public:
  explicit Context(State& state) : state_(state) {}

  const ConfigValue& config() const override { return *state_.config; }
  const std::string& node_id() const override { return state_.node_id; }
  const Scope& scope() const override { return state_.scope; }
  FaultSink& faults() override { return state_.faults; }
  BindServices& services() override { return state_.services; }

  const VisibleColumn* Read(const ConfigValue& at, std::string_view name, bool /*as_float32*/) override {
    const VisibleColumn* column = state_.scope.Find(name);
    if (column == nullptr) {
      state_.faults.Add(FaultCode::kUnknownColumn, at, "column \"" + std::string(name) + "\" is not known here",
                        Suggest(name, state_.scope.Names()));
      return nullptr;
    }
    state_.reads.insert(column->id);
    return column;
  }

  void NoteReads(std::span<const ColumnId> reads) override { state_.reads.insert(reads.begin(), reads.end()); }

  ColumnId Make(const ConfigValue& at, std::string_view name, const Type& type, bool nullable) override {
    const auto same = [&](const auto& column) { return column.name == name; };
    if (std::ranges::any_of(state_.made, same) || std::ranges::any_of(state_.scope.columns(), same)) {
      state_.faults.AddAtName(FaultCode::kColumnMadeTwice, at, "column \"" + std::string(name) + "\" is made already");
    }
    const ColumnId id = state_.columns();
    state_.made.push_back({std::string(name), id, type, nullable});
    state_.below.Add({std::string(name), id, type, nullable, false, state_.node_id});
    return id;
  }

  // As if all readers were content with float32.
  std::shared_ptr<const Type> Storage(ColumnId column) override {
    const auto made = std::ranges::find(state_.made, column, &NodeRunner::MadeColumn::id);
    if (made == state_.made.end()) Misuse("Storage of a column that the node did not make");
    auto type = std::make_shared<Type>(made->type);
    if (type->kind == Kind::kTensor && type->element == Kind::kFloat64) type->element = Kind::kFloat32;
    return type;
  }

  void Rename(std::string_view from, std::string_view to) override {
    const VisibleColumn* found = state_.below.Find(from);
    if (found == nullptr) Misuse("Rename of unknown column " + std::string(from));
    VisibleColumn column = *found;
    column.name = to;
    state_.below.Remove(from);
    state_.below.Add(std::move(column));
  }

  void Drop(std::string_view name) override { state_.below.Remove(name); }

  std::vector<std::shared_ptr<const RecordSchema>> TakeSchemas() override {
    return {state_.schemas.begin(), state_.schemas.end()};
  }

 private:
  State& state_;
};

NodeRunner::NodeRunner() : state_(std::make_unique<State>()) { ClearRows(); }
NodeRunner::~NodeRunner() = default;

ColumnId NodeRunner::AddColumn(const std::string& name, const Type& type, bool nullable, bool result) {
  if (state_->config) Misuse("AddColumn after Bind");
  const ColumnId id = state_->columns();
  state_->scope.Add({name, id, type, nullable, result, "source"});
  return id;
}

void NodeRunner::SetClasses(const std::string& column, std::vector<std::string> classes) {
  const VisibleColumn* found = state_->scope.Find(column);
  if (found == nullptr) Misuse("SetClasses of unknown column " + column);
  VisibleColumn named = *found;
  named.classes = std::move(classes);
  state_->scope.Remove(column);
  state_->scope.Add(std::move(named));
}

void NodeRunner::SetSection(const std::string& section, const std::string& name, ConfigValue value) {
  value.name = name;
  state_->services.sections[section][name] = LinkConfig(std::move(value));
}

void NodeRunner::SetBasePath(std::string folder) { state_->services.base = std::move(folder); }

void NodeRunner::AddSchema(std::shared_ptr<RecordSchema> schema) {
  std::vector<ColumnId> ids;
  for (const SchemaField& field : schema->fields()) ids.push_back(AddColumn(field.path, field.type));
  schema->SetColumns(ids);
  state_->schemas.push_back(std::move(schema));
}

void NodeRunner::SetTargetBinder(TargetBinder binder) { state_->services.binder = std::move(binder); }
void NodeRunner::SetNodeId(std::string id) { state_->node_id = std::move(id); }

bool NodeRunner::Bind(void (*register_kind)(Registry&), ConfigValue config) {
  state_->registry = std::make_unique<Registry>();
  register_kind(*state_->registry);
  const std::vector<const NodeKind*> kinds = state_->registry->kinds();
  const NodeKind* kind = state_->registry->FindKind(config.Text("kind"));
  if (kind == nullptr && kinds.size() == 1) kind = kinds[0];
  if (kind == nullptr) Misuse("no node kind \"" + std::string(config.Text("kind")) + "\" is registered");
  return Bind(*kind, std::move(config));
}

bool NodeRunner::Bind(const NodeKind& kind, ConfigValue config) {
  if (state_->config) Misuse("Bind twice");
  state_->config = LinkConfig(std::move(config));
  state_->below = state_->scope;
  Context context(*state_);
  state_->program = kind.Bind(context);
  if (state_->faults.errors() == 0 && !state_->program) Misuse("Bind gave neither a program nor a fault");
  return state_->faults.errors() == 0;
}

const std::vector<Fault>& NodeRunner::faults() const { return state_->faults.faults(); }

std::string NodeRunner::FaultText() const {
  std::string text;
  for (const Fault& fault : faults()) {
    text += FaultName(fault.code) + " " + fault.pointer + ": " + fault.message;
    if (!fault.hint.empty()) text += " (" + fault.hint + ")";
    text += '\n';
  }
  return text;
}

const NodeProgram* NodeRunner::program() const { return state_->program.get(); }
const std::vector<NodeRunner::MadeColumn>& NodeRunner::made() const { return state_->made; }
const Scope& NodeRunner::below() const { return state_->below; }

std::vector<std::string> NodeRunner::reads() const {
  std::vector<std::string> names;
  for (ColumnId id : state_->reads) {
    const VisibleColumn* column = state_->InputById(id);
    names.push_back(column ? column->name : "#" + std::to_string(id));
  }
  std::ranges::sort(names);
  return names;
}

void NodeRunner::Fill(const std::string& column, const std::vector<Cell>& cells) {
  const VisibleColumn* input = state_->scope.Find(column);
  if (input == nullptr) Misuse("Fill of unknown column " + column);
  if (cells.size() > batch().rows()) AddRows(static_cast<uint32_t>(cells.size()) - batch().rows());
  state_->cells[input->id] = cells;
}

uint32_t NodeRunner::AddRow(const TestRow& row) {
  RecordBatch& batch = state_->batch;
  for (const auto& [name, value] : row.headers) {
    batch.headers.push_back({batch.text.Copy(name), batch.text.Copy(value)});
  }
  const uint32_t index = batch.rows();
  batch.AddRow(*state_->partitions.Find({row.topic, row.partition}), row.offset < 0 ? index : row.offset,
               row.timestamp_ms, batch.text.Copy(row.key), row.has_key, batch.text.Copy(row.payload));
  batch.record_key.push_back(batch.key.back());
  batch.record_key_present.push_back(batch.key_present.back());
  state_->inactive.push_back(0);
  return index;
}

void NodeRunner::AddRows(uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) AddRow({});
}

void NodeRunner::Deactivate(uint32_t row) { state_->inactive.at(row) = 1; }

void NodeRunner::ClearRows() {
  state_->batch.Clear(state_->columns(), 2);
  state_->batch.source = kSource;
  state_->batch.partitions = &state_->partitions;
  state_->inactive.clear();
  state_->cells.clear();
}

RecordBatch& NodeRunner::batch() { return state_->batch; }

Column& NodeRunner::column(const std::string& name) {
  for (const MadeColumn& made : state_->made) {
    if (made.name == name) return state_->batch.columns.at(made.id);
  }
  const VisibleColumn* input = state_->scope.Find(name);
  if (input == nullptr) Misuse("no column " + name);
  return state_->batch.columns.at(input->id);
}

Status NodeRunner::Run(int64_t deadline_ns) {
  if (!state_->program) Misuse("Run without a bound program");
  if (!state_->node) {
    auto node = state_->program->Open();
    if (!node.ok()) return node.status();
    state_->node = std::move(node).value();
  }
  RecordBatch& batch = state_->batch;
  batch.columns.resize(state_->columns());
  for (const VisibleColumn& input : state_->scope.columns()) {
    std::vector<Cell> cells = state_->cells[input.id];
    cells.resize(batch.rows());
    FillColumn(&batch.columns[input.id], input.type, cells);
  }
  batch.PrepareStages();
  std::ranges::fill(batch.stages[kSource].outcome, Outcome::kOk);
  StageRows& stage = batch.stages[kNode];
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    if (state_->inactive[row]) continue;
    stage.active[row] = 1;
    stage.outcome[row] = Outcome::kOk;
    ++stage.active_count;
  }
  return state_->node->Process({batch, kNode, stage.active, stage.active_count, deadline_ns});
}

Outcome NodeRunner::outcome(uint32_t row) const { return state_->batch.stages[kNode].outcome.at(row); }
const std::vector<RowError>& NodeRunner::errors() const { return state_->batch.stages[kNode].errors; }

std::string NodeRunner::ErrorText(uint32_t row) const {
  for (const RowError& error : errors()) {
    if (error.row == row) return error.code + ": " + error.message;
  }
  return {};
}

Cell NodeRunner::Value(const std::string& name, uint32_t row) { return ReadCell(column(name), row); }
std::vector<Cell> NodeRunner::Values(const std::string& name) { return ReadCells(column(name)); }

}  // namespace anabranch
