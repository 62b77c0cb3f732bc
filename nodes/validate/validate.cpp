#include "nodes/validate/validate.h"

#include <algorithm>

#include "engine/codec/json_writer.h"
#include "engine/expression/expression.h"
#include "engine/schema/record_schema.h"
#include "engine/text/utf8.h"

namespace anabranch {
namespace {

constexpr size_t kShownColumns = 8;
constexpr size_t kShownBytes = 64;

NodeKind::Spec MakeSpec() {
  NodeKind::Spec spec;
  spec.name = "validate";
  spec.summary = "Checks records against the schema of their source and against named rules.";
  spec.about =
      "Every record that reaches the node is validated against the JSON Schema of its source (types, required fields "
      "and constraints), unless a validate node above has done so. Without any validate node, the source does it. "
      "Records that match the schema are then checked against the rules, in the order written.\n\n"
      "A rule is an expression that must be true. A rule that is false or null fails the record: null is not true. Use "
      "`is_null` or `coalesce` where a field may be absent.\n\n"
      "A record that fails leaves the stream here as `on_error` says (dead letters by default), with the code "
      "`schema`, "
      "`rule` or `expression` and a message that names the field or the rule and the values. Other records are not "
      "affected.";
  FieldSpec rules;
  rules.name = "rules";
  rules.shape = Shape::Map(Shape::Expression());
  rules.doc = "Conditions that must be true of every record, by name.";
  spec.fields = {rules};
  spec.checks_schemas = true;
  spec.example = R"({"kind": "validate", "inputs": ["payments"], "rules": {"sane_amount": "amount < 1e6"}})";
  return spec;
}

struct Rule {
  struct Shown {
    std::string name;
    ColumnId column;
  };
  std::string name;
  std::shared_ptr<const Expression> expression;
  std::vector<Shown> shown;  // the columns that a failure message shows
};

struct Rules {
  std::vector<std::shared_ptr<const RecordSchema>> schemas;
  std::vector<Rule> rules;
};

std::string Values(const Rule& rule, const RecordBatch& batch, uint32_t row) {
  std::string text;
  for (const Rule::Shown& shown : rule.shown) {
    std::string value;
    AppendJsonCell(&value, batch.columns[shown.column], row);
    if (value.size() > kShownBytes) value = std::string(CutText(value, kShownBytes)) + "…";
    text += (text.empty() ? " (" : ", ") + shown.name + " = " + value;
  }
  return text.empty() ? text : text + ")";
}

class ValidateNode final : public Node {
 public:
  explicit ValidateNode(std::shared_ptr<const Rules> rules) : rules_(std::move(rules)) {}

  Status Process(const NodeRun& run) override {
    left_.assign(run.active.begin(), run.active.end());
    for (const auto& schema : rules_->schemas) {
      schema->Check(run.batch, left_, [&](uint32_t row, std::string why) { failed_.push_back({row, std::move(why)}); });
      for (auto& [row, why] : failed_) Fail(run, row, "schema", std::move(why));
      failed_.clear();
    }
    for (const Rule& rule : rules_->rules) Apply(rule, run);
    return Status::Ok();
  }

 private:
  void Fail(const NodeRun& run, uint32_t row, std::string_view code, std::string message) {
    left_[row] = 0;
    run.FailRow(row, code, std::move(message));
  }

  void Apply(const Rule& rule, const NodeRun& run) {
    errors_.clear();
    evaluator_.Evaluate(*rule.expression, run.batch, left_, &result_, &errors_);
    for (const ExpressionError& error : errors_) {
      Fail(run, error.row, "expression",
           "rule \"" + rule.name + "\": " + error.message + ": " + rule.expression->text +
               Values(rule, run.batch, error.row));
    }
    const std::span<const uint8_t> truth = result_.values<uint8_t>();
    const std::span<const uint8_t> states = result_.states();
    for (uint32_t row = 0; row < run.batch.rows(); ++row) {
      const bool holds = (states[row] & kValid) != 0 && truth[row] != 0;
      if (holds || left_[row] == 0) continue;
      Fail(run, row, "rule",
           "rule \"" + rule.name + "\" is not true: " + rule.expression->text + Values(rule, run.batch, row));
    }
  }

  std::shared_ptr<const Rules> rules_;
  Evaluator evaluator_;
  Column result_;
  std::vector<uint8_t> left_;  // active rows that have not failed here
  std::vector<std::pair<uint32_t, std::string>> failed_;
  std::vector<ExpressionError> errors_;
};

std::vector<uint8_t> OnlyRow(const RecordBatch& batch, uint32_t row) {
  std::vector<uint8_t> active(batch.rows(), 0);
  active[row] = 1;
  return active;
}

Finding ExplainRule(const Rule& rule, const RecordBatch& batch, uint32_t row) {
  Evaluator evaluator;
  Column result;
  std::vector<ExpressionError> errors;
  evaluator.Evaluate(*rule.expression, batch, OnlyRow(batch, row), &result, &errors);
  Finding finding{rule.name, "null", rule.expression->text + Values(rule, batch, row)};
  if (!errors.empty()) {
    finding.verdict = "failed";
    finding.text = std::string(errors.front().message) + ": " + finding.text;
  } else if ((result.states()[row] & kValid) != 0) {
    finding.verdict = result.values<uint8_t>()[row] != 0 ? "true" : "false";
  }
  return finding;
}

class ValidateProgram final : public NodeProgram {
 public:
  explicit ValidateProgram(std::shared_ptr<const Rules> rules) : rules_(std::move(rules)) {}

  Result<std::unique_ptr<Node>> Open() const override {
    return std::unique_ptr<Node>(std::make_unique<ValidateNode>(rules_));
  }
  std::map<std::string, std::string> Facts() const override {
    return {{"rules", std::to_string(rules_->rules.size())},
            {"schemas_enforced", std::to_string(rules_->schemas.size())}};
  }
  // A record that does not match its schema has no values that rules could judge.
  std::vector<Finding> Explain(const RecordBatch& batch, uint32_t row) const override {
    std::vector<Finding> findings;
    bool matches = true;
    for (const auto& schema : rules_->schemas) {
      if (!schema->Judges(batch)) continue;
      std::string broken;
      schema->Check(batch, OnlyRow(batch, row), [&](uint32_t, std::string why) { broken = std::move(why); });
      findings.push_back({"schema", broken.empty() ? "true" : "false", broken});
      matches = matches && broken.empty();
    }
    for (const Rule& rule : rules_->rules) {
      findings.push_back(matches ? ExplainRule(rule, batch, row) : Finding{rule.name, "", rule.expression->text});
    }
    return findings;
  }

 private:
  std::shared_ptr<const Rules> rules_;
};

Rule MakeRule(const std::string& name, std::shared_ptr<const Expression> expression, const Scope& scope) {
  Rule rule{name, std::move(expression), {}};
  for (const VisibleColumn& column : scope.columns()) {
    const std::vector<ColumnId>& reads = rule.expression->reads;
    if (rule.shown.size() < kShownColumns && std::binary_search(reads.begin(), reads.end(), column.id)) {
      rule.shown.push_back({column.name, column.id});
    }
  }
  return rule;
}

class ValidateKind final : public NodeKind {
 public:
  const Spec& spec() const override { return spec_; }

  std::shared_ptr<const NodeProgram> Bind(BindContext& context) const override {
    auto bound = std::make_shared<Rules>();
    bound->schemas = context.TakeSchemas();
    bool faulty = false;
    if (const ConfigValue* rules = context.config().Find("rules")) {
      for (const ConfigValue& at : rules->children) {
        std::shared_ptr<const Expression> expression = CompileExpression(at, context.scope(), true, context.faults());
        faulty |= expression == nullptr;
        if (expression == nullptr) continue;
        context.NoteReads(expression->reads);
        bound->rules.push_back(MakeRule(at.name, std::move(expression), context.scope()));
      }
    }
    if (faulty) return nullptr;
    if (bound->rules.empty() && bound->schemas.empty()) {
      context.faults().Add(
          FaultCode::kUnused, context.config(),
          "node \"" + context.node_id() + "\" checks nothing: it has no rules, and its source has no schema",
          "add \"rules\", or a \"schema\" to the source");
    }
    return std::make_shared<ValidateProgram>(std::move(bound));
  }

 private:
  const Spec spec_ = MakeSpec();
};

}  // namespace

void RegisterNodeValidate(Registry& registry) { registry.Add(std::make_unique<ValidateKind>()); }

}  // namespace anabranch
