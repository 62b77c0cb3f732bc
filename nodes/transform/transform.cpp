#include "nodes/transform/transform.h"

#include <algorithm>
#include <map>

#include "engine/copied_columns.h"
#include "engine/expression/expression.h"
#include "engine/expression/program.h"

namespace anabranch {
namespace {

FieldSpec Field(std::string name, Shape shape, std::string doc) {
  FieldSpec field;
  field.name = std::move(name);
  field.shape = std::move(shape);
  field.doc = std::move(doc);
  return field;
}

NodeKind::Spec MakeSpec() {
  NodeKind::Spec spec;
  spec.name = "transform";
  spec.summary = "Makes columns from expressions, filters rows, and hides or renames columns.";
  spec.about =
      "`set` makes one column per entry. An entry sees the columns from above and the entries before it, in the order "
      "of the file. A column is made once in a topology: an entry cannot take the name of a column that is there "
      "already.\n\n"
      "`where` keeps the rows for which it is true; rows for which it is false or null leave the stream and are "
      "counted as filtered. It may use entries of `set`; for rows that it filters out, only the entries that "
      "it needs are computed.\n\n"
      "`drop` hides columns from the nodes below and `rename` shows them under another name, `drop` first, then the "
      "renames in the order of the file. Neither changes data, and both may name entries of `set`.\n\n"
      "A record for which an expression fails (integer overflow, division by zero) leaves the stream here as "
      "`on_error` says, with the code `expression` and a message that names the entry.\n\n"
      "A node may fail for a record and pass it on with nulls or defaults (`on_error`). An entry that reads a column "
      "of that node is not a result either: an ensemble below does not count it, even if `coalesce` gave it a value.";
  spec.fields = {
      Field("set", Shape::Map(Shape::Expression()), "New columns: name to expression."),
      Field("where", Shape::Expression(), "Filters out the rows for which this is not true."),
      Field("drop", Shape::List(Shape::Column()), "Columns hidden from the nodes below."),
      Field("rename", Shape::Map(Shape::String()),
            "Columns that the nodes below see under another name: old name to new name."),
  };
  spec.example =
      R"json({"kind": "transform", "inputs": ["payments"], )json"
      R"json("set": {"log_amount": "log1p(amount)", "is_home": "country == home"}, "where": "amount > 0"})json";
  return spec;
}

struct Step {
  std::string name;  // "set.NAME" or "where", as messages say it
  std::shared_ptr<const Expression> expression;
  std::optional<ColumnId> column;       // made by the step; absent for the filter
  std::shared_ptr<const Type> storage;  // of an expression that narrows; may be null
};

class TransformNode final : public Node {
 public:
  explicit TransformNode(std::shared_ptr<const std::vector<Step>> steps)
      : steps_(std::move(steps)), evaluators_(steps_->size()) {}

  Status Process(const NodeRun& run) override {
    left_.assign(run.active.begin(), run.active.end());
    all_left_ = run.all_active();
    for (size_t i = 0; i < steps_->size(); ++i) {
      const Step& step = (*steps_)[i];
      Column* out = step.column ? &run.batch.columns[*step.column] : &condition_;
      evaluators_[i].Evaluate(*step.expression, run.batch, left_, out, &errors_, step.storage.get());
      for (const ExpressionError& error : errors_) Fail(run, step, error);
      if (step.column) {
        HandMarksOn(run.batch, *step.expression, out);
      } else {
        Filter(run);
      }
    }
    if (!all_left_) ClearRowsThatLeft(run.batch);
    return Status::Ok();
  }

 private:
  // A value computed from a cell without a result is not a result either. A value computed from a skipped cell is a
  // result unless it is null.
  static void HandMarksOn(const RecordBatch& batch, const Expression& expression, Column* out) {
    const std::span<uint8_t> states = out->states();
    for (const ColumnId column : expression.reads) {
      const std::span<const uint8_t> from = batch.columns[column].states();
      if (from.size() != states.size() || !AnyMark(from)) continue;
      for (size_t row = 0; row < states.size(); ++row) {
        const Mark mark = MarkOf(from[row]);
        if (mark <= MarkOf(states[row]) || (mark == Mark::kSkipped && (states[row] & kValid) != 0)) continue;
        states[row] = Marked(states[row], mark);
      }
    }
  }

  static bool AnyMark(std::span<const uint8_t> states) {
    uint8_t any = 0;
    for (const uint8_t state : states) any |= state;
    return (any & kMarkBits) != 0;
  }

  void Fail(const NodeRun& run, const Step& step, const ExpressionError& error) {
    left_[error.row] = 0;
    all_left_ = false;
    run.FailRow(error.row, "expression", step.name + ": " + error.message + " in \"" + step.expression->text + "\"");
  }

  void Filter(const NodeRun& run) {
    const uint8_t* values = condition_.values<uint8_t>().data();
    const uint8_t* states = condition_.states().data();
    for (uint32_t row = 0; row < left_.size(); ++row) {
      if (left_[row] == 0 || (states[row] & values[row] & kValid) != 0) continue;
      left_[row] = 0;
      all_left_ = false;
      run.FilterRow(row);
    }
  }

  void ClearRowsThatLeft(RecordBatch& batch) {
    for (const Step& step : *steps_) {
      if (!step.column) continue;
      const std::span<uint8_t> states = batch.columns[*step.column].states();
      for (size_t row = 0; row < states.size(); ++row) states[row] = left_[row] != 0 ? states[row] : uint8_t{kNull};
    }
  }

  std::shared_ptr<const std::vector<Step>> steps_;
  std::vector<Evaluator> evaluators_;  // one per step: each keeps its own constants filled
  Column condition_;
  std::vector<uint8_t> left_;  // active rows that neither failed nor were filtered so far
  bool all_left_ = true;
  std::vector<ExpressionError> errors_;
};

class TransformProgram final : public NodeProgram, public CopiedColumns {
 public:
  explicit TransformProgram(std::vector<Step> steps)
      : steps_(std::make_shared<const std::vector<Step>>(std::move(steps))) {}

  Result<std::unique_ptr<Node>> Open() const override {
    return std::unique_ptr<Node>(std::make_unique<TransformNode>(steps_));
  }

  std::map<std::string, std::string> Facts() const override {
    std::map<std::string, std::string> facts;
    for (const Step& step : *steps_) {
      if (step.column) facts[step.name] = step.expression->type.ToString();
      if (!step.column) facts[step.name] = step.expression->text;
    }
    return facts;
  }
  // A column as it is, or one function of it alone.
  std::vector<std::pair<ColumnId, ColumnId>> Copies() const override {
    std::vector<std::pair<ColumnId, ColumnId>> copies;
    for (const Step& step : *steps_) {
      const ExpressionProgram& program = *step.expression->program;
      const bool tells = program.instructions.size() <= 1 && program.constants.empty();
      if (step.column && tells && step.expression->reads.size() == 1) {
        copies.emplace_back(*step.column, step.expression->reads[0]);
      }
    }
    return copies;
  }
  bool filters() const override {
    return std::ranges::any_of(*steps_, [](const Step& step) { return !step.column.has_value(); });
  }

  // What the condition said is the row's outcome. Judged now it would be null: the columns of a row that left are.
  std::vector<Finding> Explain(const RecordBatch& /*batch*/, uint32_t /*row*/) const override {
    std::vector<Finding> findings;
    for (const Step& step : *steps_) {
      const size_t dot = step.name.find('.');
      const std::string name = dot == std::string::npos ? step.name : step.name.substr(dot + 1);
      findings.push_back({name, "", step.expression->text});
    }
    return findings;
  }

 private:
  std::shared_ptr<const std::vector<Step>> steps_;
};

// Binds one transform node. The steps keep the order of the file, except that the filter runs as soon as everything it
// reads is made; entries that it does not need run after it.
class Binder {
 public:
  explicit Binder(BindContext& context)
      : context_(context), faults_before_(context.faults().errors()), scope_(context.scope()) {}

  std::shared_ptr<const NodeProgram> Run() {
    BindSet();
    BindWhere();
    AskForStorage();
    Scope below = scope_;
    Drop(below);
    Rename(below);
    if (faulty_ || context_.faults().errors() != faults_before_) return nullptr;
    return std::make_shared<TransformProgram>(Ordered());
  }

 private:
  void BindSet() {
    const ConfigValue* set = context_.config().Find("set");
    if (set == nullptr) return;
    for (const ConfigValue& entry : set->children) BindEntry(entry);
  }

  void BindEntry(const ConfigValue& entry) {
    const CompiledExpression compiled = CompileExpression(entry.text, scope_);
    ReportFaults(compiled, entry, context_.faults());
    if (compiled.expression == nullptr) {
      faulty_ = true;
      const Type type = compiled.likely_type.value_or(UnknownType());
      if (compiled.likely_type) Make(entry, type, true);
      scope_.Add({entry.name, 0, type, true, false, context_.node_id()});
      return;
    }
    NoteReads(*compiled.expression);
    const Type& type = compiled.expression->type;
    const ColumnId id = Make(entry, type, compiled.expression->nullable);
    scope_.Add({entry.name, id, type, compiled.expression->nullable, false, context_.node_id()});
    maker_[id] = steps_.size();
    steps_.push_back({"set." + entry.name, compiled.expression, id, nullptr});
  }

  // BindContext knows the columns of the topology. A name that a rename above made visible is known only here.
  ColumnId Make(const ConfigValue& entry, const Type& type, bool nullable) {
    const size_t before = context_.faults().errors();
    const ColumnId id = context_.Make(entry, entry.name, type, nullable);
    if (context_.faults().errors() == before && context_.scope().Find(entry.name) != nullptr) {
      context_.faults()
          .AddAtName(FaultCode::kColumnMadeTwice, entry,
                     "a node above already renames a column to \"" + entry.name + "\"",
                     "choose another name for this one")
          .subject = entry.name;
    }
    return id;
  }

  void BindWhere() {
    const ConfigValue* at = context_.config().Find("where");
    if (at == nullptr) return;
    std::shared_ptr<const Expression> condition = CompileExpression(*at, scope_, true, context_.faults());
    faulty_ = faulty_ || condition == nullptr;
    if (condition == nullptr) return;
    NoteReads(*condition);
    where_ = Step{"where", std::move(condition), std::nullopt, nullptr};
  }

  // Expressions of this node read columns with their declared types.
  void AskForStorage() {
    std::vector<bool> read(steps_.size());
    for (const Step& step : steps_) MarkNeeded(*step.expression, &read);
    if (where_) MarkNeeded(*where_->expression, &read);
    for (size_t i = 0; i < steps_.size(); ++i) {
      if (steps_[i].expression->narrows && !read[i]) steps_[i].storage = context_.Storage(*steps_[i].column);
    }
  }

  void NoteReads(const Expression& expression) {
    std::vector<ColumnId> from_above;
    for (ColumnId id : expression.reads) {
      if (maker_.count(id) == 0) from_above.push_back(id);
    }
    context_.NoteReads(from_above);
  }

  std::vector<Step> Ordered() {
    if (!where_) return std::move(steps_);
    std::vector<bool> needed(steps_.size());
    MarkNeeded(*where_->expression, &needed);
    for (size_t i = steps_.size(); i-- > 0;) {
      if (needed[i]) MarkNeeded(*steps_[i].expression, &needed);
    }
    std::vector<Step> ordered;
    for (size_t i = 0; i < steps_.size(); ++i) {
      if (needed[i]) ordered.push_back(steps_[i]);
    }
    ordered.push_back(*where_);
    for (size_t i = 0; i < steps_.size(); ++i) {
      if (!needed[i]) ordered.push_back(steps_[i]);
    }
    return ordered;
  }

  void MarkNeeded(const Expression& expression, std::vector<bool>* needed) const {
    for (ColumnId id : expression.reads) {
      const auto made = maker_.find(id);
      if (made != maker_.end()) (*needed)[made->second] = true;
    }
  }

  // False, with a fault, when the nodes below could not see `name` anyway.
  bool IsVisible(const Scope& below, const ConfigValue& at, const std::string& name, bool at_name) {
    if (below.Find(name) != nullptr) return true;
    const std::string message = "column \"" + name + "\" is not known here";
    const std::string hint = Suggest(name, below.Names());
    if (at_name) {
      context_.faults().AddAtName(FaultCode::kUnknownColumn, at, message, hint);
    } else {
      context_.faults().Add(FaultCode::kUnknownColumn, at, message, hint);
    }
    return false;
  }

  void Drop(Scope& below) {
    const ConfigValue* drop = context_.config().Find("drop");
    if (drop == nullptr) return;
    for (const ConfigValue& at : drop->children) {
      if (!IsVisible(below, at, at.text, false)) continue;
      below.Remove(at.text);
      context_.Drop(at.text);
    }
  }

  void Rename(Scope& below) {
    const ConfigValue* rename = context_.config().Find("rename");
    if (rename == nullptr) return;
    for (const ConfigValue& at : rename->children) {
      if (!IsVisible(below, at, at.name, true)) continue;
      if (at.text.empty()) {
        context_.faults().Add(FaultCode::kBadValue, at, "column \"" + at.name + "\" is renamed to an empty name");
        continue;
      }
      if (below.Find(at.text) != nullptr) {
        context_.faults().Add(
            FaultCode::kBadValue, at,
            "column \"" + at.name + "\" cannot be renamed to \"" + at.text + "\": that name is already in use",
            "drop or rename the other column first");
        continue;
      }
      VisibleColumn column = *below.Find(at.name);
      column.name = at.text;
      below.Remove(at.name);
      below.Add(std::move(column));
      context_.Rename(at.name, at.text);
    }
  }

  BindContext& context_;
  size_t faults_before_;
  bool faulty_ = false;
  Scope scope_;  // what the next expression may read
  std::vector<Step> steps_;
  std::optional<Step> where_;
  std::map<ColumnId, size_t> maker_;  // the step that makes the column
};

class TransformKind final : public NodeKind {
 public:
  const Spec& spec() const override { return spec_; }
  std::shared_ptr<const NodeProgram> Bind(BindContext& context) const override { return Binder(context).Run(); }

 private:
  const Spec spec_ = MakeSpec();
};

}  // namespace

void RegisterNodeTransform(Registry& registry) { registry.Add(std::make_unique<TransformKind>()); }

}  // namespace anabranch
