#include "topologies/operate/tap_view.h"

#include <algorithm>
#include <optional>

#include "engine/codec/json_writer.h"
#include "engine/expression/program.h"
#include "engine/fault.h"
#include "engine/plan_graph.h"
#include "engine/target.h"
#include "engine/text/json_object.h"
#include "topologies/operate/masking.h"

namespace anabranch {
namespace {

constexpr size_t kMostSteps = 256;  // of an expression
constexpr size_t kMostWhereBytes = 4096;

std::vector<std::string> StageNames(const Plan& plan) {
  std::vector<std::string> names;
  for (StageId stage = 0; stage < plan.stages(); ++stage) names.push_back(plan.StageName(stage));
  return names;
}

std::string Cure(const std::string& suggestion, const std::string& otherwise) {
  return suggestion.empty() ? otherwise : suggestion;
}

// The columns that rows at a stage may have: those of the stage and of all above it, as their makers named them.
class ColumnsAt {
 public:
  ColumnsAt(const Plan& plan, StageId stage) : plan_(plan), stage_(stage) {
    std::vector<bool> stages(plan.stages(), false);
    stages[stage] = true;
    stages = WithAncestors(plan, std::move(stages));
    for (StageId each = 0; each < plan.stages(); ++each) {
      if (!stages[each]) continue;
      for (const ColumnId column : MadeBy(each)) {
        if (std::ranges::find(columns_, column) == columns_.end()) columns_.push_back(column);
      }
    }
  }

  std::vector<ColumnId> MadeBy(StageId stage) const {
    if (stage >= plan_.sources.size()) return plan_.node(stage).makes;
    std::vector<ColumnId> made;
    for (const DecodePlan::Field& field : plan_.sources[stage].decode.fields) made.push_back(field.column);
    return made;
  }
  // Two columns of one name, of sources whose rows meet here, are told apart by their makers.
  std::string NameOf(ColumnId column) const {
    const ColumnInfo& info = plan_.columns[column];
    const auto same =
        std::ranges::count_if(columns_, [&](ColumnId each) { return plan_.columns[each].name == info.name; });
    return same > 1 ? info.maker + "." + info.name : info.name;
  }
  const ColumnId* Find(const std::string& name) const {
    const auto found = std::ranges::find_if(columns_, [&](ColumnId column) { return NameOf(column) == name; });
    return found == columns_.end() ? nullptr : &*found;
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const ColumnId column : columns_) names.push_back(NameOf(column));
    return names;
  }
  Scope AsScope() const {
    Scope scope;
    for (const ColumnId column : columns_) {
      const ColumnInfo& info = plan_.columns[column];
      scope.Add({.name = NameOf(column), .id = column, .type = info.type, .nullable = true, .maker = info.maker});
    }
    return scope;
  }

 private:
  const Plan& plan_;
  const StageId stage_;
  std::vector<ColumnId> columns_;
};

class TapCompiler {
 public:
  TapCompiler(const Plan& plan, const TapRequest& request)
      : plan_(plan), request_(request), hidden_(HiddenColumns(plan)) {
    if (request.reveal) hidden_.assign(hidden_.size(), false);
  }

  Result<TapViews> Run() {
    RETURN_IF_ERROR(ChooseStages());
    for (const StageId stage : stages_) RETURN_IF_ERROR(AddView(stage));
    for (ColumnId column = 0; column < plan_.columns.size(); ++column) {
      if (hidden_[column] && plan_.columns[column].type.kind == Kind::kString) views_.hidden_texts.push_back(column);
    }
    views_.hide_key = HiddenKeys(plan_);
    if (request_.reveal) views_.hide_key.assign(plan_.sources.size(), false);
    for (const StageId stage : stages_) {
      if (IsSink(stage)) views_.sinks.push_back(plan_.StageName(stage));
    }
    for (const PlanSource& source : plan_.sources) {
      views_.hide_messages.push_back(!request_.reveal && HidesMessages(source));
    }
    return std::move(views_);
  }

 private:
  Status ChooseStages() {
    for (const std::string& name : request_.nodes) {
      const StageId stage = FindStage(plan_, name);
      if (stage == kNoStage) {
        return {Code::kInvalid, "there is no node or source \"" + name + "\" in " + plan_.name + "; " +
                                    Cure(Suggest(name, StageNames(plan_)), "see `anabranch graph`")};
      }
      if (std::ranges::find(stages_, stage) == stages_.end()) stages_.push_back(stage);
    }
    for (StageId stage{plan_.sources.size()}; request_.nodes.empty() && stage < plan_.stages(); ++stage) {
      if (IsSink(stage)) stages_.push_back(stage);
    }
    return {};
  }

  Status AddView(StageId stage) {
    const ColumnsAt columns(plan_, stage);
    TapView view;
    view.stage = stage;
    if (request_.columns.empty()) {
      ShowUsual(columns, &view);
    } else {
      RETURN_IF_ERROR(ShowNamed(columns, &view));
    }
    for (const auto* shown : {&view.before, &view.after}) {
      for (const TapView::Shown& each : *shown) {
        if (each.hidden && std::ranges::find(views_.masked, each.name) == views_.masked.end()) {
          views_.masked.push_back(each.name);
        }
      }
    }
    if (!request_.where.empty()) {
      ASSIGN_OR_RETURN(view.where, CompileWhere(columns, stage));
    }
    views_.views.push_back(std::move(view));
    return {};
  }

  bool IsSink(StageId stage) const {
    return stage >= plan_.sources.size() && plan_.node(stage).program->target() != nullptr;
  }
  TapView::Shown Show(std::string name, ColumnId column) const { return {std::move(name), column, hidden_[column]}; }

  void ShowUsual(const ColumnsAt& columns, TapView* view) const {
    const bool source = view->stage < plan_.sources.size();
    const bool sink = IsSink(view->stage);
    if (!source && (!sink || request_.at_inputs)) {
      for (const ColumnId column : plan_.node(view->stage).reads) {
        view->before.push_back(Show(columns.NameOf(column), column));
      }
    }
    if (request_.at_inputs && !source) return;
    if (sink) {
      for (const TargetField& field : plan_.node(view->stage).program->written()) {
        view->after.push_back(Show(field.name, field.column));
      }
    }
    for (const ColumnId column : columns.MadeBy(view->stage)) {
      view->after.push_back(Show(columns.NameOf(column), column));
    }
  }

  Status ShowNamed(const ColumnsAt& columns, TapView* view) const {
    const std::vector<ColumnId> made = columns.MadeBy(view->stage);
    for (const std::string& name : request_.columns) {
      const ColumnId* column = columns.Find(name);
      if (column == nullptr) {
        return {Code::kInvalid, "there is no column \"" + name + "\" at " + plan_.StageName(view->stage) + "; " +
                                    Cure(Suggest(name, columns.Names()), "fields that no node reads are not decoded")};
      }
      const bool own = std::ranges::find(made, *column) != made.end();
      if (own && request_.at_inputs && view->stage >= plan_.sources.size()) {
        return {Code::kInvalid, "\"" + name + "\" is made by " + plan_.StageName(view->stage) +
                                    ": rows that reach it do not have it; ask for its outputs"};
      }
      (own ? view->after : view->before).push_back(Show(name, *column));
    }
    return {};
  }

  Result<std::shared_ptr<const Expression>> CompileWhere(const ColumnsAt& columns, StageId stage) const {
    const std::string place = "where, at " + plan_.StageName(stage) + ": ";
    if (request_.where.size() > kMostWhereBytes) {
      return Status(Code::kInvalid, place + "the expression has more than 4096 bytes");
    }
    CompiledExpression compiled = CompileExpression(request_.where, columns.AsScope());
    if (compiled.expression == nullptr) {
      const ExpressionFault& fault = compiled.faults.front();
      return Status(Code::kInvalid, place + fault.message + " (character " + std::to_string(fault.offset + 1) + ")" +
                                        (fault.hint.empty() ? "" : "; " + fault.hint));
    }
    if (compiled.expression->type != Type::Scalar(Kind::kBool)) {
      return Status(Code::kInvalid, place + "the expression is " + compiled.expression->type.ToString() +
                                        ", not true or false; compare it with something");
    }
    if (compiled.expression->program->instructions.size() > kMostSteps) {
      return Status(Code::kInvalid, place + "the expression has more than 256 steps; filter what is printed instead");
    }
    for (const ColumnId column : compiled.expression->reads) {
      if (hidden_[column]) {
        return Status(Code::kInvalid,
                      place + "\"" + columns.NameOf(column) +
                          "\" is x-sensitive: filtering would tell it; reveal it, or filter by another");
      }
    }
    return std::move(compiled.expression);
  }

  const Plan& plan_;
  const TapRequest& request_;
  std::vector<bool> hidden_;
  std::vector<StageId> stages_;
  TapViews views_;
};

std::string CellsJson(const std::vector<TapView::Shown>& shown, const RecordBatch& batch, uint32_t row) {
  JsonObject cells;
  for (const TapView::Shown& each : shown) {
    const Column& column = batch.columns[each.column];
    if (column.rows() <= row) continue;
    std::string cell;
    if (each.hidden && column.valid(row)) {
      cell = std::string("\"") + kMasked + "\"";
    } else {
      AppendJsonCell(&cell, column, row);
    }
    cells.AddJson(each.name, cell);
  }
  return cells.text();
}

// Whether the text is that of a hidden field or column of the row.
bool IsHidden(const TapViews& views, const HiddenValues* values, const RecordBatch& batch, uint32_t row,
              std::string_view text) {
  if (values != nullptr && values->Hold(text)) return true;
  return std::ranges::any_of(views.hidden_texts, [&](ColumnId id) {
    const Column& column = batch.columns[id];
    return column.rows() > row && column.valid(row) && column.values<std::string_view>()[row] == text;
  });
}

std::string KeyJson(const TapViews& views, const HiddenValues* values, const RecordBatch& batch, uint32_t row,
                    std::string_view key, bool present) {
  if (!present) return "null";
  return JsonBytes(views.hide_key[batch.source] || IsHidden(views, values, batch, row, key) ? kMasked : key);
}

std::string HeadersOf(const TapViews& views, const HiddenValues* values, const RecordBatch& batch, uint32_t row) {
  std::vector<std::string> headers;
  for (const RowHeader& header : batch.row_headers(row)) {
    const bool null = header.value.data() == nullptr;
    const std::string_view value = !null && IsHidden(views, values, batch, row, header.value) ? kMasked : header.value;
    headers.push_back(JsonList({JsonBytes(header.name), null ? "null" : JsonBytes(value)}));
  }
  return JsonList(headers);
}

bool BecomesLetter(const Plan& plan, StageId stage, Outcome outcome) {
  if (Passed(outcome)) return false;
  return stage < plan.sources.size() || plan.node(stage).on_record_error == RecordPolicy::kDeadLetter;
}

void AddOutcomes(const Plan& plan, const RecordBatch& batch, uint32_t row, bool messages, JsonObject* json) {
  JsonObject outcomes;
  std::vector<std::string> errors;
  for (StageId stage = 0; stage < plan.stages(); ++stage) {
    const StageRows& rows = batch.stages[stage];
    if (rows.outcome.size() <= row || !rows.done || rows.outcome[row] == Outcome::kAbsent) continue;
    outcomes.AddText(plan.StageName(stage), NameOf(rows.outcome[row]));
    const auto error = std::ranges::find(rows.errors, row, &RowError::row);
    if (error == rows.errors.end()) continue;
    JsonObject one;
    one.AddText("node", plan.StageName(stage)).AddText("code", error->code);
    one.AddJson("message", JsonBytes(messages ? error->message : std::string(kMasked)));
    one.AddFlag("dead_letter", BecomesLetter(plan, stage, rows.outcome[row]));
    errors.push_back(one.text());
  }
  json->AddJson("outcomes", outcomes.text()).AddJson("errors", JsonList(errors));
}

}  // namespace

Result<TapViews> CompileTap(const Plan& plan, const TapRequest& request) { return TapCompiler(plan, request).Run(); }

uint32_t RowsAt(const TapView& view, const RecordBatch& batch, bool at_inputs, std::vector<uint8_t>* out) {
  const StageRows& stage = batch.stages[view.stage];
  out->assign(batch.rows(), 0);
  if (!stage.done || stage.outcome.size() != batch.rows()) return 0;
  uint32_t count = 0;
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    const Outcome outcome = stage.outcome[row];
    (*out)[row] = at_inputs ? outcome != Outcome::kAbsent : outcome != Outcome::kAbsent && Passed(outcome);
    count += (*out)[row];
  }
  return count;
}

bool Matching(const TapView& view, const RecordBatch& batch, Evaluator& evaluator, std::vector<uint8_t>* rows) {
  if (view.where == nullptr) return true;
  for (const ColumnId column : view.where->reads) {
    if (batch.columns[column].rows() != batch.rows()) return false;
  }
  Column verdict;
  std::vector<ExpressionError> errors;
  evaluator.Evaluate(*view.where, batch, *rows, &verdict, &errors);
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    if ((*rows)[row] != 0) (*rows)[row] = verdict.valid(row) && verdict.values<uint8_t>()[row] != 0;
  }
  return true;
}

size_t BytesOf(const TapView& view, const RecordBatch& batch, uint32_t row, bool record) {
  constexpr size_t kNumber = 24;
  size_t bytes = batch.key[row].size() + (record ? batch.payload[row].size() + batch.key[row].size() : 0);
  for (const RowHeader& header : batch.row_headers(row)) bytes += header.name.size() + header.value.size();
  for (const auto* shown : {&view.before, &view.after}) {
    for (const TapView::Shown& each : *shown) {
      const Column& column = batch.columns[each.column];
      if (column.rows() <= row || !column.valid(row)) continue;
      const Type& type = column.type();
      if (type.kind == Kind::kString) {
        bytes += column.values<std::string_view>()[row].size();
      } else if (type.kind == Kind::kTensor) {
        bytes += static_cast<size_t>(type.Elements()) * kNumber;
      } else if (type.kind == Kind::kList) {
        const uint32_t begin = column.list_offsets()[row], end = column.list_offsets()[row + 1];
        bytes += (end - begin) * kNumber;
        for (uint32_t i = begin; type.element == Kind::kString && i < end; ++i) {
          bytes += column.values<std::string_view>()[i].size();
        }
      } else {
        bytes += kNumber;
      }
    }
  }
  return bytes;
}

TapRow CopyRow(const Plan& plan, const TapViews& views, const TapView& view, bool record, const RecordBatch& batch,
               uint32_t row) {
  const PlanSource& source = plan.sources[batch.source];
  const SourcePartition& partition = batch.partitions->at(batch.partition[row]);
  JsonObject json;
  json.AddText("node", plan.StageName(view.stage)).AddText("source", source.id);
  json.AddText("topic", partition.topic).AddNumber("partition", partition.partition);
  json.AddNumber("offset", batch.offset[row]);
  const int64_t timestamp = batch.timestamp_ms[row];
  timestamp < 0 ? json.AddJson("timestamp", "null") : json.AddNumber("timestamp", timestamp);
  std::optional<HiddenValues> sensitive;
  if (views.hide_messages[batch.source]) sensitive.emplace(source, batch.payload[row]);
  const HiddenValues* const values = sensitive ? &*sensitive : nullptr;
  json.AddJson("key", KeyJson(views, values, batch, row, batch.key[row], batch.key_present[row] != 0));
  json.AddJson("headers", HeadersOf(views, values, batch, row));
  json.AddText("outcome", NameOf(batch.stages[view.stage].outcome[row]));
  AddOutcomes(plan, batch, row, !views.hide_messages[batch.source], &json);
  json.AddJson("before", CellsJson(view.before, batch, row)).AddJson("after", CellsJson(view.after, batch, row));
  TapRow copy;
  copy.source = batch.source;
  if (record) {
    const bool kept = batch.record_key.size() > row;
    const std::string_view key = kept ? batch.record_key[row] : batch.key[row];
    const bool present = kept ? batch.record_key_present[row] != 0 : batch.key_present[row] != 0;
    json.AddJson("record_key", KeyJson(views, values, batch, row, key, present));
    copy.payload = batch.payload[row];
  }
  const std::string text = json.text();
  copy.members = text.substr(1, text.size() - 2);
  return copy;
}

}  // namespace anabranch
