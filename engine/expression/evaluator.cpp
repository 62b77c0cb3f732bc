#include <algorithm>

#include "engine/expression/program.h"
#include "engine/expression/typed.h"

namespace anabranch {

using expression::Instruction;
using expression::Operand;

struct Evaluator::Scratch {
  std::vector<Column> registers;
  std::vector<Column> constants;
  std::vector<Column> nulls;  // replace columns that this batch's source does not have
  std::vector<const Column*> columns;
  std::vector<const Column*> args;
  std::string buffer;
  std::vector<ExpressionError> errors;
  std::shared_ptr<const ExpressionProgram> constants_of;
  uint32_t constant_rows = 0;

  void Prepare(const std::shared_ptr<const ExpressionProgram>& program, const RecordBatch& batch) {
    if (registers.size() < program->registers) registers.resize(program->registers);
    if (args.size() < program->most_args) args.resize(program->most_args);
    FindColumns(*program, batch);
    if (constants_of == program && constant_rows == batch.rows()) return;
    if (constants.size() < program->constants.size()) constants.resize(program->constants.size());
    for (size_t i = 0; i < program->constants.size(); ++i) {
      expression::FillLiteral(program->constants[i], batch.rows(), &constants[i]);
    }
    constants_of = program;
    constant_rows = batch.rows();
  }

  // A column that is not filled for this batch (at a union, a column of another source) reads as null.
  void FindColumns(const ExpressionProgram& program, const RecordBatch& batch) {
    columns.clear();
    if (nulls.size() < program.columns.size()) nulls.resize(program.columns.size());
    for (const auto& [id, type] : program.columns) {
      const Column* column = id < batch.columns.size() ? &batch.columns[id] : nullptr;
      if (column == nullptr || column->rows() != batch.rows() || !(column->type() == type)) {
        column = NullColumn(type, batch.rows());
      }
      columns.push_back(column);
    }
  }

  const Column* NullColumn(const Type& type, uint32_t rows) {
    Column& column = nulls[columns.size()];
    column.Reset(type, rows);
    if (type.kind == Kind::kList) {
      for (uint32_t row = 0; row < rows; ++row) column.EndListRow();
    }
    return &column;
  }

  const Column* Find(const Operand& operand) const {
    switch (operand.kind) {
      case Operand::Kind::kColumn: return columns[operand.index];
      case Operand::Kind::kConstant: return &constants[operand.index];
      case Operand::Kind::kRegister: break;
    }
    return &registers[operand.index];
  }

  void Run(const Instruction& instruction, const RecordBatch& batch, const uint8_t* active, Column* result) {
    for (size_t i = 0; i < instruction.args.size(); ++i) args[i] = Find(instruction.args[i]);
    Column* out = result;
    if (instruction.out != expression::kResult) {
      out = &registers[instruction.out];
      out->Reset(instruction.type, batch.rows());
    }
    const uint8_t* mask = active;
    if (instruction.mask != expression::kActiveMask) mask = registers[instruction.mask].values<uint8_t>().data();
    instruction.kernel({args.data(), instruction.args.size(), *out, batch.rows(), mask, result->text(), buffer, errors,
                        batch, instruction.data.get()});
  }

  // The first error of each row counts: instructions run in the order of evaluation.
  void HandErrorsOut(Column* out, std::vector<ExpressionError>* to) {
    std::ranges::stable_sort(errors, {}, &ExpressionError::row);
    const auto same = std::ranges::unique(errors, {}, &ExpressionError::row);
    errors.erase(same.begin(), same.end());
    for (const ExpressionError& error : errors) out->states()[error.row] = kNull;
    to->assign(errors.begin(), errors.end());
  }
};

Evaluator::Evaluator() : scratch_(std::make_unique<Scratch>()) {}
Evaluator::~Evaluator() = default;
Evaluator::Evaluator(Evaluator&&) noexcept = default;
Evaluator& Evaluator::operator=(Evaluator&&) noexcept = default;

void Evaluator::Evaluate(const Expression& expression, const RecordBatch& batch, std::span<const uint8_t> active,
                         Column* out, std::vector<ExpressionError>* errors, const Type* storage) {
  out->Reset(storage != nullptr ? *storage : expression.type, batch.rows());
  errors->clear();
  if (batch.rows() == 0) return;
  scratch_->errors.clear();
  scratch_->Prepare(expression.program, batch);
  for (const Instruction& instruction : expression.program->instructions) {
    scratch_->Run(instruction, batch, active.data(), out);
  }
  if (!scratch_->errors.empty()) scratch_->HandErrorsOut(out, errors);
}

}  // namespace anabranch
