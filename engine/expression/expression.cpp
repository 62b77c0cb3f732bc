#include "engine/expression/expression.h"

#include <algorithm>

#include "engine/expression/checker.h"
#include "engine/expression/parser.h"

namespace anabranch {

using expression::Typed;

namespace {

std::shared_ptr<const Expression> Finish(std::string_view text, const expression::TypedTree& tree) {
  auto made = std::make_shared<Expression>();
  const Typed& root = tree.nodes[tree.root];
  made->type = root.type;
  made->nullable = root.nullable;
  made->narrows = root.form == Typed::Form::kCall &&
                  (root.kernel == expression::NumbersKernel || root.kernel == expression::OneHotKernel);
  made->text = text;
  made->program = expression::Generate(tree);
  for (const auto& [id, type] : made->program->columns) made->reads.push_back(id);
  std::ranges::sort(made->reads);
  return made;
}

}  // namespace

CompiledExpression CompileExpression(std::string_view text, const Scope& scope) {
  CompiledExpression compiled;
  const auto ast = expression::Parse(text, &compiled.faults);
  if (!ast) return compiled;
  const expression::TypedTree tree = expression::Check(*ast, scope, &compiled.faults);
  std::ranges::stable_sort(compiled.faults, {}, &ExpressionFault::offset);
  const Typed& root = tree.nodes[tree.root];
  const bool poisoned = root.form == Typed::Form::kFaulty;
  if (compiled.faults.empty() && !poisoned) {
    compiled.expression = Finish(text, tree);
  } else if (root.known) {
    compiled.likely_type = root.type;
  }
  return compiled;
}

void ReportFaults(const CompiledExpression& compiled, const ConfigValue& at, FaultSink& faults) {
  for (const ExpressionFault& fault : compiled.faults) {
    faults.AddInside(fault.code, at, fault.offset, fault.length, fault.message, fault.hint);
  }
}

std::shared_ptr<const Expression> CompileExpression(const ConfigValue& at, const Scope& scope, bool wanted_bool,
                                                    FaultSink& faults) {
  if (!at.is_string()) {
    faults.Add(FaultCode::kWrongType, at, std::string("an expression must be a string, not ") + at.KindName());
    return nullptr;
  }
  CompiledExpression compiled = CompileExpression(at.text, scope);
  ReportFaults(compiled, at, faults);
  const Type* type = compiled.expression ? &compiled.expression->type : nullptr;
  if (type == nullptr && compiled.likely_type) type = &*compiled.likely_type;
  if (wanted_bool && type != nullptr && type->kind != Kind::kBool) {
    faults.AddInside(FaultCode::kExpressionType, at, 0, at.text.size(),
                     "a condition must be bool, but \"" + at.text + "\" is " + type->ToString(),
                     "compare it, e.g. x > 0");
    return nullptr;
  }
  return compiled.expression;
}

Type UnknownType() { return Type::List(Kind::kList); }

}  // namespace anabranch
