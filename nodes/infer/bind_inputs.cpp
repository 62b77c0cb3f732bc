#include <algorithm>
#include <deque>

#include "engine/json_type.h"
#include "nodes/infer/bind.h"
#include "nodes/infer/numbers.h"

namespace anabranch {
namespace {

bool Accepts(Element element, Kind kind) {
  const bool integer = kind == Kind::kInt64 || kind == Kind::kBool;
  if (IsFloat(element)) return integer || kind == Kind::kFloat32 || kind == Kind::kFloat64;
  if (IsInteger(element)) return integer;
  return element == Element::kBool ? kind == Kind::kBool : element == Element::kString && kind == Kind::kString;
}

constexpr const char* kTensorHint =
    "tensors of float16, float32, float64, bool, string and integers can be fed; cast the input in the export";
constexpr const char* kMapHint =
    "a DictVectorizer takes such an input: replace it in the export, for example by OneHotEncoder in a "
    "ColumnTransformer, so "
    "that each column is an input (docs/models.md)";

std::string TypeHint(Element element, const Type& type) {
  if (type.kind == Kind::kList)
    return "a list of fixed length (\"minItems\" = \"maxItems\") is a tensor and can be a feature";
  if (type.kind == Kind::kTimestamp) return "convert it to a number in a transform";
  if (IsInteger(element) && type.IsNumeric()) return "convert it to an integer in a transform";
  if (element == Element::kBool) return "compare it with a value in a transform";
  return {};
}

std::string ShapeText(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ",") + std::to_string(shape[i]);
  return text + "]";
}

class InputBinder {
 public:
  InputBinder(BindContext& context, InferPlan* plan) : context_(context), plan_(*plan) {}

  bool Bind(const ConfigValue& features) {
    const std::vector<ValueInfo>& known = plan_.model->signature.inputs;
    if (features.is_string()) return BindPackage(features, known);
    if (plan_.package != nullptr && !plan_.package->features.set.empty()) {
      NoteFeatures(context_, features);
      return Fault(FaultCode::kModelInput, features,
                   "the package of model \"" + plan_.called() + "\" makes its features itself",
                   "write \"features\": \"package\"");
    }
    if (!features.is_object()) {
      if (known.size() != 1) return ListForMany(features);
      return BindInput(features, known[0]);
    }
    return BindObject(features, known);
  }

 private:
  bool Fault(FaultCode code, const ConfigValue& at, std::string message, std::string hint = {}) {
    context_.faults().Add(code, PlaceOf(at), std::move(message), std::move(hint));
    return false;
  }
  std::string Described(const ValueInfo& input) const {
    return "input \"" + input.name + "\" of model \"" + plan_.called() + "\" takes " + input.ToString();
  }
  // What a package says has no place in the topology but that of the word "package".
  const ConfigValue& PlaceOf(const ConfigValue& at) const { return package_at_ == nullptr ? at : *package_at_; }

  // The features in the order that the package gives: side by side, or each for the input of its name.
  bool BindPackage(const ConfigValue& features, const std::vector<ValueInfo>& known) {
    package_at_ = &features;
    if (plan_.package == nullptr) {
      return Fault(FaultCode::kModelInput, features, "model \"" + plan_.model_name + "\" is a file, not a package",
                   "list the columns that feed it, or give the model a \"registry\" in place of its \"path\"");
    }
    const std::vector<std::string>& order = plan_.package->features.order;
    if (order.empty()) {
      return Fault(FaultCode::kModelInput, features,
                   "the package of model \"" + plan_.called() + "\" does not say which features feed it",
                   "list the columns here, or add features.json to the package");
    }
    // Another version may read any of them.
    std::vector<ColumnId> readable;
    for (const VisibleColumn& column : context_.scope().columns()) readable.push_back(column.id);
    context_.NoteReads(readable);
    if (!HasInputs()) return false;  // the cause; what the expressions would say follows from it
    const bool unused_ok = CheckUnused(order);
    const bool ok = known.size() == 1 ? BindInput(Names(order), known[0]) : BindByName(order, known);
    return ok && unused_ok;
  }

  // The columns that the package counts on are there, with their types.
  bool HasInputs() {
    bool ok = true;
    for (const PackageManifest::Input& input : plan_.package->manifest.inputs) {
      const VisibleColumn* column = context_.Read(*package_at_, input.name);
      ok = ok && column != nullptr;
      if (column == nullptr || column->type.ToString() == input.type) continue;
      ok = Fault(FaultCode::kModelType, *package_at_,
                 "model \"" + plan_.called() + "\" reads column \"" + input.name + "\" as " + input.type + "; it is " +
                     column->type.ToString() + " here",
                 "convert it in a transform above, or pack the model with the type that the column has");
    }
    return ok;
  }

  static ConfigValue Names(const std::vector<std::string>& names) {
    ConfigValue list;
    list.kind = ConfigValue::Kind::kArray;
    for (const std::string& name : names) list.children.push_back(Name(name));
    return list;
  }
  static ConfigValue Name(const std::string& name) {
    ConfigValue value;
    value.kind = ConfigValue::Kind::kString;
    value.text = name;
    return value;
  }

  bool BindByName(const std::vector<std::string>& order, const std::vector<ValueInfo>& known) {
    bool ok = true;
    std::vector<std::string> names;
    for (const ValueInfo& input : known) {
      names.push_back(input.name);
      ok &= std::ranges::count(order, input.name) != 0
                ? BindInput(Name(input.name), input)
                : Fault(FaultCode::kModelInput, *package_at_, Described(input) + ", and no feature has its name");
    }
    for (const std::string& name : order) {
      if (std::ranges::count(names, name) != 0) continue;
      ok = Fault(FaultCode::kModelInput, *package_at_,
                 "feature \"" + name + "\" of model \"" + plan_.called() + "\" feeds nothing: no input has its name",
                 Suggest(name, names));
    }
    return ok;
  }

  // Expressions that feed nothing are not computed, but must be right.
  bool CheckUnused(const std::vector<std::string>& order) {
    bool ok = true;
    for (const auto& [name, text] : plan_.package->features.set) {
      if (std::ranges::count(order, name) != 0) continue;
      ok &= FindOwnFeature(context_, *package_at_, name, &plan_).own >= 0;
    }
    plan_.own.clear();
    return ok;
  }

  // The column of a feature: one that the package makes, or one of the topology.
  const VisibleColumn* FindFeature(const ConfigValue& at, const ValueInfo& info, int* own) {
    const bool as_float32 = info.element == Element::kFloat32;
    if (package_at_ == nullptr) return context_.Read(at, at.text, as_float32);
    const OwnFound found = FindOwnFeature(context_, *package_at_, at.text, &plan_);
    if (!found.known) return context_.Read(*package_at_, at.text, as_float32);
    *own = found.own;
    if (found.own < 0) return nullptr;
    OwnFeature& feature = plan_.own[static_cast<size_t>(found.own)];
    if (feature.expression->narrows && as_float32) {
      feature.storage = std::make_shared<const Type>(Type::Tensor(Kind::kFloat32, feature.expression->type.shape));
    }
    VisibleColumn& column = own_columns_.emplace_back();
    column.name = at.text;
    column.type = feature.expression->type;
    return &column;
  }

  bool ListForMany(const ConfigValue& features) {
    NoteFeatures(context_, features);
    std::string names;
    std::string example;
    for (const ValueInfo& input : plan_.model->signature.inputs) {
      names += (names.empty() ? "" : ", ") + input.name;
      example += (example.empty() ? "\"" : ", \"") + input.name + "\": …";
    }
    return Fault(FaultCode::kModelInput, features,
                 "model \"" + plan_.model_name + "\" has " + std::to_string(plan_.model->signature.inputs.size()) +
                     " inputs (" + names + "); a list can only feed a model with one input",
                 "write an object: {" + example + "}");
  }

  bool BindObject(const ConfigValue& features, const std::vector<ValueInfo>& known) {
    std::vector<std::string> names;
    for (const ValueInfo& input : known) names.push_back(input.name);
    bool ok = true;
    for (const ConfigValue& member : features.children) {
      const auto found = std::ranges::find(known, member.name, &ValueInfo::name);
      if (found != known.end()) {
        ok &= BindInput(member, *found);
        continue;
      }
      context_.faults().AddAtName(FaultCode::kModelInput, member,
                                  "model \"" + plan_.model_name + "\" does not have an input \"" + member.name + "\"",
                                  Suggest(member.name, names));
      NoteFeatures(context_, member);
      ok = false;
    }
    for (const ValueInfo& input : known) {
      if (features.Find(input.name) != nullptr) continue;
      ok = Fault(FaultCode::kModelInput, features, Described(input) + ", and no feature feeds it",
                 "add \"" + input.name + "\": a column, or a list of columns");
    }
    return ok;
  }

  bool BindInput(const ConfigValue& at, const ValueInfo& info) {
    if (info.form != ValueInfo::Form::kTensor || info.element == Element::kOther) {
      if (package_at_ == nullptr) NoteFeatures(context_, at);
      return Fault(FaultCode::kModelType, at, Described(info) + ", which no column can feed",
                   info.form == ValueInfo::Form::kMap ? kMapHint : kTensorHint);
    }
    if (info.shape.empty()) {
      if (package_at_ == nullptr) NoteFeatures(context_, at);
      return Fault(FaultCode::kModelInput, at, Described(info) + ", which has no row dimension");
    }
    ModelInput input{info.name, info.element, {info.shape.begin() + 1, info.shape.end()}, 0, {}};
    std::vector<const VisibleColumn*> columns;
    if (!ReadColumns(at, info, &input, &columns) || !FixRows(at, info)) return false;
    const bool tensor = columns.size() == 1 && columns[0]->type.kind == Kind::kTensor;
    const bool ok = tensor ? FitTensor(at, info, columns[0]->type, &input) : FitColumns(at, info, columns, &input);
    if (ok) plan_.inputs.push_back(std::move(input));
    return ok;
  }

  bool ReadColumns(const ConfigValue& at, const ValueInfo& info, ModelInput* input,
                   std::vector<const VisibleColumn*>* columns) {
    bool ok = true;
    const auto read = [&](const ConfigValue& value) {
      int own = -1;
      const VisibleColumn* column = FindFeature(value, info, &own);
      if (column == nullptr) {
        ok = false;
        return;
      }
      const Kind kind = column->type.kind == Kind::kTensor ? column->type.element : column->type.kind;
      if (!Accepts(info.element, kind) || IsJson(column->type)) {
        ok = Fault(FaultCode::kModelType, value,
                   Described(info) + "; column \"" + column->name + "\" is " + column->type.ToString(),
                   TypeHint(info.element, column->type));
        return;
      }
      columns->push_back(column);
      input->columns.push_back({column->id, own, column->name, column->type.IsScalar() ? 1 : column->type.Elements()});
      input->width += input->columns.back().elements;
    };
    if (at.is_array()) {
      for (const ConfigValue& item : at.children) read(item);
    } else {
      read(at);
    }
    return ok;
  }

  bool FixRows(const ConfigValue& at, const ValueInfo& info) {
    if (info.shape[0] < 0) return true;
    if (info.shape[0] == 0)
      return Fault(FaultCode::kModelInput, at, Described(info) + ", so every call would have 0 rows");
    const auto rows = static_cast<uint32_t>(info.shape[0]);
    if (plan_.fixed_rows != 0 && plan_.fixed_rows != rows) {
      return Fault(
          FaultCode::kModelInput, at,
          Described(info) + ", but another input takes " + std::to_string(plan_.fixed_rows) + " rows per call");
    }
    plan_.fixed_rows = rows;
    return true;
  }

  // One tensor column: a flat one by its number of values, a nested one dimension by dimension.
  bool FitTensor(const ConfigValue& at, const ValueInfo& info, const Type& type, ModelInput* input) {
    const auto free = std::ranges::count_if(input->row_shape, [](int64_t d) { return d < 0; });
    bool fits = false;
    if (type.shape.size() == 1 && (free == 0 || input->row_shape.size() == 1)) {
      int64_t elements = 1;
      for (const int64_t d : input->row_shape) elements *= d;
      fits = free != 0 || elements == type.shape[0];
      if (free != 0) input->row_shape = type.shape;
    } else if (type.shape.size() == input->row_shape.size()) {
      fits = std::ranges::equal(type.shape, input->row_shape, [](int64_t a, int64_t b) { return b < 0 || a == b; });
      input->row_shape = type.shape;
    }
    if (fits) return true;
    const std::string& name = input->columns[0].name;
    return Fault(FaultCode::kModelInput, at.is_array() ? at.children[0] : at,
                 Described(info) + "; column \"" + name + "\" is " + type.ToString());
  }

  // Scalars and flat tensors side by side.
  bool FitColumns(const ConfigValue& at, const ValueInfo& info, const std::vector<const VisibleColumn*>& columns,
                  ModelInput* input) {
    for (const VisibleColumn* column : columns) {
      if (column->type.IsScalar() || column->type.shape.size() == 1) continue;
      return Fault(FaultCode::kModelInput, at,
                   "column \"" + column->name + "\" is " + column->type.ToString() +
                       "; only flat tensors can be packed with other columns");
    }
    if (input->row_shape.size() > 1) {
      return Fault(FaultCode::kModelInput, at,
                   Described(info) + "; it needs one tensor column of shape " + ShapeText(input->row_shape));
    }
    const int64_t expected = input->row_shape.empty() ? 1 : input->row_shape[0];
    if (expected >= 0 && expected != input->width) {
      return Fault(
          FaultCode::kModelInput, at,
          Described(info) + ", that is " + std::to_string(expected) + " features; " + std::to_string(input->width) +
              (input->width == 1 ? " is" : " are") + " given",
          "list the features that the model was trained with, in that order: in the node, or in \"features\" of "
          "model.json and \"order\" of features.json");
    }
    if (!input->row_shape.empty()) input->row_shape[0] = input->width;
    return true;
  }

  BindContext& context_;
  InferPlan& plan_;
  const ConfigValue* package_at_ = nullptr;  // where the topology says "package"
  std::deque<VisibleColumn> own_columns_;
};

}  // namespace

bool BindInputs(BindContext& context, const ConfigValue& features, InferPlan* plan) {
  return InputBinder(context, plan).Bind(features);
}

void WarnOptionalFields(BindContext& context, const ConfigValue& features, const InferPlan& plan) {
  // `nulls` or `when` of the node may already handle such records.
  if (context.config().Find("nulls") != nullptr || context.config().Find("when") != nullptr) return;
  std::string names;
  size_t count = 0;
  for (const ModelInput& input : plan.inputs) {
    for (const auto& feature : input.columns) {
      const VisibleColumn* column = feature.own < 0 ? context.scope().Find(feature.name) : nullptr;
      if (column == nullptr || !column->nullable) continue;
      if (context.services().Section("sources", column->maker) == nullptr) continue;
      names += (count == 0 ? "\"" : ", \"") + column->name + "\"";
      ++count;
    }
  }
  if (count == 0) return;
  context.faults().Add(
      FaultCode::kDoubtful, features,
      (count == 1 ? "field " : "fields ") + names + (count == 1 ? " is" : " are") + " optional, and model \"" +
          plan.model_name + "\" takes no null: a record without " + (count == 1 ? "it" : "them") + " fails here",
      "write \"nulls\": \"nan\", or \"error\" if this is intended; or add the field to \"required\" of the "
      "schema; or feed a column made by coalesce(x, 0)");
}

void NoteFeatures(BindContext& context, const ConfigValue& features) {
  if (features.is_string()) context.Read(features, features.text);
  for (const ConfigValue& child : features.children) NoteFeatures(context, child);
}

}  // namespace anabranch
