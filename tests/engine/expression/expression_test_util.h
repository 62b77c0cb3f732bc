#pragma once

#include <string>
#include <vector>

#include "engine/expression/expression.h"
#include "engine/testing/cells.h"

namespace anabranch {

// A batch with named columns and the scope that shows them, for compiling and evaluating one text at a time.
class ExpressionBench {
 public:
  explicit ExpressionBench(uint32_t rows) : active_(rows, 1) {
    (void)partitions_.Find({"in", 3});
    for (uint32_t row = 0; row < rows; ++row) {
      batch_.headers.push_back({"trace", "t"});
      batch_.AddRow(0, 100 + row, row == 0 ? 1'700'000'000'123 : -1, row == 0 ? "k" : "", row == 0, "");
    }
    batch_.partitions = &partitions_;
  }

  void Add(const std::string& name, const Type& type, const std::vector<Cell>& cells, bool nullable = true) {
    const auto id = ColumnId(batch_.columns.size());
    scope_.Add({name, id, type, nullable, false, "source"});
    batch_.columns.emplace_back();
    FillColumn(&batch_.columns.back(), type, cells);
  }
  void Add(const std::string& name, Kind kind, const std::vector<Cell>& cells, bool nullable = true) {
    Add(name, Type::Scalar(kind), cells, nullable);
  }

  const Scope& scope() const { return scope_; }
  RecordBatch& batch() { return batch_; }
  std::vector<uint8_t>& active() { return active_; }
  CompiledExpression Compile(const std::string& text) const { return CompileExpression(text, scope_); }

  // "code@offset+length: message (hint)" per fault, or the type when there is none.
  std::string Check(const std::string& text) const {
    const CompiledExpression compiled = Compile(text);
    if (compiled.faults.empty()) return compiled.expression ? compiled.expression->type.ToString() : "nothing";
    std::string all;
    for (const ExpressionFault& fault : compiled.faults) {
      if (!all.empty()) all += "; ";
      all += std::to_string(static_cast<int>(fault.code)) + "@" + std::to_string(fault.offset) + "+" +
             std::to_string(fault.length) + ": " + fault.message;
      if (!fault.hint.empty()) all += " (" + fault.hint + ")";
    }
    return all;
  }

  // One cell per row; a faulty text gives its faults as a single text cell. errors() then tells the failed rows.
  std::vector<Cell> Rows(const std::string& text) {
    const CompiledExpression compiled = Compile(text);
    if (!compiled.expression) return {Cell(Check(text))};
    evaluator_.Evaluate(*compiled.expression, batch_, active_, &out_, &errors_);
    return ReadCells(out_);
  }
  // The value of the first row.
  Cell First(const std::string& text) { return Rows(text)[0]; }
  const std::vector<ExpressionError>& errors() const { return errors_; }
  std::string ErrorText() const {
    std::string all;
    for (const ExpressionError& error : errors_) all += std::to_string(error.row) + ":" + error.message + ";";
    return all;
  }

 private:
  SourceTable partitions_;
  Scope scope_;
  RecordBatch batch_;
  std::vector<uint8_t> active_;
  Evaluator evaluator_;
  Column out_;
  std::vector<ExpressionError> errors_;
};

}  // namespace anabranch
