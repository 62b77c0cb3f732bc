#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/column.h"
#include "engine/fault.h"
#include "engine/record_batch.h"
#include "engine/scope.h"

namespace anabranch {

struct ExpressionProgram;  // the compiled form; immutable

// A typed, vectorised expression of the topology language, checked against the columns in scope.
//
// The rules: float32 reads as float64; int64 with float64 gives float64; `/` is float64 and follows
// IEEE (x / 0 is infinite or NaN), as do all maths functions outside their domain. A null operand gives null, but
// `false && null` is false and `true || null` is true; a null condition of ?: is not true and takes the else side.
// && || ?: and coalesce do not raise errors of an operand that does not decide. timestamp - timestamp is float64
// seconds, timestamp ± number moves it by seconds. NaN equals nothing. Strings compare by bytes. % takes the dividend's
// sign. Immutable and thread-safe: share it; evaluate it with one Evaluator per thread.
class Expression {
 public:
  Type type;
  bool nullable = true;
  std::vector<ColumnId> reads;  // sorted, unique
  bool narrows = false;         // its float64 tensor can also be computed as float32: see Evaluator::Evaluate
  std::shared_ptr<const ExpressionProgram> program;
  std::string text;
};

struct ExpressionFault {
  FaultCode code;     // kExpressionSyntax, kExpressionType, kExpressionFunction, kUnknownColumn or kPattern
  size_t offset = 0;  // bytes into the text
  size_t length = 0;
  std::string message;
  std::string hint;
};

struct CompiledExpression {
  std::shared_ptr<const Expression> expression;  // null when there are faults
  std::optional<Type> likely_type;               // when faulty: the type it will have once fixed, if certain
  std::vector<ExpressionFault> faults;
};

// Compiles `text` against `scope`. Never throws; every fault it can find is returned.
CompiledExpression CompileExpression(std::string_view text, const Scope& scope);

// The same for a string value of the topology file: faults go to `faults` at their place inside it.
// `wanted_bool` also refuses another result type (conditions and rules). Null when faulty.
std::shared_ptr<const Expression> CompileExpression(const ConfigValue& at, const Scope& scope, bool wanted_bool,
                                                    FaultSink& faults);

// Reports the faults of compiling the text of `at`, each at its place inside the text.
void ReportFaults(const CompiledExpression& compiled, const ConfigValue& at, FaultSink& faults);

// The type of a column whose maker is faulty. Expressions that read it report no further faults about it.
Type UnknownType();

// Row faults of an evaluation ("integer overflow", "division by zero"). The message lives as long as the result column.
struct ExpressionError {
  uint32_t row;
  const char* message;
};

// Evaluates expressions over whole batches. Owns scratch columns that are reused; one per thread.
class Evaluator {
 public:
  Evaluator();
  ~Evaluator();
  Evaluator(Evaluator&&) noexcept;
  Evaluator& operator=(Evaluator&&) noexcept;

  // Strings of `out` may point into the columns that were read, never into the evaluator.
  // Writes `expression` for every row into `out` (Reset to the expression's type). Rows whose
  // `active` byte is 0 get null or an arbitrary valid value and raise no error. `errors` gets at most
  // one entry per row, in row order; such rows are null.
  // `storage`: for an expression that narrows, the type to Reset `out` to instead: the same with float32 elements.
  void Evaluate(const Expression& expression, const RecordBatch& batch, std::span<const uint8_t> active, Column* out,
                std::vector<ExpressionError>* errors, const Type* storage = nullptr);

 private:
  struct Scratch;
  std::unique_ptr<Scratch> scratch_;
};

// One line per function, for `explain` and the reference page: "log1p(x) → float64: …".
std::vector<std::string> ExpressionFunctionHelp();

}  // namespace anabranch
