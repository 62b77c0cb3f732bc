#include <algorithm>

#include "engine/expression/typed.h"

namespace anabranch::expression {
namespace {

template <typename T>
void FillValues(T value, uint32_t rows, Column* column) {
  std::fill_n(column->values<T>().data(), rows, value);
}

Literal ReadLiteral(const Column& column) {
  Literal literal;
  literal.kind = column.type().kind;
  literal.null = !column.valid(0);
  if (literal.null) return literal;
  switch (literal.kind) {
    case Kind::kBool: literal.integer = column.values<uint8_t>()[0]; break;
    case Kind::kFloat64: literal.number = column.values<double>()[0]; break;
    case Kind::kString: literal.text = column.values<std::string_view>()[0]; break;
    default: literal.integer = column.values<int64_t>()[0]; break;
  }
  return literal;
}

}  // namespace

void FillLiteral(const Literal& literal, uint32_t rows, Column* column) {
  column->Reset(Type::Scalar(literal.kind), rows);
  if (literal.null) return;
  std::ranges::fill(column->states(), kValid);
  switch (literal.kind) {
    case Kind::kBool: return FillValues(static_cast<uint8_t>(literal.integer), rows, column);
    case Kind::kFloat64: return FillValues(literal.number, rows, column);
    case Kind::kString: return FillValues(std::string_view(literal.text), rows, column);
    default: return FillValues(literal.integer, rows, column);
  }
}

bool Fold(const TypedTree& tree, const Typed& call, Literal* value) {
  std::vector<Column> columns(call.args.size());
  std::vector<const Column*> args;
  for (size_t i = 0; i < columns.size(); ++i) {
    FillLiteral(tree.nodes[call.args[i]].literal, 1, &columns[i]);
    args.push_back(&columns[i]);
  }
  Column out;
  out.Reset(call.type, 1);
  const uint8_t mask = 1;
  std::string buffer;
  std::vector<ExpressionError> errors;
  const RecordBatch batch;
  call.kernel({args.data(), args.size(), out, 1, &mask, out.text(), buffer, errors, batch, call.data.get()});
  if (!errors.empty()) return false;
  *value = ReadLiteral(out);
  return true;
}

}  // namespace anabranch::expression
