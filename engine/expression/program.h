#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/column.h"
#include "engine/expression/expression.h"
#include "engine/record_batch.h"

namespace anabranch::expression {

// What an instruction needs besides its operands: a pattern, a set of values, a header's name. Immutable.
struct KernelData {
  virtual ~KernelData() = default;
};

// One instruction at work on one batch. All columns have `rows` rows; `out` is not one of `args`.
struct Call {
  const Column* const* args;
  size_t arg_count;
  Column& out;  // Reset to the instruction's type: all null
  uint32_t rows;
  const uint8_t* mask;  // 1 = the row is requested: only such rows raise errors, and string kernels skip the others
  Arena& text;          // strings made here live as long as the result
  std::string& buffer;  // scratch
  std::vector<ExpressionError>& errors;
  const RecordBatch& batch;
  const KernelData* data;

  const Column& arg(size_t i) const { return *args[i]; }
};

// Computes `out` from `args` for all rows. Values of rows that are not valid are undefined memory: numeric kernels
// may compute with them, all others test the state first.
using Kernel = void (*)(const Call&);

struct Operand {
  enum class Kind : uint8_t { kColumn, kRegister, kConstant };
  Kind kind = Kind::kRegister;
  uint32_t index = 0;  // into ExpressionProgram::columns, registers or constants
};

// A value written in the expression. Strings live in `text`.
struct Literal {
  Kind kind = Kind::kFloat64;
  int64_t integer = 0;  // bool, int64, timestamp
  double number = 0;
  std::string text;
  bool null = false;
};

inline constexpr uint32_t kActiveMask = 0xffffffff;
inline constexpr uint32_t kResult = 0xffffffff;

struct Instruction {
  Kernel kernel = nullptr;
  std::vector<Operand> args;
  uint32_t out = 0;             // register, or kResult
  uint32_t mask = kActiveMask;  // register whose bool values say which rows are requested
  Type type;                    // of the output
  std::shared_ptr<const KernelData> data;
};

}  // namespace anabranch::expression

namespace anabranch {

struct ExpressionProgram {
  std::vector<expression::Instruction> instructions;  // the last one writes kResult
  std::vector<expression::Literal> constants;
  std::vector<std::pair<ColumnId, Type>> columns;  // what is read, with the type it was checked with
  uint32_t registers = 0;
  size_t most_args = 0;
};

}  // namespace anabranch
