#include "nodes/infer/compared.h"

#include <algorithm>
#include <optional>
#include <string>

namespace anabranch {
namespace {

bool IsFloat(Kind kind) { return kind == Kind::kFloat32 || kind == Kind::kFloat64; }

// 0.05, 0.10, … 0.95: most numbers that are compared are probabilities.
std::vector<double> UsualEdges() {
  std::vector<double> edges;
  for (int i = 1; i < 20; ++i) edges.push_back(i / 20.0);
  return edges;
}

class OutputLister {
 public:
  OutputLister(const InferPlan& columns, const InferPlan& version, std::vector<CompareSpec::Output>* outputs)
      : columns_(columns), version_(version), outputs_(*outputs) {}

  void List() {
    for (const size_t i : ComparedValues(columns_)) {
      const MadeValue& made = columns_.values[i];
      const auto own = std::ranges::find(version_.values, made.name, &MadeValue::name);
      const MadeValue& value = own == version_.values.end() ? made : *own;
      if (!made.type.IsScalar()) {
        AddVector(made, value);
      } else if (IsFloat(made.type.kind)) {
        outputs_.push_back(Number(made.name, SelectionsOf(value, 0, value.class_name)));
      } else {
        outputs_.push_back({.name = made.name, .is_label = true, .classes = LabelsOf(made)});
      }
    }
  }

 private:
  void AddVector(const MadeValue& made, const MadeValue& value) {
    const std::vector<std::string>& classes = NamesOf(made);
    for (int64_t i = 0; i < made.count; ++i) {
      const std::string name = classes.empty() ? std::string() : classes[static_cast<size_t>(i)];
      outputs_.push_back(
          Number(made.name + "[" + (name.empty() ? std::to_string(i) : name) + "]", SelectionsOf(value, i, name)));
    }
  }

  // The names of a vector's elements, in the order of the column.
  const std::vector<std::string>& NamesOf(const MadeValue& made) const {
    static const std::vector<std::string> kNone;
    if (!made.classes.empty()) return made.classes;
    const std::vector<std::string>& classes = columns_.outputs[made.output].classes;
    return std::cmp_equal(classes.size(), made.count) ? classes : kNone;
  }

  // Element `i` of a value, as the "outputs" of a node may write it. `name`: of a map the class.
  std::vector<std::string> SelectionsOf(const MadeValue& value, int64_t i, const std::string& name) const {
    const ModelOutput& output = version_.outputs[value.output];
    std::vector<std::string> texts;
    if (output.form == ValueInfo::Form::kMaps) {
      texts.push_back(output.name + "['" + name + "']");
      if (value.type.IsScalar()) texts.push_back(value.reference);
      return texts;
    }
    const auto at = static_cast<size_t>(value.order.empty() ? value.first + i : value.order[static_cast<size_t>(i)]);
    if (output.row_shape.size() <= 1) texts.push_back(output.name + "[" + std::to_string(at) + "]");
    if (at < output.classes.size()) {
      texts.push_back(output.name + "['" + output.classes[at] + "']");  // `reference` may be by another order
    } else if (value.type.IsScalar()) {
      texts.push_back(value.reference);
    }
    return texts;
  }

  CompareSpec::Output Number(std::string name, const std::vector<std::string>& selections) const {
    CompareSpec::Output output{.name = std::move(name)};
    if (version_.package != nullptr) {
      for (const PackageReference::Output& known : version_.package->reference.outputs) {
        if (std::ranges::count(selections, known.selection) == 0) continue;
        output.edges = known.edges;
        output.reference = known.counts;
        return output;
      }
    }
    output.edges = UsualEdges();
    return output;
  }

  // What a label may be: the classes that the model names for its probabilities, if it names one set of them.
  std::vector<std::string> LabelsOf(const MadeValue& made) const {
    if (made.type.kind == Kind::kBool) return {"false", "true"};
    std::optional<std::vector<std::string>> found;
    const auto note = [&](const std::vector<std::string>& classes) {
      if (classes.empty() || (found && *found == classes)) return true;
      const bool first = !found;
      found = classes;
      return first;
    };
    for (const ModelOutput& output : columns_.outputs) {
      if (!note(output.classes)) return {};
    }
    if (columns_.package != nullptr) {
      for (const PackageManifest::Output& output : columns_.package->manifest.outputs) {
        if (!note(output.classes)) return {};
      }
    }
    return found.value_or(std::vector<std::string>());
  }

  const InferPlan& columns_;
  const InferPlan& version_;
  std::vector<CompareSpec::Output>& outputs_;
};

}  // namespace

std::vector<size_t> ComparedValues(const InferPlan& plan) {
  std::vector<size_t> compared;
  for (size_t i = 0; i < plan.values.size(); ++i) {
    const Type& type = plan.values[i].type;
    if (type.IsScalar() ||
        (type.kind == Kind::kTensor && IsFloat(type.element) && type.Elements() <= kMostComparedElements)) {
      compared.push_back(i);
    }
  }
  return compared;
}

void AddComparedOutputs(const InferPlan& columns, const InferPlan& version, CompareSpec* spec) {
  OutputLister(columns, version, &spec->outputs).List();
}

}  // namespace anabranch
