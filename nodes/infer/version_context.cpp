#include "nodes/infer/version_context.h"

#include <algorithm>

namespace anabranch {
namespace {

// Of a copied tree, whose root is its own.
void Relink(ConfigValue* value, const ConfigValue* parent) {
  value->parent = parent;
  for (ConfigValue& child : value->children) Relink(&child, value);
}

// The outside was asked when the node was bound.
class NoServices : public BindServices {
 public:
  Result<std::string> ResolvePath(std::string_view path) const override {
    return Status(Code::kInternal, "a version of a model asks for the path " + std::string(path));
  }
  const ConfigValue* Section(std::string_view, std::string_view) const override { return nullptr; }
  std::vector<std::string> Names(std::string_view) const override { return {}; }
  std::shared_ptr<const TargetProgram> BindTarget(const ConfigValue&, const TargetFields&, FaultSink&) override {
    return nullptr;
  }
};

}  // namespace

Surroundings::Surroundings(const BindContext& context)
    : config_(context.config()), node_id_(context.node_id()), scope_(context.scope()) {
  Relink(&config_, nullptr);
}

VersionContext::VersionContext(const Surroundings& surroundings, const InferPlan& serving)
    : surroundings_(surroundings), serving_(serving), faults_(surroundings.node_id()) {}

BindServices& VersionContext::services() {
  static NoServices none;
  return none;
}

const VisibleColumn* VersionContext::Read(const ConfigValue& at, std::string_view name, bool /*as_float32*/) {
  const VisibleColumn* column = scope().Find(name);
  if (column == nullptr) {
    faults_.Add(FaultCode::kUnknownColumn, at,
                "node \"" + node_id() + "\" has no column \"" + std::string(name) + "\" to read",
                scope().columns().empty() ? "" : Suggest(name, scope().Names()));
  }
  return column;
}

ColumnId VersionContext::Make(const ConfigValue& at, std::string_view name, const Type& type, bool /*nullable*/) {
  for (const RowStamp& stamp : serving_.stamps) {
    if (stamp.name == name) return stamp.id;
  }
  for (const ShownFeature& shown : serving_.shown) {
    if (shown.name == name) return Compare(at, shown.name, type, shown.type, shown.id);
  }
  const auto made = std::ranges::find(serving_.values, name, &MadeValue::name);
  if (made != serving_.values.end()) return Compare(at, made->name, type, made->type, made->id);
  faults_.Add(FaultCode::kModelOutput, at, "column \"" + std::string(name) + "\" is not one of " + serving_.label);
  return {};
}

ColumnId VersionContext::Compare(const ConfigValue& at, const std::string& name, const Type& type, const Type& serving,
                                 ColumnId id) {
  if (type == serving) return id;
  faults_.Add(FaultCode::kModelOutput, at,
              "column \"" + name + "\" (" + at.text + ") would be " + type.ToString() + "; " + serving_.label +
                  " makes it as " + serving.ToString());
  return id;
}

std::string VersionContext::FaultText() const {
  std::string text;
  for (const Fault& fault : faults_.faults()) {
    if (fault.warning) continue;
    text += (text.empty() ? "" : "\n") + fault.message + (fault.hint.empty() ? "" : " (" + fault.hint + ")");
  }
  return text;
}

}  // namespace anabranch
