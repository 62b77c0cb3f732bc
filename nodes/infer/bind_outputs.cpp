#include <algorithm>
#include <optional>
#include <utility>

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
  OutputBinder(BindContext& context, const InferPlan* serving, InferPlan* plan)
      : context_(context), serving_(serving), plan_(*plan) {}

  bool Bind(const ConfigValue& outputs) {
    bool ok = true;
    for (const ConfigValue& member : outputs.children) {
      ok &= plan_.package != nullptr && member.text.starts_with('@') ? BindFact(member) : BindValue(member);
    }
    return ok;
  }

 private:
  bool Fault(const ConfigValue& at, std::string message, std::string hint = {}) {
    context_.faults().Add(FaultCode::kModelOutput, at, std::move(message), std::move(hint));
    return false;
  }
  std::string Described(const ValueInfo& output) const {
    return "output \"" + output.name + "\" of model \"" + plan_.called() + "\" is " + output.ToString();
  }

  bool BindValue(const ConfigValue& member) {
    MadeValue value;
    value.name = member.name;
    const bool resolved = plan_.model != nullptr && member.is_string() && Resolve(member, &value);
    if (serving_ != nullptr && (!resolved || !Align(member, &value))) return false;
    if (!resolved) value.type = Type::Scalar(Kind::kFloat32);
    value.id = context_.Make(member, member.name, value.type, false);
    const std::vector<std::string>& classes = resolved ? ClassesOf(value) : value.classes;
    if (!classes.empty()) context_.NameClasses(value.id, classes);
    plan_.values.push_back(std::move(value));
    return resolved;
  }

  // Of a column that holds a vector: the names of its values.
  const std::vector<std::string>& ClassesOf(const MadeValue& value) const {
    const ModelOutput& output = plan_.outputs[value.output];
    const bool whole = output.form == ValueInfo::Form::kTensor && std::cmp_equal(output.classes.size(), value.count);
    return whole && value.count > 1 ? output.classes : value.classes;
  }

  // What the node knows of a record beside the model's outputs.
  bool BindFact(const ConfigValue& member) {
    constexpr std::string_view kFeature = "@feature.";
    if (member.text.starts_with(kFeature)) return BindFeature(member, member.text.substr(kFeature.size()));
    using What = RowStamp::What;
    static const std::vector<std::pair<std::string, What>> kKnown = {{"@version", What::kVersion},
                                                                     {"@generation", What::kGeneration},
                                                                     {"@arm", What::kArm},
                                                                     {"@propensity", What::kPropensity}};
    const auto known = std::ranges::find(kKnown, member.text, &std::pair<std::string, What>::first);
    if (known == kKnown.end()) {
      std::vector<std::string> names = {"@feature.NAME"};
      for (const auto& [name, what] : kKnown) names.push_back(name);
      return Fault(member, "\"" + member.text + "\" is nothing that this node knows of a record",
                   Suggest(member.text, names));
    }
    RowStamp stamp{member.name, known->second, {}};
    stamp.id = context_.Make(member, member.name, stamp.type(), false);
    plan_.stamps.push_back(std::move(stamp));
    return true;
  }

  bool BindFeature(const ConfigValue& member, const std::string& name) {
    const OwnFound found = FindOwnFeature(context_, member, name, &plan_);
    if (!found.known) {
      std::vector<std::string> names;
      for (const auto& [feature, text] : plan_.package->features.set) names.push_back(feature);
      return Fault(member, "the package of model \"" + plan_.called() + "\" makes no feature \"" + name + "\"",
                   Suggest(name, names));
    }
    if (found.own < 0) return false;
    OwnFeature& feature = plan_.own[static_cast<size_t>(found.own)];
    feature.storage = nullptr;  // it is shown as it was computed
    const Type& type = feature.expression->type;
    if (type.kind == Kind::kList) return Fault(member, "feature \"" + name + "\" is a list, which cannot be shown");
    const ColumnId id = context_.Make(member, member.name, type, feature.expression->nullable);
    plan_.shown.push_back({member.name, id, type, static_cast<size_t>(found.own)});
    return true;
  }

  // Puts the classes into the order of the serving version.
  bool Align(const ConfigValue& at, MadeValue* value) {
    const auto served = std::ranges::find(serving_->values, value->name, &MadeValue::name);
    if (served == serving_->values.end()) return true;  // Make() says it
    const std::vector<std::string>& wanted = serving_->outputs[served->output].classes;
    const std::vector<std::string>& classes = plan_.outputs[value->output].classes;
    if (wanted == classes || wanted.empty()) return true;
    if (!std::ranges::is_permutation(wanted, classes)) {
      const std::string output = "output \"" + plan_.outputs[value->output].name + "\" of model \"";
      return Fault(at,
                   output + plan_.called() + "\" " +
                       (classes.empty() ? "does not name its classes" : "has the classes " + Listed(classes)) + "; " +
                       serving_->label + " has " + Listed(wanted),
                   classes.empty() ? "add them to model.json of the package" : "");
    }
    if (!value->classes.empty()) value->classes = wanted;
    if (plan_.outputs[value->output].form != ValueInfo::Form::kTensor || !value->class_name.empty()) return true;
    const auto place = [&](int64_t first) {
      return std::ranges::find(classes, wanted[static_cast<size_t>(first)]) - classes.begin();
    };
    if (value->count == 1) {
      value->first = place(value->first);
    } else {
      for (int64_t i = 0; i < value->count; ++i) value->order.push_back(place(i));
    }
    return true;
  }

  static std::string Listed(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "\"" : ", \"") + name + "\"";
    return text;
  }

  bool Resolve(const ConfigValue& at, MadeValue* value) {
    const std::vector<ValueInfo>& known = plan_.model->signature.outputs;
    std::vector<std::string> names;
    for (const ValueInfo& output : known) names.push_back(output.name);
    auto reference = ParseOutputReference(at.text, names);
    if (!reference.ok()) return Fault(at, reference.status().message());
    const auto found = std::ranges::find(known, reference->output, &ValueInfo::name);
    if (found == known.end()) {
      return Fault(at, "model \"" + plan_.called() + "\" does not have an output \"" + reference->output + "\"",
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
    added.classes = output.classes;
    if (plan_.package == nullptr || output.form != ValueInfo::Form::kTensor) return plan_.outputs.size() - 1;
    for (const PackageManifest::Output& named : plan_.package->manifest.outputs) {
      if (named.name == output.name) added.classes = named.classes;
    }
    return plan_.outputs.size() - 1;
  }

  // The classes that a package names must be those of a vector.
  bool FitClasses(const ConfigValue& at, const ValueInfo& output, const ModelOutput& known) {
    if (known.classes.empty()) return true;
    const bool vector = known.row_shape.size() == 1;
    if (vector && (known.width < 0 || std::cmp_equal(known.width, known.classes.size()))) return true;
    return Fault(at,
                 Described(output) + "; model.json names " + std::to_string(known.classes.size()) +
                     (known.classes.size() == 1 ? " class" : " classes") + " for it",
                 "name one class for each value of the vector, in its order");
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
    return Fault(
        at,
        "output \"" + output.name + "\" of model \"" + plan_.called() + "\" has no class \"" + value->class_name + "\"",
        Suggest(value->class_name, output.classes));
  }

  bool ResolveTensor(const ConfigValue& at, const ValueInfo& output, const OutputReference& reference,
                     MadeValue* value) {
    const std::optional<Kind> kind = ColumnKind(output.element);
    if (!kind) return Fault(at, Described(output) + ", a type that no column can hold");
    if (!FitClasses(at, output, plan_.outputs[value->output])) return false;
    if (reference.has_class) return ResolveClass(at, output, reference, *kind, value);
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

  // A class of a tensor, which only a package can name.
  bool ResolveClass(const ConfigValue& at, const ValueInfo& output, const OutputReference& reference, Kind kind,
                    MadeValue* value) {
    const std::vector<std::string>& classes = plan_.outputs[value->output].classes;
    if (classes.empty()) {
      return Fault(at, Described(output) + "; a tensor has no classes", "write \"" + output.name + "[0]\"");
    }
    const auto found = std::ranges::find(classes, reference.class_name);
    if (found == classes.end()) {
      return Fault(at,
                   "output \"" + output.name + "\" of model \"" + plan_.called() + "\" has no class \"" +
                       reference.class_name + "\"",
                   Suggest(reference.class_name, classes));
    }
    value->class_name = reference.class_name;
    value->first = found - classes.begin();
    value->type = Type::Scalar(kind);
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
  const InferPlan* const serving_;
  InferPlan& plan_;
};

}  // namespace

bool BindOutputs(BindContext& context, const ConfigValue& outputs, const InferPlan* serving, InferPlan* plan) {
  return OutputBinder(context, serving, plan).Bind(outputs);
}

}  // namespace anabranch
