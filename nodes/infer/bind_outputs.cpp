#include <algorithm>
#include <optional>

#include "nodes/infer/bind.h"
#include "nodes/infer/numbers.h"
#include "nodes/infer/output_reference.h"

namespace anabranch {
namespace {

std::optional<Kind> ColumnKind(Element element) {
  if (IsInteger(element)) return Kind::kInt64;
  switch (element) {
    case Element::kFloat16:
    case Element::kFloat32: return Kind::kFloat32;
    case Element::kFloat64: return Kind::kFloat64;
    case Element::kBool: return Kind::kBool;
    case Element::kString: return Kind::kString;
    default: return std::nullopt;
  }
}

int64_t Product(const std::vector<int64_t>& shape) {
  int64_t product = 1;
  for (const int64_t dimension : shape) {
    if (dimension < 0) return -1;
    product *= dimension;
  }
  return product;
}

class OutputBinder {
 public:
  OutputBinder(BindContext& context, InferPlan* plan) : context_(context), plan_(*plan) {}

  bool Bind(const ConfigValue& outputs) {
    bool ok = true;
    for (const ConfigValue& member : outputs.children) {
      MadeValue value;
      const bool resolved = plan_.model != nullptr && member.is_string() && Resolve(member, &value);
      if (!resolved) value.type = Type::Scalar(Kind::kFloat32);
      value.id = context_.Make(member, member.name, value.type, false);
      if (!value.classes.empty()) context_.NameClasses(value.id, value.classes);
      ok &= resolved;
      plan_.values.push_back(std::move(value));
    }
    return ok;
  }

 private:
  bool Fault(const ConfigValue& at, std::string message, std::string hint = {}) {
    context_.faults().Add(FaultCode::kModelOutput, at, std::move(message), std::move(hint));
    return false;
  }
  std::string Described(const ValueInfo& output) const {
    return "output \"" + output.name + "\" of model \"" + plan_.model_name + "\" is " + output.ToString();
  }

  bool Resolve(const ConfigValue& at, MadeValue* value) {
    const std::vector<ValueInfo>& known = plan_.model->signature.outputs;
    std::vector<std::string> names;
    for (const ValueInfo& output : known) names.push_back(output.name);
    auto reference = ParseOutputReference(at.text, names);
    if (!reference.ok()) return Fault(at, reference.status().message());
    const auto found = std::ranges::find(known, reference->output, &ValueInfo::name);
    if (found == known.end()) {
      return Fault(at, "model \"" + plan_.model_name + "\" does not have an output \"" + reference->output + "\"",
                   Suggest(reference->output, names));
    }
    value->reference = at.text;
    value->output = OutputIndex(*found);
    switch (found->form) {
      case ValueInfo::Form::kMaps: return ResolveMap(at, *found, *reference, value);
      case ValueInfo::Form::kTensor: return ResolveTensor(at, *found, *reference, value);
      case ValueInfo::Form::kMap:
      case ValueInfo::Form::kOther: break;
    }
    return Fault(at, Described(*found) + ", which is neither a tensor nor maps from class to number");
  }

  size_t OutputIndex(const ValueInfo& output) {
    const auto found = std::ranges::find(plan_.outputs, output.name, &ModelOutput::name);
    if (found != plan_.outputs.end()) return static_cast<size_t>(found - plan_.outputs.begin());
    ModelOutput& added = plan_.outputs.emplace_back();
    added.name = output.name;
    added.form = output.form;
    added.element = output.element;
    if (!output.shape.empty()) {
      added.row_shape.assign(output.shape.begin() + 1, output.shape.end());
      added.width = Product(added.row_shape);
    }
    return plan_.outputs.size() - 1;
  }

  bool ResolveMap(const ConfigValue& at, const ValueInfo& output, const OutputReference& reference, MadeValue* value) {
    if (output.element != Element::kFloat32)
      return Fault(at, Described(output) + ", but only float32 values of maps can be read");
    const bool by_number = !reference.has_class && reference.indices.size() == 1 && output.map_key == Element::kInt64;
    if (!reference.has_class && reference.indices.empty() && !output.classes.empty()) {
      value->classes = output.classes;
      value->count = static_cast<int64_t>(output.classes.size());
      value->type = value->count == 1 ? Type::Scalar(Kind::kFloat32) : Type::Tensor(Kind::kFloat32, {value->count});
      return true;
    }
    if (!reference.has_class && !by_number) {
      const std::string example = output.classes.empty() ? "class" : output.classes[0];
      return Fault(at, Described(output) + ", a number for each class, but the file does not name the classes",
                   "write \"" + output.name + "['" + example + "']\"");
    }
    value->class_name = by_number ? std::to_string(reference.indices[0]) : reference.class_name;
    value->type = Type::Scalar(Kind::kFloat32);
    if (output.classes.empty() || std::ranges::find(output.classes, value->class_name) != output.classes.end()) {
      return true;
    }
    return Fault(at,
                 "output \"" + output.name + "\" of model \"" + plan_.model_name + "\" has no class \"" +
                     value->class_name + "\"",
                 Suggest(value->class_name, output.classes));
  }

  bool ResolveTensor(const ConfigValue& at, const ValueInfo& output, const OutputReference& reference,
                     MadeValue* value) {
    const std::optional<Kind> kind = ColumnKind(output.element);
    if (!kind) return Fault(at, Described(output) + ", a type that no column can hold");
    if (reference.has_class) {
      return Fault(at, Described(output) + "; a tensor has no classes", "write \"" + output.name + "[0]\"");
    }
    // No declared shape: one value or one vector per row. Loading the model shows which.
    std::vector<int64_t> row = plan_.outputs[value->output].row_shape;
    if (output.shape.empty() && !reference.indices.empty()) row = {-1};
    if (!Select(at, output, reference, row, value)) return false;
    const std::vector<int64_t> rest(row.begin() + static_cast<std::ptrdiff_t>(reference.indices.size()), row.end());
    value->count = Product(rest);
    if (value->count < 0) {
      return Fault(at, Described(output) + "; the number of values per row is not known before the run",
                   "use one of them: \"" + output.name + "[0]\"");
    }
    if (value->count != 1 && (*kind == Kind::kString || value->count == 0)) {
      return Fault(at, Described(output) + "; a column cannot hold that", "use one value: \"" + output.name + "[0]\"");
    }
    value->type = value->count == 1 ? Type::Scalar(*kind) : Type::Tensor(*kind, rest);
    return true;
  }

  // The first value that the indices select.
  bool Select(const ConfigValue& at, const ValueInfo& output, const OutputReference& reference,
              const std::vector<int64_t>& row, MadeValue* value) {
    if (reference.indices.size() > row.size()) {
      return Fault(at, Described(output) + "; a row has " + std::to_string(row.size()) + " dimension(s), not " +
                           std::to_string(reference.indices.size()));
    }
    for (size_t i = 0; i < reference.indices.size(); ++i) {
      const int64_t index = reference.indices[i];
      if (row[i] >= 0 && index >= row[i]) {
        return Fault(at, "index " + std::to_string(index) + " is out of range: " + Described(output) +
                             (row[i] == 0 ? "" : ", known: 0 to " + std::to_string(row[i] - 1)));
      }
      const int64_t stride = Product({row.begin() + static_cast<std::ptrdiff_t>(i) + 1, row.end()});
      if (stride < 0) return Fault(at, Described(output) + "; free dimensions after an index are not supported");
      value->first += index * stride;
    }
    return true;
  }

  BindContext& context_;
  InferPlan& plan_;
};

}  // namespace

bool BindOutputs(BindContext& context, const ConfigValue& outputs, InferPlan* plan) {
  return OutputBinder(context, plan).Bind(outputs);
}

}  // namespace anabranch
