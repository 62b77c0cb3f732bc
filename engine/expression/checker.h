#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/expression/parser.h"
#include "engine/expression/typed.h"
#include "engine/scope.h"

namespace anabranch::expression {

// Types that checks and messages use often.
inline const Type kBoolType = Type::Scalar(Kind::kBool);
inline const Type kIntType = Type::Scalar(Kind::kInt64);
inline const Type kFloatType = Type::Scalar(Kind::kFloat64);
inline const Type kStringType = Type::Scalar(Kind::kString);

inline bool IsSequence(const Type& type) { return !type.IsScalar(); }

// Types `ast` against `scope` and chooses the kernels. Every independent fault is reported; faults that only
// follow from a faulty part are not. The root's form is kFaulty when the tree cannot be run.
TypedTree Check(const Ast& ast, const Scope& scope, std::vector<ExpressionFault>* faults);

// The parts of the check: operators (checker.cpp), calls (checker_calls.cpp), lists and tables (checker_tables.cpp).
class Checker {
 public:
  Checker(const Ast& ast, const Scope& scope, std::vector<ExpressionFault>* faults)
      : ast_(ast), scope_(scope), faults_(faults) {}

  TypedTree Run();

 private:
  using Id = uint32_t;  // into tree_.nodes

  // ---- operators
  Id CheckNode(uint32_t index);
  Id CheckName(const Ast::Node& node);
  Id CheckUnary(const Ast::Node& node);
  Id CheckBinary(const Ast::Node& node);
  Id CheckLogic(const Ast::Node& node, Id left, Id right);
  Id CheckArithmetic(const Ast::Node& node, Id left, Id right);
  Id CheckTime(const Ast::Node& node, Id left, Id right);
  Id CheckComparison(const Ast::Node& node, Id left, Id right);
  Id CheckIn(const Ast::Node& node, Id value);
  Id CheckInSet(const Ast::Node& node, const Ast::Node& list, Id value);
  Id CheckInSequence(const Ast::Node& node, Id value, Id sequence);
  Id CheckSelect(const Ast::Node& node);
  Id CheckIndex(const Ast::Node& node);

  // ---- calls
  Id CheckCall(const Ast::Node& node);
  Id CheckOverloaded(const Ast::Node& node, std::vector<Id> args);
  Id CheckIsNull(const Ast::Node& node, std::vector<Id> args);
  Id CheckCoalesce(const Ast::Node& node, std::vector<Id> args);
  Id CheckMinMax(const Ast::Node& node, std::vector<Id> args);
  Id CheckClamp(const Ast::Node& node, std::vector<Id> args);
  Id CheckReduction(const Ast::Node& node, std::vector<Id> args);
  Id CheckConcat(const Ast::Node& node, std::vector<Id> args);
  Id CheckLength(const Ast::Node& node, std::vector<Id> args);
  Id CheckMatches(const Ast::Node& node, std::vector<Id> args);
  Id CheckHeader(const Ast::Node& node, std::vector<Id> args);
  Id CheckNumbers(const Ast::Node& node, std::vector<Id> args);

  // ---- lists and tables
  // The items of a list. False, with a fault, when one is not a fixed value.
  bool ReadItems(const std::vector<uint32_t>& nodes, std::vector<Id>* items);
  std::vector<Literal> Literals(const std::vector<Id>& items, size_t first) const;
  Id CheckPick(const Ast::Node& node, const Ast::Node& list, uint32_t index_node);
  // *index: the place of `value` among `keys`. False, with a fault, when their types do not match.
  bool FindKeys(const Ast::Node& node, const std::vector<uint32_t>& keys, Id value, Id* index);
  Id CheckMap(const Ast::Node& node);
  Id CheckOneHot(const Ast::Node& node);
  Id CheckBucket(const Ast::Node& node);
  Id WrongUse(const Ast::Node& node, std::string message, std::string hint);
  std::string TypeNames(const std::vector<Id>& items) const;
  Id WrongArguments(const Ast::Node& node, const std::vector<Id>& args, const std::string& wanted);

  // ---- building
  const Typed& at(Id id) const { return tree_.nodes[id]; }
  bool IsFaulty(Id id) const { return at(id).form == Typed::Form::kFaulty; }
  bool AnyFaulty(const std::vector<Id>& args) const;
  Id Add(const Ast::Node& node, Typed typed);
  Id AddLiteral(const Ast::Node& node, Literal literal);
  // A call of `kernel`. It is folded when all arguments are literals and the result is a scalar. It is nullable when an
  // argument is, or when `makes_null`.
  Id AddCall(const Ast::Node& node, Kernel kernel, const Type& type, std::vector<Id> args, bool makes_null = false,
             bool lazy = false, std::shared_ptr<const KernelData> data = nullptr);
  Id AddForm(const Ast::Node& node, Typed::Form form, const Type& type, std::vector<Id> args, bool nullable);
  // A node whose fault has been reported, with its type if that is certain.
  Id Faulty(const Ast::Node& node);
  Id Faulty(const Ast::Node& node, const Type& type);
  void Report(FaultCode code, const Ast::Node& node, std::string message, std::string hint = {});
  Id TypeFault(const Ast::Node& node, std::string message, std::string hint = {});
  // Reports each `null` whose type does not follow from its neighbours. False when there was one.
  bool RefuseNull(const Ast::Node& node, const std::vector<Id>& args, const std::string& hint);
  Id ToFloat64(Id id);
  // Converts all to one scalar kind (numbers to float64 unless all are int64; null literals to the kind of the others).
  // False when they differ; reports nothing.
  bool Unify(std::vector<Id>* args, Kind* kind);
  std::string TypeName(Id id) const;

  const Ast& ast_;
  const Scope& scope_;
  std::vector<ExpressionFault>* faults_;
  TypedTree tree_;
};

}  // namespace anabranch::expression
