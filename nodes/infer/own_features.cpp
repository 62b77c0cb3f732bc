#include <algorithm>

#include "nodes/infer/bind.h"
#include "nodes/infer/model_runner.h"

namespace anabranch {
namespace {

template <typename T>
void CopyCells(const Column& from, std::span<const uint32_t> rows, size_t elements, Column* to) {
  for (const uint32_t row : rows) {
    if (!from.valid(row)) continue;
    std::copy_n(from.values<T>().data() + row * elements, elements, to->values<T>().data() + row * elements);
    to->states()[row] = kValid;
  }
}

// The evaluator's texts are gone with its next batch.
void CopyTextCells(const Column& from, std::span<const uint32_t> rows, Column* to) {
  for (const uint32_t row : rows) {
    if (!from.valid(row)) continue;
    to->values<std::string_view>()[row] = to->text().Copy(from.values<std::string_view>()[row]);
    to->states()[row] = kValid;
  }
}

}  // namespace

OwnFound FindOwnFeature(BindContext& context, const ConfigValue& at, const std::string& name, InferPlan* plan) {
  const auto known = std::ranges::find(plan->own, name, &OwnFeature::name);
  if (known != plan->own.end()) return {true, static_cast<int>(known - plan->own.begin())};
  const auto& set = plan->package->features.set;
  const auto found = std::ranges::find(set, name, [](const auto& entry) { return entry.first; });
  if (found == set.end()) return {};
  const CompiledExpression compiled = CompileExpression(found->second, context.scope());
  for (const ExpressionFault& fault : compiled.faults) {
    context.faults().Add(
        fault.code, at,
        "feature \"" + name + "\" of model \"" + plan->called() + "\", \"" + found->second + "\": " + fault.message,
        fault.hint);
  }
  if (compiled.expression == nullptr) return {true, -1};
  plan->own.push_back({name, compiled.expression, nullptr});
  return {true, static_cast<int>(plan->own.size()) - 1};
}

void ShowFeature(const Column& from, std::span<const uint32_t> rows, Column* to) {
  const Type& type = to->type();
  const auto elements = static_cast<size_t>(type.IsScalar() ? 1 : type.Elements());
  switch (type.IsScalar() ? type.kind : type.element) {
    case Kind::kBool: return CopyCells<uint8_t>(from, rows, elements, to);
    case Kind::kInt64:
    case Kind::kTimestamp: return CopyCells<int64_t>(from, rows, elements, to);
    case Kind::kFloat32: return CopyCells<float>(from, rows, elements, to);
    case Kind::kFloat64: return CopyCells<double>(from, rows, elements, to);
    case Kind::kString: return CopyTextCells(from, rows, to);
    default: break;  // refused when the node was bound
  }
}

}  // namespace anabranch
