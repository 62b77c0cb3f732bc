#include "topologies/language/compile.h"

#include <algorithm>
#include <exception>
#include <filesystem>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "engine/expression/expression.h"
#include "engine/json_type.h"
#include "engine/managed_model.h"
#include "engine/schema/record_schema.h"
#include "topologies/language/bind_context.h"
#include "topologies/language/cascade.h"
#include "topologies/language/delivery.h"
#include "topologies/language/event_time.h"
#include "topologies/language/fingerprint.h"
#include "topologies/language/managed.h"
#include "topologies/language/plan_hash.h"
#include "topologies/language/rollout.h"
#include "topologies/language/scope_join.h"
#include "topologies/language/settings.h"
#include "topologies/language/topology_spec.h"
#include "topologies/language/unused.h"

namespace anabranch {

namespace {

// What is known of a source or node once it was looked at.
struct Outflow {
  Scope scope;
  std::vector<bool> sources;  // by source: its rows come this way
  std::vector<bool> pending;  // by source: its schema is not enforced yet
  size_t readers_left = 0;    // the last reader takes the scope away
  bool bound = false;
  bool sound = false;    // the scope is complete
  bool suspect = false;  // a key above is faulty: columns that are missing may follow from that
  bool blind = false;    // not even the names of what is missing are known
};

class Compiler {
 public:
  Compiler(const Topology& topology, const Graph& graph, const Broken& broken, const Registry& registry,
           const CheckOptions& options, FaultSink& faults)
      : root_(topology.root),
        graph_(graph),
        broken_(broken),
        registry_(registry),
        faults_(faults),
        services_(topology.root, registry, PathJudge(topology.file, options.allow_paths)),
        cascade_(topology.text, faults),
        file_(topology.file),
        plan_(std::make_shared<Plan>()),
        outflows_(graph.vertices.size()) {
    for (const Fault& fault : faults.faults()) NoteMisshapen(fault);
  }

  std::shared_ptr<Plan> Run();

 private:
  void NoteMisshapen(const Fault& fault);
  void ReadHead();
  void CompileUnusedSchemas();
  void BindSource(size_t source);
  std::shared_ptr<RecordSchema> BindSchema(const ConfigValue& source, Outflow& out);
  void MakeSourceColumns(size_t source, RecordSchema& schema, Outflow& out);
  void BindKey(const ConfigValue& source, const Scope& scope, bool complete, PlanSource& out);
  void BindNode(size_t vertex);
  Scope TakeInputs(size_t vertex, Outflow& out, FaultSink& faults);
  void CompileNode(const ConfigValue& entry, const NodeKind& kind, Scope& scope, Outflow& out, PlanNode& node,
                   FaultSink& faults);
  void FinishNode(size_t vertex, const Outflow& out, PlanNode node);
  void FinishSources();
  void FinishColumns();

  const ConfigValue& root_;
  const Graph& graph_;
  const Broken& broken_;
  const Registry& registry_;
  FaultSink& faults_;
  Services services_;
  CascadeFilter cascade_;
  std::string file_;
  std::shared_ptr<Plan> plan_;
  ColumnTable columns_;
  SchemaUse schemas_;
  std::vector<std::string> source_ids_;
  std::vector<Outflow> outflows_;               // by vertex
  std::unordered_set<std::string> misshapen_;   // sources and nodes with a faulty or unknown key
  std::unordered_set<std::string> incomplete_;  // of them: a key is missing
  std::vector<StageId> stages_;                 // by vertex, of bound ones
  std::vector<const ConfigValue*> entries_;     // of plan_->nodes
};

std::shared_ptr<Plan> Compiler::Run() {
  ReadHead();
  stages_.resize(graph_.vertices.size());
  schemas_.schemas.resize(graph_.sources);
  schemas_.taken.resize(graph_.sources);
  for (size_t source = 0; source < graph_.sources; ++source) BindSource(source);
  CompileUnusedSchemas();
  for (const size_t vertex : graph_.order) BindNode(vertex);
  std::vector<bool> ordered(graph_.vertices.size());
  for (const size_t vertex : graph_.order) ordered[vertex] = true;
  for (size_t vertex = graph_.sources; vertex < ordered.size(); ++vertex) {
    if (!ordered[vertex]) BindNode(vertex);  // in a cycle or below one: bound for what it tells by itself
  }
  FinishSources();
  FinishColumns();
  DecideDelivery(root_, registry_, broken_, services_, entries_, *plan_, faults_);
  BindManaged(root_, registry_, broken_, services_, *plan_, faults_);
  WarnUnused(root_, graph_, services_, faults_);
  if (faults_.errors() == 0) plan_->hash = HashPlan(root_, *plan_);
  return plan_;
}

// What a source or node would have made is not known when its own keys are faulty.
void Compiler::NoteMisshapen(const Fault& fault) {
  if (fault.warning || fault.code > FaultCode::kNotSupported) return;
  for (const std::string_view section : {"/nodes/", "/sources/"}) {
    if (!fault.pointer.starts_with(section)) continue;
    const size_t end = fault.pointer.find('/', section.size());
    const std::string id = fault.pointer.substr(section.size(), end - section.size());
    misshapen_.insert(id);
    if (fault.code == FaultCode::kMissingKey) incomplete_.insert(id);
  }
}

void Compiler::ReadHead() {
  plan_->name = root_.Text("name");
  std::error_code error;
  plan_->file = std::filesystem::absolute(file_, error).lexically_normal().string();
  if (faults_.errors() == 0) ReadTopologySettings(root_, *plan_, faults_);
}

// ------------------------------------------------------------------------------------------ sources

void Compiler::BindSource(size_t source) {
  const ConfigValue& entry = *graph_.vertices[source].entry;
  Outflow& out = outflows_[source];
  out.sources.resize(graph_.sources);
  out.pending.resize(graph_.sources);
  out.sources[source] = true;
  out.readers_left = graph_.vertices[source].readers.size();
  stages_[source] = StageId(source);
  PlanSource plan_source;
  plan_source.id = entry.name;
  source_ids_.push_back(entry.name);
  plan_source.format = registry_.FindFormat(entry.Text("format", kDefaultFormat));
  if (const auto schema = BindSchema(entry, out)) {
    schemas_.schemas[source] = schema;
    MakeSourceColumns(source, *schema, out);
    plan_source.schema = schema;
    out.pending[source] = true;
  }
  if (broken_.count(&entry) == 0) {
    const ConfigValue* member = ConnectorMember(entry, registry_);
    plan_source.connector = member->name;
    plan_source.program = registry_.FindConnector(member->name)->BindSource(*member, entry.name, services_, faults_);
    BindKey(entry, out.scope, out.sound, plan_source);
    if (const ConfigValue* time = entry.Find("time")) {
      plan_source.time = BindEventTime(*time, entry.name, out.scope, out.sound, columns_, faults_);
    }
    if (plan_source.format != nullptr) FingerprintSource(root_, entry, *member, registry_, plan_source);
  }
  out.suspect = misshapen_.count(entry.name) != 0 && entry.Find("schema") == nullptr;
  out.blind = out.blind || out.suspect;
  out.bound = plan_source.program != nullptr;
  ReadSourceSettings(root_, plan_source);
  plan_->sources.push_back(std::move(plan_source));
}

std::shared_ptr<RecordSchema> Compiler::BindSchema(const ConfigValue& source, Outflow& out) {
  const ConfigValue* name = source.Find("schema");
  out.sound = name == nullptr;
  if (name == nullptr) return nullptr;
  const ConfigValue* entry = name->is_string() ? services_.Section("schemas", name->text) : nullptr;
  if (entry == nullptr) {
    out.blind = true;
    if (name->is_string()) {
      faults_
          .Add(FaultCode::kUnknownReference, *name,
               "source \"" + source.name + "\" names the schema \"" + name->text + "\", which is not in \"schemas\"",
               Suggest(name->text, services_.Names("schemas")))
          .meant = Nearest(name->text, services_.Names("schemas"));
    }
    return nullptr;
  }
  auto schema = CompileSchema(*entry, faults_);
  out.sound = schema != nullptr;
  if (schema == nullptr) cascade_.AddFaulty(*entry);
  return schema;
}

void Compiler::MakeSourceColumns(size_t source, RecordSchema& schema, Outflow& out) {
  const std::string& id = graph_.vertices[source].entry->name;
  std::vector<ColumnId> columns;
  for (const SchemaField& field : schema.fields()) {
    columns.push_back(columns_.Make(field.path, field.type, id, out.sources, true));
    out.scope.Add({field.path, columns.back(), field.type, !field.required || field.null_allowed, false, id});
  }
  schema.SetColumns(columns);
  schema.SetSource(StageId(source));
}

void Compiler::CompileUnusedSchemas() {
  const ConfigValue* entries = root_.Find("schemas");
  if (entries == nullptr || !entries->is_object()) return;
  for (const ConfigValue& entry : entries->children) {
    if (!services_.Used("schemas", entry.name)) (void)CompileSchema(entry, faults_);
  }
}

void Compiler::BindKey(const ConfigValue& source, const Scope& scope, bool complete, PlanSource& out) {
  const ConfigValue* key = source.Find("key");
  if (key == nullptr) return;
  const auto read = [&](const ConfigValue& at) {
    const VisibleColumn* column = scope.Find(at.text);
    if (column == nullptr) {
      if (!complete) return;
      faults_.Add(
          FaultCode::kUnknownColumn, at,
          "the key of source \"" + source.name + "\" is the field \"" + at.text + "\", which its schema does not have",
          scope.columns().empty() ? "name a schema with this field" : Suggest(at.text, scope.Names()));
      return;
    }
    if (!column->type.IsScalar() || IsJson(column->type)) {
      faults_.Add(FaultCode::kBadValue, at,
                  "a key cannot be made from \"" + at.text + "\", a " + column->type.ToString());
    }
    columns_.NoteRead(column->id, false);
    out.key.columns.push_back(column->id);
  };
  if (key->is_string()) {
    out.key.kind = key->text == "position" ? KeyRule::Kind::kPosition
                   : key->text == "uuid"   ? KeyRule::Kind::kUuid
                                           : KeyRule::Kind::kRecord;
  } else if (const ConfigValue* field = key->Find("field")) {
    out.key.kind = KeyRule::Kind::kField;
    read(*field);
  } else if (const ConfigValue* fields = key->Find("hash")) {
    out.key.kind = KeyRule::Kind::kHash;
    for (const ConfigValue& each : fields->children) read(each);
  } else {
    out.key.kind = KeyRule::Kind::kHeader;
    out.key.header = key->Text("header");
  }
}

// -------------------------------------------------------------------------------------------- nodes

// The scope above a node. The last reader of an input takes its scope instead of a copy.
Scope Compiler::TakeInputs(size_t vertex, Outflow& out, FaultSink& faults) {
  const Graph::Vertex& at = graph_.vertices[vertex];
  const bool any = at.entry->Text("join") == "any";
  out.sources.resize(graph_.sources);
  out.pending.resize(graph_.sources);
  out.sound = at.sound && !at.inputs.empty();
  out.blind = !out.sound;
  std::vector<Inflow> inflows;
  for (size_t i = 0; i < at.inputs.size(); ++i) {
    const Outflow& in = outflows_[at.inputs[i]];
    out.sound = out.sound && in.sound;
    out.suspect = out.suspect || in.suspect;
    out.blind = out.blind || in.blind || in.sources.empty();  // not looked at yet: it stands in a cycle
    if (in.sources.empty()) continue;
    inflows.push_back({&in.scope, &in.sources, at.input_places[i]});
    for (size_t source = 0; source < graph_.sources; ++source)
      out.sources[source] = out.sources[source] || in.sources[source];
  }
  // Under `all` a row passed every branch, so one that enforces the schema is enough.
  for (size_t source = 0; source < graph_.sources; ++source) {
    bool every = true, some = false;
    for (const size_t input : at.inputs) {
      const Outflow& in = outflows_[input];
      if (in.sources.empty() || !in.sources[source]) continue;
      every = every && in.pending[source];
      some = some || in.pending[source];
    }
    out.pending[source] = any ? some : some && every;
  }
  if (inflows.size() == 1 && at.inputs.size() == 1) {
    Outflow& in = outflows_[at.inputs[0]];
    if (--in.readers_left == 0) return std::exchange(in.scope, Scope());
    return in.scope;
  }
  std::vector<std::string> in_conflict;
  Scope joined = JoinScopes(inflows, any, &in_conflict, faults);
  for (const std::string& name : in_conflict) cascade_.AddFaulty(name);
  for (const size_t input : at.inputs) {
    if (outflows_[input].readers_left > 0 && --outflows_[input].readers_left == 0) outflows_[input].scope = Scope();
  }
  return joined;
}

void Compiler::BindNode(size_t vertex) {
  const ConfigValue& entry = *graph_.vertices[vertex].entry;
  Outflow out;
  out.readers_left = graph_.vertices[vertex].readers.size();
  FaultSink apart(file_);  // for nodes below a faulty one
  FaultSink joins(file_);
  Scope scope = TakeInputs(vertex, out, joins);
  for (const Fault& fault : joins.faults()) {
    (out.sound ? faults_ : apart).PassOn(fault);
  }
  const bool sound_above = out.sound && joins.errors() == 0;
  const bool direct = sound_above && !out.suspect;
  FaultSink& sink = direct ? faults_ : apart;
  const NodeKind* kind = registry_.FindKind(entry.Text("kind"));
  PlanNode node;
  node.id = entry.name;
  node.kind = entry.Text("kind");
  const size_t before = sink.errors();
  if (kind != nullptr && broken_.count(&entry) == 0) CompileNode(entry, *kind, scope, out, node, sink);
  if (!direct) cascade_.PassOn(apart, out.blind);
  const bool misshapen = misshapen_.count(entry.name) != 0;
  out.sound = sound_above && node.program != nullptr && sink.errors() == before;
  out.suspect = out.suspect || misshapen;
  out.blind = out.blind || incomplete_.count(entry.name) != 0;
  if (node.program == nullptr || sink.errors() != before || misshapen) cascade_.AddFaulty(entry);
  out.bound = node.program != nullptr;
  out.scope = std::move(scope);
  if (out.bound && sound_above) FinishNode(vertex, out, std::move(node));
  outflows_[vertex] = std::move(out);
}

void Compiler::CompileNode(const ConfigValue& entry, const NodeKind& kind, Scope& scope, Outflow& out, PlanNode& node,
                           FaultSink& faults) {
  NodeBinding binding(entry, kind, scope, columns_, services_, faults);
  // Whose rows a node without known inputs would get is clear where there is one source.
  const std::vector<bool> rows_of = graph_.sources == 1 ? std::vector<bool>{true} : out.sources;
  binding.SetSources(&rows_of, &source_ids_);
  binding.SetSchemas(&schemas_, &out.pending);
  if (const ConfigValue* when = entry.Find("when"); when != nullptr && when->is_string()) {
    binding.SetConditional();
    node.when = CompileExpression(*when, scope, true, faults);
    if (node.when != nullptr) binding.NoteReads(node.when->reads);
  }
  const RecordPolicy policy = PolicyOf(entry, root_);
  if (policy == RecordPolicy::kNull) binding.SetConditional();
  if (policy == RecordPolicy::kDefault) binding.SetSubstituted();
  try {
    node.program = kind.Bind(binding);
  } catch (const std::exception& error) {
    faults.AddAtName(FaultCode::kBadValue, entry, "node \"" + entry.name + "\" cannot be bound: " + error.what());
  }
  const ManagedModel* managed = node.program == nullptr ? nullptr : node.program->managed();
  if (managed != nullptr) BindSegment(root_, managed->model(), binding, faults);
  binding.Apply(scope);
  std::vector<VisibleColumn> made;
  for (const VisibleColumn& column : scope.columns()) {
    if (column.maker == entry.name) made.push_back(column);
  }
  if (node.program != nullptr) {
    ReadNodeSettings(entry, root_, made, node, faults);
    node.keep_always = node.keep_always || !node.program->deterministic();
    FingerprintNode(entry, kind, made, node);
  }
  node.makes = std::move(binding.makes);
  node.reads = std::move(binding.reads);
  std::sort(node.reads.begin(), node.reads.end());
  node.reads.erase(std::unique(node.reads.begin(), node.reads.end()), node.reads.end());
  node.expensive = kind.spec().expensive;
}

void Compiler::FinishNode(size_t vertex, const Outflow& out, PlanNode node) {
  for (const size_t input : graph_.vertices[vertex].inputs) node.inputs.push_back(stages_[input]);
  node.from_source = out.sources;
  CloseFingerprint(*plan_, node);
  stages_[vertex] = StageId(graph_.sources + plan_->nodes.size());
  if (const auto target = node.program->target()) {
    node.target = TargetId(plan_->targets.size());
    plan_->targets.push_back({node.id, target});
    for (size_t source = 0; source < graph_.sources; ++source) {
      if (out.pending[source]) plan_->sources[source].enforce_schema = true;
    }
  }
  plan_->nodes.push_back(std::move(node));
  entries_.push_back(graph_.vertices[vertex].entry);
}

// ------------------------------------------------------------------------------------------- finish

void Compiler::FinishSources() {
  for (size_t source = 0; source < graph_.sources; ++source) {
    PlanSource& out = plan_->sources[source];
    const auto& schema = schemas_.schemas[source];
    if (schema == nullptr) continue;
    const bool enforced = out.enforce_schema || schemas_.taken[source];
    out.decode.schema = schema;
    for (size_t field = 0; field < schema->fields().size(); ++field) {
      const ColumnId column = schema->fields()[field].column;
      if (enforced || columns_.read(column)) out.decode.fields.push_back({field, column, columns_.Storage(column)});
    }
  }
}

void Compiler::FinishColumns() {
  columns_.Settle();
  for (ColumnId column = 0; column < columns_.size(); ++column) {
    plan_->columns.push_back({columns_.at(column).name, columns_.Storage(column), columns_.at(column).maker});
  }
  std::vector<std::string> models;
  for (const PlanNode& node : plan_->nodes) {
    const auto facts = node.program->Facts();
    const auto model = facts.find("model");
    if (model == facts.end() || std::find(models.begin(), models.end(), model->second) != models.end()) continue;
    models.push_back(model->second);
  }
  for (const std::string& model : models) plan_->models += (plan_->models.empty() ? "" : ",") + model;
}

}  // namespace

std::shared_ptr<Plan> CompileTopology(const Topology& topology, const Graph& graph, const Broken& broken,
                                      const Registry& registry, const CheckOptions& options, FaultSink& faults) {
  return Compiler(topology, graph, broken, registry, options, faults).Run();
}

}  // namespace anabranch
