#include <algorithm>

#include "engine/expression/checker.h"

// Lists and tables in an expression. Their items are fixed values, so they become the data of a kernel.
namespace anabranch::expression {
bool Checker::ReadItems(const std::vector<uint32_t>& nodes, std::vector<Id>* items) {
  bool sound = true;
  for (uint32_t index : nodes) {
    const Id item = CheckNode(index);
    items->push_back(item);
    if (IsFaulty(item)) {
      sound = false;
    } else if (at(item).form != Typed::Form::kLiteral && at(item).form != Typed::Form::kNull) {
      TypeFault(ast_.nodes[index], "a list can only hold fixed values", "compare with ==, or write condition ? a : b");
      sound = false;
    }
  }
  return sound;
}

std::vector<Literal> Checker::Literals(const std::vector<Id>& items, size_t first) const {
  std::vector<Literal> literals;
  for (size_t i = first; i < items.size(); ++i) literals.push_back(at(items[i]).literal);
  return literals;
}

Checker::Id Checker::CheckPick(const Ast::Node& node, const Ast::Node& list, uint32_t index_node) {
  std::vector<Id> items;
  const bool sound = ReadItems(list.args, &items);
  const Id index = CheckNode(index_node);
  if (!sound || IsFaulty(index) || !RefuseNull(node, {index}, {})) return Faulty(node);
  if (at(index).type.kind != Kind::kInt64) {
    return TypeFault(node, "an index must be int64, not " + at(index).type.ToString(), "write int(x)");
  }
  Kind kind;
  if (!Unify(&items, &kind))
    return TypeFault(list, "the values of a list must have the same type: " + TypeNames(items));
  return AddCall(node, PickKernel, Type::Scalar(kind), {index}, true, false, MakeValues(kind, Literals(items, 0)));
}

bool Checker::FindKeys(const Ast::Node& node, const std::vector<uint32_t>& keys, Id value, Id* index) {
  std::vector<Id> items = {value};
  if (!ReadItems(keys, &items) || IsFaulty(value) || !RefuseNull(node, items, "write is_null(x) ? a : b")) return false;
  const std::string types = TypeNames(items);
  Kind kind;
  if (!Unify(&items, &kind)) {
    TypeFault(node, node.text + " needs the same type for the value and the keys, not " + types);
    return false;
  }
  for (size_t i = 1; i < items.size(); ++i) {
    for (size_t j = 1; j < i; ++j) {
      const Literal& a = at(items[i]).literal;
      const Literal& b = at(items[j]).literal;
      if (a.integer != b.integer || a.number != b.number || a.text != b.text) continue;
      TypeFault(ast_.nodes[keys[i - 1]], "this value is in the list twice");
      return false;
    }
  }
  *index = AddCall(node, FindKeyKernel, kIntType, {items[0]}, false, false, MakeKeys(kind, Literals(items, 1)));
  return true;
}

Checker::Id Checker::CheckMap(const Ast::Node& node) {
  const Ast::Node* table = node.args.size() >= 2 ? &ast_.nodes[node.args[1]] : nullptr;
  if (table == nullptr || table->kind != Ast::Kind::kTable || node.args.size() > 3 || table->args.empty()) {
    return WrongUse(node, "map takes a value, a table and an optional default", "write map(size, {'S': 1, 'M': 2}, 0)");
  }
  std::vector<uint32_t> keys;
  std::vector<uint32_t> results;
  for (size_t i = 0; i < table->args.size(); i += 2) {
    keys.push_back(table->args[i]);
    results.push_back(table->args[i + 1]);
  }
  Id index = 0;
  bool sound = FindKeys(node, keys, CheckNode(node.args[0]), &index);
  std::vector<Id> values;
  sound = ReadItems(results, &values) && sound;
  const bool has_default = node.args.size() == 3;
  if (has_default) values.push_back(CheckNode(node.args[2]));
  if (!sound || AnyFaulty(values)) return Faulty(node);
  const std::string types = TypeNames(values);
  Kind kind;
  if (!Unify(&values, &kind)) return TypeFault(node, "the results of map must have the same type, not " + types);
  std::vector<Id> args = {index};
  if (has_default) {
    args.push_back(values.back());
    values.pop_back();
  }
  const bool some_null = std::ranges::any_of(values, [this](Id id) { return at(id).literal.null; });
  return AddCall(node, PickKernel, Type::Scalar(kind), std::move(args), some_null || !has_default, false,
                 MakeValues(kind, Literals(values, 0)));
}

Checker::Id Checker::CheckOneHot(const Ast::Node& node) {
  const Ast::Node* list = node.args.size() == 2 ? &ast_.nodes[node.args[1]] : nullptr;
  if (list == nullptr || list->kind != Ast::Kind::kList || list->args.empty()) {
    return WrongUse(node, "one_hot takes a value and the list of known values", "write one_hot(country, ['DE', 'FR'])");
  }
  const Type type = Type::Tensor(Kind::kFloat64, {static_cast<int64_t>(list->args.size())});
  Id index = 0;
  if (!FindKeys(node, list->args, CheckNode(node.args[0]), &index)) return Faulty(node, type);
  return AddCall(node, OneHotKernel, type, {index});
}

Checker::Id Checker::CheckBucket(const Ast::Node& node) {
  const Ast::Node* list = node.args.size() == 2 ? &ast_.nodes[node.args[1]] : nullptr;
  if (list == nullptr || list->kind != Ast::Kind::kList || list->args.empty()) {
    return WrongUse(node, "bucket takes a number and a list of rising edges", "write bucket(age, [18, 65])");
  }
  const Id value = CheckNode(node.args[0]);
  std::vector<Id> items;
  const bool sound = ReadItems(list->args, &items);
  if (!sound || IsFaulty(value)) return Faulty(node, kIntType);
  items.push_back(value);
  if (!RefuseNull(node, items, {})) return Faulty(node, kIntType);
  std::vector<double> rising;
  for (size_t i = 0; i < items.size(); ++i) {
    if (!at(items[i]).type.IsNumeric()) {
      return TypeFault(node, "bucket compares numbers, not " + at(items[i]).type.ToString());
    }
    items[i] = ToFloat64(items[i]);
    if (i + 1 == items.size()) break;
    const double edge = at(items[i]).literal.number;
    if (!(i == 0 ? edge == edge : rising.back() < edge)) {
      return TypeFault(ast_.nodes[list->args[i]], "each edge of bucket must be above the one before it");
    }
    rising.push_back(edge);
  }
  return AddCall(node, BucketKernel, kIntType, {items.back()}, false, false, MakeEdges(std::move(rising)));
}

// Reports the faults of the arguments; for lists and tables, those of their items.
Checker::Id Checker::WrongUse(const Ast::Node& node, std::string message, std::string hint) {
  for (uint32_t arg : node.args) {
    const Ast::Node& given = ast_.nodes[arg];
    if (given.kind != Ast::Kind::kList && given.kind != Ast::Kind::kTable) {
      CheckNode(arg);
      continue;
    }
    for (uint32_t item : given.args) CheckNode(item);
  }
  Report(FaultCode::kExpressionFunction, node, std::move(message), std::move(hint));
  return Faulty(node);
}

std::string Checker::TypeNames(const std::vector<Id>& items) const {
  std::string names;
  for (size_t i = 0; i < items.size() && i < 8; ++i) names += (i == 0 ? "" : ", ") + TypeName(items[i]);
  return items.size() > 8 ? names + ", …" : names;
}

}  // namespace anabranch::expression
