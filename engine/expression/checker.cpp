#include "engine/expression/checker.h"

#include <algorithm>

#include "engine/expression/functions.h"
#include "engine/json_type.h"

namespace anabranch::expression {
namespace {

Comparison ComparisonOf(const std::string& op) {
  if (op == "==") return Comparison::kEqual;
  if (op == "!=") return Comparison::kNotEqual;
  if (op == "<") return Comparison::kLess;
  if (op == "<=") return Comparison::kLessEqual;
  if (op == ">") return Comparison::kGreater;
  return Comparison::kGreaterEqual;
}

Arithmetic ArithmeticOf(const std::string& op) {
  switch (op[0]) {
    case '+': return Arithmetic::kAdd;
    case '-': return Arithmetic::kSubtract;
    case '*': return Arithmetic::kMultiply;
    case '/': return Arithmetic::kDivide;
    default: return Arithmetic::kModulo;
  }
}

Kind WidenedKind(Kind kind) { return kind == Kind::kFloat32 ? Kind::kFloat64 : kind; }

std::string ConversionHint(const Type& a, const Type& b) {
  const auto one_is = [&](Kind kind) { return a.kind == kind || b.kind == kind; };
  if (one_is(Kind::kString) && (a.IsNumeric() || b.IsNumeric())) return "convert with float(x), int(x) or string(x)";
  if (one_is(Kind::kString) && one_is(Kind::kTimestamp)) return "write timestamp('2026-01-01T00:00:00Z')";
  if (IsSequence(a) || IsSequence(b))
    return "take one element with x[0], or sum(x), mean(x), min(x), max(x), length(x)";
  if (one_is(Kind::kTimestamp)) return "epoch_ms(t) gives a number";
  return {};
}

}  // namespace

TypedTree Check(const Ast& ast, const Scope& scope, std::vector<ExpressionFault>* faults) {
  return Checker(ast, scope, faults).Run();
}

TypedTree Checker::Run() {
  if (ast_.broken) {
    for (uint32_t part : ast_.parts) CheckNode(part);
    tree_.root = Faulty(Ast::Node{});
    return std::move(tree_);
  }
  tree_.root = CheckNode(ast_.root);
  if (at(tree_.root).form == Typed::Form::kNull) {
    tree_.root = TypeFault(ast_.nodes[ast_.root], "null alone has no type", "remove the entry");
  }
  return std::move(tree_);
}

Checker::Id Checker::CheckNode(uint32_t index) {
  const Ast::Node& node = ast_.nodes[index];
  switch (node.kind) {
    case Ast::Kind::kNull: {
      Typed typed;
      typed.form = Typed::Form::kNull;
      return Add(node, std::move(typed));
    }
    case Ast::Kind::kBool: return AddLiteral(node, {Kind::kBool, node.boolean, 0, {}, false});
    case Ast::Kind::kInteger: return AddLiteral(node, {Kind::kInt64, node.integer, 0, {}, false});
    case Ast::Kind::kNumber: return AddLiteral(node, {Kind::kFloat64, 0, node.number, {}, false});
    case Ast::Kind::kString: return AddLiteral(node, {Kind::kString, 0, 0, node.text, false});
    case Ast::Kind::kName: return CheckName(node);
    case Ast::Kind::kCall: return CheckCall(node);
    case Ast::Kind::kUnary: return CheckUnary(node);
    case Ast::Kind::kBinary: return CheckBinary(node);
    case Ast::Kind::kSelect: return CheckSelect(node);
    case Ast::Kind::kIndex: return CheckIndex(node);
    case Ast::Kind::kFaulty: return Faulty(node);
    case Ast::Kind::kList:
    case Ast::Kind::kTable: break;
  }
  for (uint32_t item : node.args) CheckNode(item);
  if (ast_.broken) return Faulty(node);  // what it belongs to was not read
  if (node.kind == Ast::Kind::kTable)
    return TypeFault(node, "a table is only allowed in map", "write map(x, {'a': 1}, 0)");
  return TypeFault(node, "a list of values is only allowed after \"in\", before an index, and in one_hot and bucket",
                   "write x in ['a', 'b'], or ['a', 'b'][x]");
}

Checker::Id Checker::CheckName(const Ast::Node& node) {
  const VisibleColumn* column = scope_.Find(node.text);
  if (column == nullptr) {
    std::string hint = Suggest(node.text, scope_.Names());
    if (IsFunction(node.text)) hint = "\"" + node.text + "\" is a function: write " + node.text + "(…)";
    Report(FaultCode::kUnknownColumn, node, "column \"" + node.text + "\" is not known here", std::move(hint));
    return Faulty(node);
  }
  if (column->type == UnknownType()) return Faulty(node);
  if (IsJson(column->type)) {
    return TypeFault(node, "column \"" + node.text + "\" is an array of objects, which expressions cannot read",
                     "it can only be written as it is");
  }
  Typed typed;
  typed.form = Typed::Form::kColumn;
  typed.type = column->type;
  typed.nullable = column->nullable;
  typed.column = column->id;
  const Id id = Add(node, std::move(typed));
  return column->type.kind == Kind::kFloat32 ? AddCall(node, Float32ToFloat64, kFloatType, {id}) : id;
}

Checker::Id Checker::CheckUnary(const Ast::Node& node) {
  const Id operand = CheckNode(node.args[0]);
  const bool negate = node.text == "-";
  if (IsFaulty(operand))
    return negate && !at(operand).known ? Faulty(node) : Faulty(node, negate ? at(operand).type : kBoolType);
  if (!RefuseNull(node, {operand}, {})) return Faulty(node);
  const Type type = at(operand).type;
  if (!negate) {
    if (type.kind == Kind::kBool) return AddCall(node, NotKernel, kBoolType, {operand});
    TypeFault(node, "operator ! needs bool, not " + type.ToString());
    return Faulty(node, kBoolType);
  }
  if (!type.IsNumeric()) return TypeFault(node, "operator - needs a number, not " + type.ToString());
  const bool integer = type.kind == Kind::kInt64;
  return AddCall(node, integer ? NegateInt64 : NegateFloat64, type, {operand}, false, integer);
}

Checker::Id Checker::CheckBinary(const Ast::Node& node) {
  const Id left = CheckNode(node.args[0]);
  if (node.text == "in") return CheckIn(node, left);
  const Id right = CheckNode(node.args[1]);
  if (node.text == "**") return Faulty(node, kFloatType);
  if (node.text == "&&" || node.text == "||") return CheckLogic(node, left, right);
  const bool arithmetic = std::string_view("+-*/%").find(node.text[0]) != std::string_view::npos;
  return arithmetic ? CheckArithmetic(node, left, right) : CheckComparison(node, left, right);
}

Checker::Id Checker::CheckLogic(const Ast::Node& node, Id left, Id right) {
  bool fits = true;
  for (Id side : {left, right}) {
    if (IsFaulty(side) && !at(side).known) continue;
    if (at(side).form != Typed::Form::kNull && at(side).type.kind == Kind::kBool) continue;
    TypeFault(node, "operator " + node.text + " needs bool on both sides, not " + TypeName(side));
    fits = false;
  }
  if (!fits || AnyFaulty({left, right})) return Faulty(node, kBoolType);
  const auto form = node.text == "&&" ? Typed::Form::kAnd : Typed::Form::kOr;
  return AddForm(node, form, kBoolType, {left, right}, at(left).nullable || at(right).nullable);
}

Checker::Id Checker::CheckArithmetic(const Ast::Node& node, Id left, Id right) {
  if (AnyFaulty({left, right})) return node.text == "/" ? Faulty(node, kFloatType) : Faulty(node);
  if (!RefuseNull(node, {left, right}, {})) return Faulty(node);
  const Type a = at(left).type;
  const Type b = at(right).type;
  if (a.kind == Kind::kTimestamp || b.kind == Kind::kTimestamp) return CheckTime(node, left, right);
  if (node.text == "+" && a.kind == Kind::kString && b.kind == Kind::kString) return CheckConcat(node, {left, right});
  if (!a.IsNumeric() || !b.IsNumeric()) {
    const char* wanted = node.text == "+" ? " needs two numbers or two strings, not " : " needs two numbers, not ";
    return TypeFault(node, "operator " + node.text + wanted + a.ToString() + " and " + b.ToString(),
                     ConversionHint(a, b));
  }
  const Arithmetic op = ArithmeticOf(node.text);
  const bool integer = a.kind == Kind::kInt64 && b.kind == Kind::kInt64 && op != Arithmetic::kDivide;
  const Kind kind = integer ? Kind::kInt64 : Kind::kFloat64;
  if (!integer) {
    left = ToFloat64(left);
    right = ToFloat64(right);
  }
  const bool lazy = integer || op == Arithmetic::kModulo;
  return AddCall(node, ArithmeticKernel(op, kind), Type::Scalar(kind), {left, right}, false, lazy);
}

Checker::Id Checker::CheckTime(const Ast::Node& node, Id left, Id right) {
  const Type a = at(left).type;
  const Type b = at(right).type;
  const Type time = Type::Scalar(Kind::kTimestamp);
  const bool both = a.kind == b.kind;
  if (node.text == "-" && both) return AddCall(node, TimeDifferenceKernel, kFloatType, {left, right});
  if (node.text == "-" && b.IsNumeric())
    return AddCall(node, TimeMinusKernel, time, {left, ToFloat64(right)}, false, true);
  if (node.text == "+" && b.IsNumeric())
    return AddCall(node, TimePlusKernel, time, {left, ToFloat64(right)}, false, true);
  if (node.text == "+" && a.IsNumeric())
    return AddCall(node, TimePlusKernel, time, {right, ToFloat64(left)}, false, true);
  return TypeFault(node, "operator " + node.text + " does not take " + a.ToString() + " and " + b.ToString(),
                   "timestamp - timestamp gives seconds; timestamp + number and timestamp - number shift by seconds");
}

Checker::Id Checker::CheckComparison(const Ast::Node& node, Id left, Id right) {
  if (AnyFaulty({left, right})) return Faulty(node, kBoolType);
  if (!RefuseNull(node, {left, right}, node.text == "!=" ? "write !is_null(x)" : "write is_null(x)")) {
    return Faulty(node, kBoolType);
  }
  const Type a = at(left).type;
  const Type b = at(right).type;
  std::vector<Id> args = {left, right};
  Kind kind;
  if (!Unify(&args, &kind)) {
    TypeFault(node, "operator " + node.text + " cannot compare " + a.ToString() + " with " + b.ToString(),
              ConversionHint(a, b));
    return Faulty(node, kBoolType);
  }
  if (kind == Kind::kBool && node.text != "==" && node.text != "!=") {
    TypeFault(node, "operator " + node.text + " does not order bool");
    return Faulty(node, kBoolType);
  }
  return AddCall(node, ComparisonKernel(ComparisonOf(node.text), kind), kBoolType, std::move(args));
}

Checker::Id Checker::CheckIn(const Ast::Node& node, Id value) {
  const Ast::Node& right = ast_.nodes[node.args[1]];
  if (right.kind == Ast::Kind::kList) return CheckInSet(node, right, value);
  const Id sequence = CheckNode(node.args[1]);
  if (AnyFaulty({value, sequence}) || !RefuseNull(node, {value, sequence}, {})) return Faulty(node, kBoolType);
  return CheckInSequence(node, value, sequence);
}

Checker::Id Checker::CheckInSet(const Ast::Node& node, const Ast::Node& list, Id value) {
  std::vector<Id> items = {value};
  if (!ReadItems(list.args, &items) || IsFaulty(value) || !RefuseNull(node, items, "write is_null(x) || x in […]")) {
    return Faulty(node, kBoolType);
  }
  const Type type = at(value).type;
  Kind kind;
  if (!Unify(&items, &kind)) {
    const std::vector<Id> listed(items.begin() + 1, items.end());
    TypeFault(node, "operator in needs the same type on both sides, not " + type.ToString() + " in [" +
                        TypeNames(listed) + "]");
    return Faulty(node, kBoolType);
  }
  return AddCall(node, InSetKernel, kBoolType, {items[0]}, false, false, MakeSet(kind, Literals(items, 1)));
}

Checker::Id Checker::CheckInSequence(const Ast::Node& node, Id value, Id sequence) {
  const Type type = at(value).type;
  const Type of = at(sequence).type;
  const Kind element = WidenedKind(of.element);
  const bool numbers = type.IsNumeric() && Type::Scalar(element).IsNumeric();
  if (!IsSequence(of) || !type.IsScalar() || (!numbers && type.kind != element)) {
    TypeFault(node, "operator in cannot look for " + type.ToString() + " in " + of.ToString(),
              "write x in ['a', 'b'], or a list of the same type");
    return Faulty(node, kBoolType);
  }
  if (numbers && element == Kind::kFloat64) value = ToFloat64(value);
  return AddCall(node, InSequenceKernel, kBoolType, {value, sequence});
}

Checker::Id Checker::CheckSelect(const Ast::Node& node) {
  const Id condition = CheckNode(node.args[0]);
  std::vector<Id> sides = {CheckNode(node.args[1]), CheckNode(node.args[2])};
  const bool unknown = IsFaulty(condition) && !at(condition).known;
  const bool fits = unknown || (at(condition).form != Typed::Form::kNull && at(condition).type.kind == Kind::kBool);
  if (!fits) TypeFault(node, "the condition of ?: must be bool, not " + TypeName(condition));
  if (AnyFaulty(sides)) return Faulty(node);
  const std::string types = TypeName(sides[0]) + " and " + TypeName(sides[1]);
  Kind kind;
  if (!Unify(&sides, &kind)) return TypeFault(node, "both sides of ?: need the same scalar type, not " + types);
  if (!fits || IsFaulty(condition)) return Faulty(node, Type::Scalar(kind));
  return AddForm(node, Typed::Form::kSelect, Type::Scalar(kind), {condition, sides[0], sides[1]},
                 at(sides[0]).nullable || at(sides[1]).nullable);
}

Checker::Id Checker::CheckIndex(const Ast::Node& node) {
  std::vector<uint32_t> indices;
  const Ast::Node* base = &node;
  while (base->kind == Ast::Kind::kIndex) {
    indices.insert(indices.begin(), base->args[1]);
    base = &ast_.nodes[base->args[0]];
  }
  if (base->kind == Ast::Kind::kList && indices.size() == 1) return CheckPick(node, *base, indices[0]);
  std::vector<Id> args = {CheckNode(static_cast<uint32_t>(base - ast_.nodes.data()))};
  for (uint32_t index : indices) args.push_back(CheckNode(index));
  if (AnyFaulty(args) || !RefuseNull(node, args, {})) return Faulty(node);
  const Type type = at(args[0]).type;
  if (!IsSequence(type)) return TypeFault(node, type.ToString() + " has no elements to index");
  const size_t rank = type.kind == Kind::kList ? 1 : type.shape.size();
  if (indices.size() != rank) {
    return TypeFault(
        node, type.ToString() + " needs " + std::to_string(rank) + " indices, not " + std::to_string(indices.size()));
  }
  bool inside = type.kind == Kind::kTensor;
  for (size_t i = 1; i < args.size(); ++i) {
    const Typed& index = at(args[i]);
    if (index.type.kind != Kind::kInt64) {
      return TypeFault(node, "an index must be int64, not " + index.type.ToString(), "write int(x)");
    }
    inside = inside && index.form == Typed::Form::kLiteral && index.literal.integer >= 0 &&
             index.literal.integer < type.shape[i - 1];
  }
  return AddCall(node, IndexKernel, Type::Scalar(WidenedKind(type.element)), std::move(args), !inside);
}

// -------------------------------------------------------------------------------------------- building

bool Checker::AnyFaulty(const std::vector<Id>& args) const {
  return std::ranges::any_of(args, [this](Id id) { return IsFaulty(id); });
}

Checker::Id Checker::Add(const Ast::Node& node, Typed typed) {
  typed.offset = node.offset;
  typed.length = node.length;
  for (Id arg : typed.args) typed.lazy = typed.lazy || at(arg).lazy;
  tree_.nodes.push_back(std::move(typed));
  return static_cast<Id>(tree_.nodes.size() - 1);
}

Checker::Id Checker::AddLiteral(const Ast::Node& node, Literal literal) {
  Typed typed;
  typed.form = Typed::Form::kLiteral;
  typed.type = Type::Scalar(literal.kind);
  typed.nullable = literal.null;
  typed.literal = std::move(literal);
  return Add(node, std::move(typed));
}

Checker::Id Checker::AddCall(const Ast::Node& node, Kernel kernel, const Type& type, std::vector<Id> args,
                             bool makes_null, bool lazy, std::shared_ptr<const KernelData> data) {
  Typed typed;
  typed.form = Typed::Form::kCall;
  typed.type = type;
  typed.kernel = kernel;
  typed.data = std::move(data);
  typed.nullable = makes_null;
  typed.lazy = lazy;
  bool literals = !args.empty();
  for (Id arg : args) {
    typed.nullable = typed.nullable || at(arg).nullable;
    literals = literals && at(arg).form == Typed::Form::kLiteral;
  }
  typed.args = std::move(args);
  Literal value;
  if (literals && type.IsScalar() && Fold(tree_, typed, &value)) return AddLiteral(node, std::move(value));
  return Add(node, std::move(typed));
}

Checker::Id Checker::AddForm(const Ast::Node& node, Typed::Form form, const Type& type, std::vector<Id> args,
                             bool nullable) {
  Typed typed;
  typed.form = form;
  typed.type = type;
  typed.args = std::move(args);
  typed.nullable = nullable;
  return Add(node, std::move(typed));
}

Checker::Id Checker::Faulty(const Ast::Node& node) {
  Typed typed;
  typed.known = false;
  return Add(node, std::move(typed));
}

Checker::Id Checker::Faulty(const Ast::Node& node, const Type& type) {
  Typed typed;
  typed.type = type;
  return Add(node, std::move(typed));
}

void Checker::Report(FaultCode code, const Ast::Node& node, std::string message, std::string hint) {
  faults_->push_back({code, node.offset, node.length, std::move(message), std::move(hint)});
}

Checker::Id Checker::TypeFault(const Ast::Node& node, std::string message, std::string hint) {
  Report(FaultCode::kExpressionType, node, std::move(message), std::move(hint));
  return Faulty(node);
}

bool Checker::RefuseNull(const Ast::Node& node, const std::vector<Id>& args, const std::string& hint) {
  const auto is_null = [this](Id id) { return at(id).form == Typed::Form::kNull; };
  if (std::ranges::none_of(args, is_null)) return true;
  TypeFault(node, "null has no type here: it is only allowed in coalesce() and as a side of ?:", hint);
  return false;
}

Checker::Id Checker::ToFloat64(Id id) {
  if (at(id).type.kind == Kind::kFloat64) return id;
  Ast::Node node;
  node.offset = at(id).offset;
  node.length = at(id).length;
  return AddCall(node, Int64ToFloat64, kFloatType, {id});
}

bool Checker::Unify(std::vector<Id>* args, Kind* kind) {
  const auto is_null = [this](Id id) { return at(id).form == Typed::Form::kNull; };
  const auto first = std::ranges::find_if_not(*args, is_null);
  if (first == args->end() || !at(*first).type.IsScalar()) return false;
  *kind = at(*first).type.kind;
  for (Id id : *args) {
    if (is_null(id) || at(id).type.kind == *kind) continue;
    if (!at(id).type.IsNumeric() || !Type::Scalar(*kind).IsNumeric()) return false;
    *kind = Kind::kFloat64;
  }
  for (Id& id : *args) {
    if (is_null(id)) {
      const Ast::Node node{Ast::Kind::kNull, at(id).offset, at(id).length, {}, false, 0, 0, {}};
      id = AddLiteral(node, {*kind, 0, 0, {}, true});
    } else if (*kind == Kind::kFloat64) {
      id = ToFloat64(id);
    }
  }
  return true;
}

std::string Checker::TypeName(Id id) const {
  if (at(id).form == Typed::Form::kNull) return "null";
  if (IsFaulty(id) && !at(id).known) return "unknown";
  return at(id).type.ToString();
}

}  // namespace anabranch::expression
