#include "topologies/operate/letter_where.h"

#include <algorithm>
#include <utility>

#include "engine/expression/program.h"
#include "topologies/operate/masking.h"

namespace anabranch {
namespace {

constexpr size_t kMostTextBytes = 4096;
constexpr size_t kMostProgramSteps = 256;

Scope FieldsOf(const Plan& plan, const PlanSource& source) {
  Scope scope;
  for (const DecodePlan::Field& field : source.decode.fields) {
    const ColumnInfo& info = plan.columns[field.column];
    scope.Add({.name = info.name, .id = field.column, .type = info.type, .nullable = true, .maker = info.maker});
  }
  return scope;
}

std::string WhyFaulty(const CompiledExpression& compiled) {
  if (compiled.faults.empty()) return "the expression is faulty";
  const ExpressionFault& fault = compiled.faults.front();
  const std::string place = " (character " + std::to_string(fault.offset + 1) + ")";
  return fault.message + place + (fault.hint.empty() ? "" : "; " + fault.hint);
}

// Why this expression is not used; empty: it is.
std::string WhyRefused(const Plan& plan, const Expression& expression, bool reveal) {
  if (expression.type != Type::Scalar(Kind::kBool)) {
    return "the expression is " + expression.type.ToString() + ", not true or false; compare it with something";
  }
  if (expression.program->instructions.size() > kMostProgramSteps) return "the expression has more than 256 steps";
  const std::vector<bool> hidden = HiddenColumns(plan);
  for (const ColumnId column : expression.reads) {
    if (hidden[column] && !reveal) return "\"" + plan.columns[column].name + "\" is x-sensitive; filter by another";
  }
  return {};
}

}  // namespace

Result<LetterWhere> LetterWhere::Make(const Plan& plan, const std::string& text, bool reveal) {
  LetterWhere where(plan);
  if (text.empty()) return where;
  if (text.size() > kMostTextBytes) return Status(Code::kInvalid, "the expression has more than 4096 bytes");
  std::string why = "no source has a schema";
  bool usable = false;
  for (const PlanSource& source : plan.sources) {
    OfSource& each = where.sources_.emplace_back();
    if (!source.schema) continue;
    CompiledExpression compiled = CompileExpression(text, FieldsOf(plan, source));
    why = compiled.expression ? WhyRefused(plan, *compiled.expression, reveal) : WhyFaulty(compiled);
    if (!why.empty()) continue;
    ASSIGN_OR_RETURN(each.decoder, source.format->MakeDecoder(source.decode, source.program->row_layout()));
    each.expression = std::move(compiled.expression);
    usable = true;
  }
  if (!usable) return Status(Code::kInvalid, why);
  where.record_ = std::make_unique<RecordBatch>();
  return where;
}

bool LetterWhere::Takes(const RecordBatch& letters, uint32_t row, const DeadLetter& letter) {
  if (sources_.empty()) return true;
  const auto found = std::ranges::find(plan_->sources, letter.source, &PlanSource::id);
  const bool named = found != plan_->sources.end();
  if (!named && sources_.size() != 1) return false;
  const auto index = named ? static_cast<size_t>(found - plan_->sources.begin()) : 0;
  const OfSource& source = sources_[index];
  if (source.expression == nullptr) return false;
  RecordBatch& record = *record_;
  record.Clear(plan_->columns.size(), plan_->stages());
  record.source = StageId(index);
  record.AddRow(0, letter.offset, letters.timestamp_ms[row], letters.key[row], letters.key_present[row] != 0,
                letters.payload[row]);
  record.PrepareStages();
  std::vector<uint8_t> active(1, 1);
  record.stages[record.source].outcome[0] = Outcome::kOk;
  source.decoder->Decode(record);
  if (record.stages[record.source].outcome[0] != Outcome::kOk) return false;
  Column verdict;
  std::vector<ExpressionError> errors;
  evaluator_.Evaluate(*source.expression, record, active, &verdict, &errors);
  return errors.empty() && verdict.valid(0) && verdict.values<uint8_t>()[0] != 0;
}

}  // namespace anabranch
