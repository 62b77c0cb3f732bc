#include "nodes/persist/persist.h"

#include <set>

#include "engine/target.h"

namespace anabranch {
namespace {

constexpr std::string_view kRaw = "raw";

NodeKind::Spec MakeSpec() {
  NodeKind::Spec spec;
  spec.name = "persist";
  spec.summary = "Writes each row to a topic, a file or a table, with the key of its record.";
  spec.about =
      "`to` names the target by its connector: `{\"kafka\": {\"topic\": …}}`, `{\"file\": {\"path\": …}}` or "
      "`{\"sqlite\": {\"path\": …, \"table\": …}}`. `fields` lists the columns to write. Without it, the node "
      "writes all columns that models and ensembles above made. `\"*\"` writes every column that is visible here.\n\n"
      "Rows become visible together with the progress of their source, so that under `exactly_once` each appears "
      "exactly once, in the order of its source partition. `\"envelope\": \"raw\"` writes the record's value "
      "unchanged; it is the only way to write records of a source without a schema.";
  const Shape names = Shape::List(Shape::Column(), true);
  const Shape renamed = Shape::Map(Shape::Column(), true);
  spec.fields = {
      {"to", Shape::Any(), true, "", "The target: an object with one key, the connector."},
      {"fields", Shape::OneOf({names, renamed, Shape::Enum({"*"})}), false, "",
       "Columns to write: a list, an object from written name to column, or \"*\" for all; default: all results."},
      {"envelope", Shape::Enum({"plain", "raw", "cloudevents"}), false, "",
       "How a row is wrapped. The choices depend on the connector."},
  };
  spec.sink = true;
  spec.example = R"({"kind": "persist", "inputs": ["score"], "to": {"file": {"path": "predictions.jsonl"}},)"
                 R"( "fields": ["score"]})";
  return spec;
}

// Nothing to do per batch: see persist.h.
class PersistNode : public Node {
 public:
  Status Process(const NodeRun& /*run*/) override { return {}; }
};

class PersistProgram : public NodeProgram {
 public:
  PersistProgram(std::shared_ptr<const TargetProgram> target, std::vector<TargetField> written)
      : target_(std::move(target)), written_(std::move(written)) {}

  Result<std::unique_ptr<Node>> Open() const override { return std::unique_ptr<Node>(std::make_unique<PersistNode>()); }
  std::shared_ptr<const TargetProgram> target() const override { return target_; }
  std::span<const TargetField> written() const override { return written_; }
  std::map<std::string, std::string> Facts() const override { return {{"target", target_->Describe()}}; }

 private:
  const std::shared_ptr<const TargetProgram> target_;
  const std::vector<TargetField> written_;
};

// Turns `fields` into columns.
class FieldBinder {
 public:
  explicit FieldBinder(BindContext& context) : context_(context) {}

  std::vector<TargetFields::Field> Bind() {
    const ConfigValue* fields = context_.config().Find("fields");
    if (fields == nullptr) {
      TakeVisible(context_.config(), true);
    } else if (fields->is_array()) {
      for (const ConfigValue& item : fields->children) Take(item, item.text, item.text);
    } else if (fields->is_object()) {
      for (const ConfigValue& member : fields->children) Take(member, member.name, member.text);
    } else {
      TakeVisible(*fields, false);
    }
    return std::move(fields_);
  }

 private:
  void Take(const ConfigValue& at, const std::string& name, const std::string& column) {
    const VisibleColumn* visible = context_.Read(at, column);
    if (visible == nullptr) return;
    if (!names_.insert(name).second) {
      context_.faults().Add(FaultCode::kBadValue, at, "\"" + name + "\" is written twice", "list each field once");
      return;
    }
    fields_.push_back({name, visible->id, visible->type, visible->nullable, &at});
  }

  void TakeVisible(const ConfigValue& at, bool results_only) {
    const std::vector<VisibleColumn> columns = context_.scope().columns();
    for (const VisibleColumn& column : columns) {
      if (column.result || !results_only) Take(at, column.name, column.name);
    }
    if (!fields_.empty()) return;
    if (columns.empty()) {
      context_.faults().Add(FaultCode::kBadValue, at, "no column is visible here, so the node has nothing to write",
                            "give the source a \"schema\", or write its records unchanged: \"envelope\": \"raw\"");
    } else {
      context_.faults().Add(FaultCode::kMissingKey, at,
                            "no model or ensemble above makes a column, so the node has nothing to write by default",
                            "list the columns in \"fields\" (\"*\" for all); " + Suggest("", Names(columns)));
    }
  }

  static std::vector<std::string> Names(const std::vector<VisibleColumn>& columns) {
    std::vector<std::string> names;
    for (const VisibleColumn& column : columns) names.push_back(column.name);
    return names;
  }

  BindContext& context_;
  std::vector<TargetFields::Field> fields_;
  std::set<std::string> names_;
};

class PersistKind : public NodeKind {
 public:
  const Spec& spec() const override { return spec_; }

  std::shared_ptr<const NodeProgram> Bind(BindContext& context) const override {
    const size_t before = context.faults().errors();
    const ConfigValue& config = context.config();
    TargetFields fields;
    fields.node_id = context.node_id();
    fields.envelope = config.Text("envelope");
    fields.config = &config;
    if (fields.envelope != kRaw) {
      fields.fields = FieldBinder(context).Bind();
    } else if (const ConfigValue* given = config.Find("fields")) {
      context.faults().AddAtName(FaultCode::kBadValue, *given,
                                 "\"envelope\": \"raw\" writes the record unchanged and takes no fields",
                                 "remove \"fields\", or choose another envelope");
    }
    const ConfigValue* to = config.Find("to");
    if (to == nullptr) return nullptr;
    std::shared_ptr<const TargetProgram> target = context.services().BindTarget(*to, fields, context.faults());
    if (target == nullptr || context.faults().errors() != before) return nullptr;
    return std::make_shared<PersistProgram>(std::move(target), std::move(fields.fields));
  }

 private:
  const Spec spec_ = MakeSpec();
};

}  // namespace

void RegisterNodePersist(Registry& registry) { registry.Add(std::make_unique<PersistKind>()); }

}  // namespace anabranch
