#include "tests/topologies/language/fake_parts.h"

#include <utility>

#include "engine/formats/catalog.h"

namespace anabranch {

namespace {

class FakeProgram : public NodeProgram {
 public:
  explicit FakeProgram(std::string model, std::shared_ptr<const TargetProgram> target = nullptr)
      : model_(std::move(model)), target_(std::move(target)) {}
  Result<std::unique_ptr<Node>> Open() const override { return Status(Code::kInternal, "a fake does not run"); }
  std::shared_ptr<const TargetProgram> target() const override { return target_; }
  std::map<std::string, std::string> Facts() const override {
    if (model_.empty()) return {};
    return {{"model", model_ + "@1"}};
  }

 private:
  std::string model_;
  std::shared_ptr<const TargetProgram> target_;
};

class FakeKind : public NodeKind {
 public:
  using Binder = std::shared_ptr<const NodeProgram> (*)(BindContext&);
  FakeKind(Spec spec, Binder binder) : spec_(std::move(spec)), binder_(binder) {}
  const Spec& spec() const override { return spec_; }
  std::shared_ptr<const NodeProgram> Bind(BindContext& context) const override { return binder_(context); }

 private:
  Spec spec_;
  Binder binder_;
};

std::shared_ptr<const NodeProgram> BindMake(BindContext& context) {
  bool ok = true;
  if (const ConfigValue* columns = context.config().Find("set")) {
    for (const ConfigValue& column : columns->children) {
      bool nullable = false;
      if (column.text.starts_with('#')) {  // a tensor of its own
        const ColumnId made = context.Make(column, column.name, Type::Tensor(Kind::kFloat64, {4}), false);
        if (column.text == "#adapts") context.Storage(made);
        continue;
      }
      if (!column.text.empty()) {
        const VisibleColumn* read = context.Read(column, column.text, context.config().Flag("narrow", false));
        ok = ok && read != nullptr;
        nullable = read != nullptr && read->nullable;
      }
      context.Make(column, column.name, Type::Scalar(Kind::kFloat64), nullable);
    }
  }
  const ConfigValue* model = context.config().Find("model");
  if (model != nullptr && context.services().Section("models", model->text) == nullptr) {
    context.faults().Add(FaultCode::kUnknownReference, *model, "no model \"" + model->text + "\"");
    ok = false;
  }
  if (const ConfigValue* renames = context.config().Find("rename")) {
    for (const ConfigValue& to : renames->children) context.Rename(to.name, to.text);
  }
  if (const ConfigValue* drops = context.config().Find("drop")) {
    for (const ConfigValue& name : drops->children) context.Drop(name.text);
  }
  return ok ? std::make_shared<FakeProgram>(model != nullptr ? model->text : "") : nullptr;
}

std::shared_ptr<const NodeProgram> BindCheck(BindContext& context) {
  return std::make_shared<FakeProgram>(std::to_string(context.TakeSchemas().size()) + " schemas");
}

std::shared_ptr<const NodeProgram> BindPersist(BindContext& context) {
  TargetFields fields;
  fields.node_id = context.node_id();
  fields.config = &context.config();
  bool ok = true;
  if (const ConfigValue* names = context.config().Find("fields")) {
    for (const ConfigValue& name : names->children) ok = context.Read(name, name.text) != nullptr && ok;
  }
  auto target = context.services().BindTarget(*context.config().Find("to"), fields, context.faults());
  return ok && target != nullptr ? std::make_shared<FakeProgram>("", target) : nullptr;
}

class FakeSource : public SourceProgram {
 public:
  explicit FakeSource(std::string what) : what_(std::move(what)) {}
  int Lanes(int) const override { return 1; }
  Result<std::unique_ptr<Source>> OpenLane(const LaneContext&) const override {
    return Status(Code::kInternal, "a fake does not run");
  }
  bool bounded() const override { return true; }
  std::string Describe() const override { return what_; }

 private:
  std::string what_;
};

class FakeTarget : public TargetProgram {
 public:
  FakeTarget(std::string connector, std::string name) : connector_(std::move(connector)), name_(std::move(name)) {}
  std::string commit_unit() const override { return connector_; }
  std::string connector() const override { return connector_; }
  bool ExactlyOnce(const SourceProgram&, std::string* why) const override {
    if (connector_ == "disk") return true;
    *why = "a pipe forgets";
    return false;
  }
  std::unique_ptr<RowEncoder> MakeEncoder(const ResultIdentity&) const override { return nullptr; }
  std::string Describe() const override { return connector_ + " " + name_; }

 private:
  std::string connector_, name_;
};

class FakeConnector : public Connector {
 public:
  explicit FakeConnector(Spec spec) : spec_(std::move(spec)) {}
  const Spec& spec() const override { return spec_; }
  std::shared_ptr<const SourceProgram> BindSource(const ConfigValue& at, const std::string&, BindServices& services,
                                                  FaultSink& faults) const override {
    const ConfigValue* path = at.Find("path");
    if (path != nullptr && !Judge(*path, services, faults)) return nullptr;
    return std::make_shared<FakeSource>(spec_.name + " source");
  }
  std::shared_ptr<const TargetProgram> BindTarget(const ConfigValue& at, const TargetFields&, BindServices& services,
                                                  FaultSink& faults) const override {
    const ConfigValue* path = at.Find("path");
    if (path == nullptr) return std::make_shared<FakeTarget>(spec_.name, std::string(at.Text("name")));
    if (!Judge(*path, services, faults)) return nullptr;
    return std::make_shared<FakeTarget>(spec_.name, path->text);
  }
  std::shared_ptr<const TargetProgram> BindDeadLetters(const ConfigValue* at, const SourceProgram*,
                                                       const std::string& topology, BindServices&,
                                                       FaultSink&) const override {
    return std::make_shared<FakeTarget>(spec_.name, at == nullptr ? topology + ".dead" : std::string(at->Text("path")));
  }
  Result<std::unique_ptr<Committer>> OpenCommitter(const LaneContext&,
                                                   const std::vector<std::pair<TargetId, const TargetProgram*>>&,
                                                   const SourceProgram&, Source&) const override {
    return Status(Code::kInternal, "a fake does not run");
  }

 private:
  static bool Judge(const ConfigValue& path, BindServices& services, FaultSink& faults) {
    const Result<std::string> resolved = services.ResolvePath(path.text);
    if (resolved.ok()) return true;
    faults.Add(FaultCode::kPath, path, resolved.status().message());
    return false;
  }
  Spec spec_;
};

NodeKind::Spec KindSpec(const char* name, std::vector<FieldSpec> fields, bool results) {
  NodeKind::Spec spec;
  spec.name = name;
  spec.summary = std::string("the kind ") + name;
  spec.fields = std::move(fields);
  spec.results = results;
  return spec;
}

void AddConnectors(Registry& registry) {
  Connector::Spec disk;
  disk.name = "disk";
  disk.source = {{"path", Shape::Path(), true, "", "The file."}};
  disk.target = disk.source;
  registry.Add(std::make_unique<FakeConnector>(disk));
  Connector::Spec pipe;
  pipe.name = "pipe";
  pipe.source = {{"name", Shape::String(), true, "", "The pipe."}};
  pipe.target = {{"name", Shape::String(), true, "", "The pipe."}, {"connection", Shape::String(), false, "", ""}};
  pipe.connection = {{"host", Shape::String(), true, "", "Where."},
                     {"port", Shape::Integer(1, 65535), false, "80", "Which."},
                     {"password", Shape::String(), false, "", "The secret."}};
  registry.Add(std::make_unique<FakeConnector>(pipe));
}

}  // namespace

const Registry& FakeParts() {
  static const auto registry = [] {
    auto parts = std::make_unique<Registry>();
    parts->Add(
        std::make_unique<FakeKind>(KindSpec("make",
                                            {{"set", Shape::Map(Shape::String()), false, "", "Columns."},
                                             {"model", Shape::String(), false, "", "A model."},
                                             {"narrow", Shape::Bool(), false, "false", "Content with float32."},
                                             {"rename", Shape::Map(Shape::String()), false, "", "From to."},
                                             {"drop", Shape::List(Shape::Column()), false, "", "Columns that go."},
                                             {"level", Shape::Integer(0, 9), false, "1", "A number."}},
                                            true),
                                   BindMake));
    NodeKind::Spec check = KindSpec("check", {}, false);
    check.checks_schemas = true;
    parts->Add(std::make_unique<FakeKind>(std::move(check), BindCheck));
    NodeKind::Spec persist = KindSpec(
        "persist",
        {{"to", Shape::Any(), true, "", "Where to."}, {"fields", Shape::List(Shape::Column()), false, "", ""}}, false);
    persist.sink = true;
    parts->Add(std::make_unique<FakeKind>(std::move(persist), BindPersist));
    AddConnectors(*parts);
    RegisterAllFormats(*parts);
    return parts;
  }();
  return *registry;
}

std::string TopologyWith(const std::string& nodes, const std::string& last, const std::string& more) {
  return R"({"anabranch": 1, "name": "t",
"schemas": {"s": {"type": "object", "required": ["id", "a", "b"], "properties": {"id": {"type": "string"},
  "a": {"type": "number"}, "b": {"type": "number"}, "note": {"type": "string"}}}},
"sources": {"in": {"disk": {"path": "in.jsonl"}, "schema": "s"}},
"nodes": {
)" + nodes +
         "\"out\": {\"kind\": \"persist\", \"inputs\": [\"" + last +
         "\"], \"to\": {\"disk\": {\"path\": \"out.jsonl\"}}}}" + more + "}\n";
}

CheckedTopology CheckFake(const std::string& text, const std::vector<std::pair<std::string, std::string>>& env) {
  CheckOptions options;
  options.env = [env](const std::string& name) -> std::optional<std::string> {
    for (const auto& [key, value] : env) {
      if (key == name) return value;
    }
    return std::nullopt;
  };
  return CheckTopologyText("t.json", text, FakeParts(), options);
}

std::vector<std::string> Lines(const CheckedTopology& checked) {
  std::vector<std::string> lines;
  for (const Fault& fault : checked.faults) {
    lines.push_back(FaultName(fault.code) + " " + std::to_string(fault.place.line) + ":" +
                    std::to_string(fault.place.column) + " " + fault.message);
  }
  return lines;
}

std::vector<std::string> Codes(const CheckedTopology& checked) {
  std::vector<std::string> codes;
  for (const Fault& fault : checked.faults) codes.push_back(FaultName(fault.code));
  return codes;
}

}  // namespace anabranch
