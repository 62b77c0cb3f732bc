#include <algorithm>
#include <map>

#include "engine/expression/checker.h"
#include "engine/expression/functions.h"

namespace anabranch::expression {
namespace {

constexpr int64_t kMostNumbers = 1'000'000;  // per row: a batch reserves memory for each of its rows

std::string KindList(const std::vector<Kind>& kinds) {
  std::string text = "(";
  for (Kind kind : kinds) text += (text.size() > 1 ? ", " : "") + std::string(KindName(kind));
  return text + ")";
}

// The kinds that `name` takes, for messages. Sets *result when all overloads give the same kind.
std::string Accepted(std::string_view name, std::optional<Kind>* result) {
  std::string text;
  std::vector<Kind> results;
  for (const Overload& overload : Overloads()) {
    if (overload.name != name) continue;
    text += (text.empty() ? "" : " or ") + KindList(overload.args);
    results.push_back(overload.result);
  }
  if (!results.empty() && std::ranges::count(results, results[0]) == static_cast<int64_t>(results.size())) {
    *result = results[0];
  }
  return text;
}

enum class Fit : uint8_t { kNo, kWidened, kExact };

Fit FitOf(const Overload& overload, const std::vector<Type>& types) {
  if (overload.args.size() != types.size()) return Fit::kNo;
  Fit fit = Fit::kExact;
  for (size_t i = 0; i < types.size(); ++i) {
    if (types[i].kind == overload.args[i]) continue;
    if (types[i].kind != Kind::kInt64 || overload.args[i] != Kind::kFloat64) return Fit::kNo;
    fit = Fit::kWidened;
  }
  return fit;
}

const Overload* BestOverload(std::string_view name, const std::vector<Type>& types) {
  const Overload* widened = nullptr;
  for (const Overload& overload : Overloads()) {
    if (overload.name != name) continue;
    const Fit fit = FitOf(overload, types);
    if (fit == Fit::kExact) return &overload;
    if (fit == Fit::kWidened && widened == nullptr) widened = &overload;
  }
  return widened;
}

}  // namespace

Checker::Id Checker::CheckCall(const Ast::Node& node) {
  using Method = Id (Checker::*)(const Ast::Node&, std::vector<Id>);
  static const std::map<std::string_view, Method> kSpecial = {
      {"is_null", &Checker::CheckIsNull},  {"coalesce", &Checker::CheckCoalesce}, {"min", &Checker::CheckMinMax},
      {"max", &Checker::CheckMinMax},      {"clamp", &Checker::CheckClamp},       {"sum", &Checker::CheckReduction},
      {"mean", &Checker::CheckReduction},  {"concat", &Checker::CheckConcat},     {"length", &Checker::CheckLength},
      {"matches", &Checker::CheckMatches}, {"header", &Checker::CheckHeader},     {"numbers", &Checker::CheckNumbers},
  };
  if (node.text == "map") return CheckMap(node);
  if (node.text == "one_hot") return CheckOneHot(node);
  if (node.text == "bucket") return CheckBucket(node);
  std::vector<Id> args;
  for (uint32_t arg : node.args) args.push_back(CheckNode(arg));
  if (!IsFunction(node.text)) {
    Report(FaultCode::kExpressionFunction, node, "function \"" + node.text + "\" is not known",
           FunctionHint(node.text));
    return Faulty(node);
  }
  const auto special = kSpecial.find(node.text);
  return special == kSpecial.end() ? CheckOverloaded(node, std::move(args)) : (this->*special->second)(node, args);
}

Checker::Id Checker::WrongArguments(const Ast::Node& node, const std::vector<Id>& args, const std::string& wanted) {
  std::string given;
  for (Id arg : args) given += (given.empty() ? "" : ", ") + TypeName(arg);
  Report(FaultCode::kExpressionFunction, node, node.text + " takes " + wanted + ", not (" + given + ")");
  return Faulty(node);
}

Checker::Id Checker::CheckOverloaded(const Ast::Node& node, std::vector<Id> args) {
  std::optional<Kind> result;
  const std::string accepted = Accepted(node.text, &result);
  const auto faulty = [&] { return result ? Faulty(node, Type::Scalar(*result)) : Faulty(node); };
  if (AnyFaulty(args) || !RefuseNull(node, args, {})) return faulty();
  std::vector<Type> types;
  for (Id arg : args) types.push_back(at(arg).type);
  const Overload* overload = BestOverload(node.text, types);
  if (overload == nullptr) {
    WrongArguments(node, args, accepted);
    return faulty();
  }
  for (size_t i = 0; i < args.size(); ++i) {
    if (overload->args[i] == Kind::kFloat64) args[i] = ToFloat64(args[i]);
  }
  if (overload->kernel == nullptr) return args[0];
  const bool written = node.text == "timestamp" && at(args[0]).form == Typed::Form::kLiteral;
  const Id call = AddCall(node, overload->kernel, Type::Scalar(overload->result), std::move(args), overload->nullable,
                          overload->lazy);
  if (written && at(call).form == Typed::Form::kLiteral && at(call).literal.null) {
    TypeFault(ast_.nodes[node.args[0]], "\"" + ast_.nodes[node.args[0]].text + "\" is not a timestamp",
              "write it as '2026-01-01T00:00:00Z'");
    return faulty();
  }
  return call;
}

Checker::Id Checker::CheckIsNull(const Ast::Node& node, std::vector<Id> args) {
  if (AnyFaulty(args)) return Faulty(node, kBoolType);
  if (args.size() != 1 || at(args[0]).form == Typed::Form::kNull) {
    WrongArguments(node, args, "one value");
    return Faulty(node, kBoolType);
  }
  const Id call = AddCall(node, IsNullKernel, kBoolType, std::move(args));
  tree_.nodes[call].nullable = false;
  return call;
}

Checker::Id Checker::CheckCoalesce(const Ast::Node& node, std::vector<Id> args) {
  if (AnyFaulty(args)) return Faulty(node);
  const std::vector<Id> given = args;
  Kind kind;
  if (args.size() < 2 || !Unify(&args, &kind))
    return WrongArguments(node, given, "two or more scalars of the same type");
  Id result = args.back();
  for (size_t i = args.size() - 1; i-- > 0;) {
    const bool nullable = at(args[i]).nullable && at(result).nullable;
    result = AddForm(node, Typed::Form::kCoalesce, Type::Scalar(kind), {args[i], result}, nullable);
  }
  return result;
}

Checker::Id Checker::CheckMinMax(const Ast::Node& node, std::vector<Id> args) {
  if (args.size() == 1) return CheckReduction(node, std::move(args));
  if (AnyFaulty(args) || !RefuseNull(node, args, {})) return Faulty(node);
  const std::vector<Id> given = args;
  Kind kind;
  const bool fits =
      args.size() >= 2 && Unify(&args, &kind) && (Type::Scalar(kind).IsNumeric() || kind == Kind::kTimestamp);
  if (!fits) return WrongArguments(node, given, "one list, or two or more numbers or timestamps");
  const Kernel kernel = ArithmeticKernel(node.text == "min" ? Arithmetic::kMin : Arithmetic::kMax, kind);
  Id result = args[0];
  for (size_t i = 1; i < args.size(); ++i) result = AddCall(node, kernel, Type::Scalar(kind), {result, args[i]});
  return result;
}

Checker::Id Checker::CheckClamp(const Ast::Node& node, std::vector<Id> args) {
  if (AnyFaulty(args) || !RefuseNull(node, args, {})) return Faulty(node);
  const std::vector<Id> given = args;
  Kind kind;
  const bool fits =
      args.size() == 3 && Unify(&args, &kind) && (Type::Scalar(kind).IsNumeric() || kind == Kind::kTimestamp);
  if (!fits) return WrongArguments(node, given, "three numbers or three timestamps");
  const Type type = Type::Scalar(kind);
  const Id low = AddCall(node, ArithmeticKernel(Arithmetic::kMax, kind), type, {args[0], args[1]});
  return AddCall(node, ArithmeticKernel(Arithmetic::kMin, kind), type, {low, args[2]});
}

Checker::Id Checker::CheckReduction(const Ast::Node& node, std::vector<Id> args) {
  if (AnyFaulty(args) || !RefuseNull(node, args, {})) return Faulty(node);
  const std::string wanted = "a list or tensor of numbers";
  if (args.size() != 1 || !IsSequence(at(args[0]).type)) return WrongArguments(node, args, wanted);
  const Type of = at(args[0]).type;
  Reduction op = Reduction::kSum;
  if (node.text == "mean") op = Reduction::kMean;
  if (node.text == "min") op = Reduction::kMin;
  if (node.text == "max") op = Reduction::kMax;
  const Kernel kernel = ReductionKernel(op, of.element);
  if (kernel == nullptr) return WrongArguments(node, args, wanted);
  const bool integer = of.element == Kind::kInt64 && op != Reduction::kMean;
  const bool never_empty = of.kind == Kind::kTensor && of.Elements() > 0;
  return AddCall(node, kernel, integer ? kIntType : Type::Scalar(Kind::kFloat64), std::move(args),
                 op != Reduction::kSum && !never_empty, true);
}

Checker::Id Checker::CheckConcat(const Ast::Node& node, std::vector<Id> args) {
  if (AnyFaulty(args) || !RefuseNull(node, args, {})) return Faulty(node, kStringType);
  const bool strings = std::ranges::all_of(args, [this](Id id) { return at(id).type.kind == Kind::kString; });
  if (args.size() < 2 || !strings) {
    WrongArguments(node, args, "two or more strings");
    return Faulty(node, kStringType);
  }
  // a + b + c is one concatenation, not two.
  const Typed& first = at(args[0]);
  if (first.form == Typed::Form::kCall && first.kernel == ConcatKernel) {
    std::vector<Id> flat = first.args;
    flat.insert(flat.end(), args.begin() + 1, args.end());
    args = std::move(flat);
  }
  return AddCall(node, ConcatKernel, kStringType, std::move(args), false, true);
}

Checker::Id Checker::CheckLength(const Ast::Node& node, std::vector<Id> args) {
  if (AnyFaulty(args) || !RefuseNull(node, args, {})) return Faulty(node, kIntType);
  const bool sequence = args.size() == 1 && IsSequence(at(args[0]).type);
  if (!sequence && !(args.size() == 1 && at(args[0]).type.kind == Kind::kString)) {
    WrongArguments(node, args, "one string, list or tensor");
    return Faulty(node, kIntType);
  }
  return AddCall(node, sequence ? SequenceLengthKernel : LengthKernel, kIntType, std::move(args));
}

Checker::Id Checker::CheckMatches(const Ast::Node& node, std::vector<Id> args) {
  if (AnyFaulty(args) || !RefuseNull(node, args, {})) return Faulty(node, kBoolType);
  const bool strings = args.size() == 2 && at(args[0]).type.kind == Kind::kString;
  const Ast::Node* pattern = args.size() == 2 ? &ast_.nodes[node.args[1]] : nullptr;
  if (!strings || pattern->kind != Ast::Kind::kString) {
    WrongArguments(node, args, "a string and a pattern written as a string");
    return Faulty(node, kBoolType);
  }
  std::string error;
  auto compiled = CompilePattern(pattern->text, &error);
  if (compiled == nullptr) {
    Report(FaultCode::kPattern, *pattern, "pattern '" + pattern->text + "' cannot be read: " + error,
           "RE2 syntax; no look-around and no back-references");
    return Faulty(node, kBoolType);
  }
  return AddCall(node, MatchesKernel, kBoolType, {args[0]}, false, true, std::move(compiled));
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): as all that the table of calls names
Checker::Id Checker::CheckHeader(const Ast::Node& node, std::vector<Id> args) {
  if (args.size() != 1 || ast_.nodes[node.args[0]].kind != Ast::Kind::kString) {
    if (!AnyFaulty(args)) WrongArguments(node, args, "the name of the header, written as a string");
    return Faulty(node, kStringType);
  }
  return AddCall(node, HeaderKernel, kStringType, {}, true, false, MakeHeaderName(ast_.nodes[node.args[0]].text));
}

Checker::Id Checker::CheckNumbers(const Ast::Node& node, std::vector<Id> args) {
  const Ast::Node* count = args.size() == 2 ? &ast_.nodes[node.args[1]] : nullptr;
  const bool written = count != nullptr && count->kind == Ast::Kind::kInteger;
  const bool fits = written && count->integer >= 1 && count->integer <= kMostNumbers;
  const Type type = Type::Tensor(Kind::kFloat64, {fits ? count->integer : 1});
  const auto faulty = [&] { return fits ? Faulty(node, type) : Faulty(node); };
  if (AnyFaulty(args) || !RefuseNull(node, args, {})) return faulty();
  if (!written || at(args[0]).type.kind != Kind::kString) {
    WrongArguments(node, args, "a string and the number of its values, written as an integer");
    return faulty();
  }
  if (!fits) {
    Report(FaultCode::kExpressionFunction, *count,
           "numbers makes 1 to " + std::to_string(kMostNumbers) + " numbers, not " + std::to_string(count->integer));
    return faulty();
  }
  return AddCall(node, NumbersKernel, type, {args[0]}, false, true);
}

}  // namespace anabranch::expression
