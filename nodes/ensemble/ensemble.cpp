#include "nodes/ensemble/ensemble.h"

#include <algorithm>
#include <cmath>

#include "nodes/ensemble/program.h"

namespace anabranch {
namespace {

const std::vector<std::string> kMethods = {"mean", "weighted_mean", "median",        "min",
                                           "max",  "majority_vote", "weighted_vote", "soft_vote"};
const std::vector<std::string> kOutputs = {"value", "members_used", "missing", "disagreement"};

NodeKind::Spec MakeSpec() {
  NodeKind::Spec spec;
  spec.name = "ensemble";
  spec.summary = "Combines the results of several models into one value per record.";
  spec.about =
      "`members` are the columns to combine, as a list, or as an object column → weight for the weighted methods. "
      "Sums run in the order declared, so that a result is the same bytes in every run.\n\n"
      "| method | members | value |\n|---|---|---|\n"
      "| `mean`, `median`, `min`, `max` | numbers | float64 |\n"
      "| `weighted_mean` | numbers with weights | sum(w·x) / sum(w), float64 |\n"
      "| `majority_vote` | labels of one type (string, int64, bool) | the label most members give |\n"
      "| `weighted_vote` | labels with weights | the label with the most weight |\n"
      "| `soft_vote` | vectors of one shape, with or without weights | the index of the largest mean, int64 |\n\n"
      "A tie goes to the label given by the member declared first (of vectors: to the lowest index).\n\n"
      "A member is missing where it is null or not a number (NaN). `missing` says what then happens: `\"fail\"` fails "
      "the record, `\"renormalise\"` lets the others decide alone, `{\"default\": v}` counts the member with the value "
      "v. A member that can be null needs such a policy. A record without any member fails under every policy.\n\n"
      "`outputs` maps new columns to `value`, `members_used` (how many members had a value of their own, int64), "
      "`missing` (the names of the others) and `disagreement`: for numbers the population standard deviation of the "
      "values combined, for votes 1 − the winner's share of the weight.";
  spec.fields = {
      {"method", Shape::Enum(kMethods), true, "", "how the members are combined"},
      {"members", Shape::OneOf({Shape::List(Shape::Column(), true), Shape::Map(Shape::Number(), true)}), true, "",
       "the columns to combine: a list, or an object column → weight greater than 0"},
      {"missing",
       Shape::OneOf(
           {Shape::Enum({"fail", "renormalise"}),
            Shape::Object({{"default", Shape::Any(), true, "", "the value that a missing member counts with"}})}),
       false, "", "what happens to a record with a missing member; required when a member can be null"},
      {"outputs", Shape::Map(Shape::Enum(kOutputs), true), true, "",
       "new column → `value`, `members_used`, `missing` or `disagreement`"},
  };
  spec.example = R"({
  "kind": "ensemble",
  "inputs": ["gbt", "nn"],
  "method": "weighted_mean",
  "members": {"p_gbt": 2, "p_nn": 1},
  "missing": "renormalise",
  "outputs": {"score": "value", "spread": "disagreement"}
})";
  spec.version = 1;
  spec.results = true;
  return spec;
}

class Binder {
 public:
  explicit Binder(BindContext& context) : context_(context), config_(context.config()) {}

  std::shared_ptr<const EnsemblePlan> Bind() {
    BindMethod();
    BindMembers();
    BindMissing();
    BindOutputs();
    return ok_ ? std::make_shared<EnsemblePlan>(std::move(plan_)) : nullptr;
  }

 private:
  void Fault(FaultCode code, const ConfigValue& at, std::string message, std::string hint = {}) {
    context_.faults().Add(code, at, std::move(message), std::move(hint));
    ok_ = false;
  }
  const std::string& method_name() const { return kMethods[static_cast<size_t>(plan_.method)]; }
  bool weighted() const {
    return plan_.method == EnsembleMethod::kWeightedMean || plan_.method == EnsembleMethod::kWeightedVote;
  }

  void BindMethod() {
    const auto found = std::ranges::find(kMethods, config_.Text("method"));
    if (found != kMethods.end()) {
      plan_.method = static_cast<EnsembleMethod>(found - kMethods.begin());
    } else if (const ConfigValue* at = config_.Find("method")) {
      Fault(FaultCode::kBadValue, *at, "\"" + at->text + "\" is no method", Suggest(at->text, kMethods));
    } else {
      ok_ = false;  // a missing key is a fault of the structure
    }
  }

  void BindMembers() {
    const ConfigValue* members = config_.Find("members");
    if (members == nullptr || (!members->is_array() && !members->is_object())) {
      ok_ = false;
      return;
    }
    CheckForm(*members);
    for (const ConfigValue& child : members->children) {
      if (members->is_object() && IsAnnotation(child.name)) continue;
      BindMember(child, members->is_object() ? child.name : child.text,
                 members->is_object() && child.is_number() ? child.number : 1);
    }
  }

  void CheckForm(const ConfigValue& members) {
    if (weighted() && members.is_array()) {
      Fault(FaultCode::kEnsembleMember, members, method_name() + " needs a weight for each member",
            "write an object: {\"column\": weight, …}");
    } else if (!weighted() && plan_.method != EnsembleMethod::kSoftVote && members.is_object()) {
      Fault(FaultCode::kEnsembleMember, members, method_name() + " has no use for weights",
            std::string("write a list of columns, or take \"") +
                (IsVote(plan_.method) ? "weighted_vote" : "weighted_mean") + "\"");
    }
  }

  void BindMember(const ConfigValue& at, const std::string& name, double weight) {
    if (!(weight > 0) || !std::isfinite(weight)) {
      Fault(FaultCode::kBadValue, at, "the weight of member \"" + name + "\" must be greater than 0",
            "leave a member out that should not count");
    }
    if (std::ranges::find(plan_.members, name, &EnsembleMember::name) != plan_.members.end()) {
      Fault(FaultCode::kEnsembleMember, at, "member \"" + name + "\" is listed twice");
      return;
    }
    const VisibleColumn* column = context_.Read(at, name);
    if (column == nullptr) {
      ok_ = false;
      return;
    }
    CheckType(at, *column);
    if (column->nullable && config_.Find("missing") == nullptr) {
      Fault(
          FaultCode::kEnsembleMember, at,
          "member \"" + name + "\" can be null (made by \"" + column->maker + "\"), and nothing says what then happens",
          "add \"missing\": \"renormalise\", \"fail\" or {\"default\": …}");
    }
    plan_.members.push_back({column->id, name, weight});
  }

  void CheckType(const ConfigValue& at, const VisibleColumn& column) {
    const Type& type = column.type;
    const std::string is = "member \"" + column.name + "\" is " + type.ToString();
    if (plan_.method == EnsembleMethod::kSoftVote) {
      const bool vector = type.kind == Kind::kTensor && type.shape.size() == 1 &&
                          (type.element == Kind::kFloat32 || type.element == Kind::kFloat64);
      if (!vector) return Fault(FaultCode::kEnsembleMember, at, is + "; soft_vote combines vectors of numbers");
    } else if (IsVote(plan_.method)) {
      const bool label = type.kind == Kind::kString || type.kind == Kind::kInt64 || type.kind == Kind::kBool;
      if (!label) {
        return Fault(FaultCode::kEnsembleMember, at,
                     is + "; " + method_name() + " combines labels (string, int64 or bool)",
                     type.IsNumeric() ? "mean, median, min and max combine numbers" : "");
      }
    } else {
      if (!type.IsNumeric()) {
        Fault(FaultCode::kEnsembleMember, at, is + "; " + method_name() + " combines numbers",
              type.kind == Kind::kString ? "majority_vote combines labels" : "");
      }
      return;
    }
    if (plan_.members.empty()) {
      plan_.member_type = type;
    } else if (type.kind != plan_.member_type.kind || type.shape != plan_.member_type.shape) {
      Fault(
          FaultCode::kEnsembleMember, at,
          is + ", \"" + plan_.members[0].name + "\" is " + plan_.member_type.ToString() + ": all must be of one type");
    }
  }

  void BindMissing() {
    const ConfigValue* missing = config_.Find("missing");
    if (missing == nullptr || missing->text == "fail") return;
    if (missing->is_string()) {
      plan_.missing = MissingPolicy::kRenormalise;
      if (missing->text != "renormalise") {
        Fault(FaultCode::kBadValue, *missing, "\"" + missing->text + "\" is no policy for missing members",
              Suggest(missing->text, {"fail", "renormalise"}));
      }
      return;
    }
    plan_.missing = MissingPolicy::kDefault;
    if (const ConfigValue* value = missing->Find("default")) BindDefault(*value);
  }

  void BindDefault(const ConfigValue& value) {
    const Kind kind = plan_.member_type.kind;
    bool fits = false;
    if (plan_.method == EnsembleMethod::kSoftVote) {
      return Fault(FaultCode::kNotSupported, value, "soft_vote takes no default for a missing vector",
                   "write \"missing\": \"renormalise\" or \"fail\"");
    }
    if (!IsVote(plan_.method)) {
      fits = value.is_number();
      plan_.default_number = value.number;
    } else if (kind == Kind::kString) {
      fits = value.is_string();
      plan_.default_text = value.text;
    } else if (kind == Kind::kBool) {
      fits = value.kind == ConfigValue::Kind::kBool;
      plan_.default_integer = value.boolean ? 1 : 0;
    } else {
      fits = value.kind == ConfigValue::Kind::kInteger;
      plan_.default_integer = value.integer;
    }
    if (fits || plan_.members.empty()) return;
    Fault(FaultCode::kWrongType, value,
          std::string("the default is ") + value.KindName() + ", the members are " +
              (IsVote(plan_.method) ? plan_.member_type.ToString() : "numbers"));
  }

  Type TypeOf(EnsemblePlan::Output output) const {
    switch (output) {
      case EnsemblePlan::Output::kMembersUsed: return Type::Scalar(Kind::kInt64);
      case EnsemblePlan::Output::kMissing: return Type::List(Kind::kString);
      case EnsemblePlan::Output::kDisagreement: return Type::Scalar(Kind::kFloat64);
      case EnsemblePlan::Output::kValue: break;
    }
    if (plan_.method == EnsembleMethod::kSoftVote) return Type::Scalar(Kind::kInt64);
    return IsVote(plan_.method) ? plan_.member_type : Type::Scalar(Kind::kFloat64);
  }

  void BindOutputs() {
    const ConfigValue* outputs = config_.Find("outputs");
    if (outputs == nullptr) {
      ok_ = false;
      return;
    }
    for (const ConfigValue& member : outputs->children) {
      if (IsAnnotation(member.name)) continue;
      const auto found = std::ranges::find(kOutputs, member.text);
      if (found == kOutputs.end()) {
        Fault(FaultCode::kBadValue, member, "\"" + member.text + "\" is no output of an ensemble",
              Suggest(member.text, kOutputs));
      }
      EnsemblePlan::Made made;
      if (found != kOutputs.end()) made.output = static_cast<EnsemblePlan::Output>(found - kOutputs.begin());
      made.type = TypeOf(made.output);
      made.id = context_.Make(member, member.name, made.type, false);
      plan_.made.push_back(std::move(made));
    }
  }

  BindContext& context_;
  const ConfigValue& config_;
  EnsemblePlan plan_;
  bool ok_ = true;
};

class EnsembleKind : public NodeKind {
 public:
  const Spec& spec() const override { return spec_; }
  std::shared_ptr<const NodeProgram> Bind(BindContext& context) const override {
    auto plan = Binder(context).Bind();
    return plan ? MakeEnsembleProgram(std::move(plan)) : nullptr;
  }

 private:
  const Spec spec_ = MakeSpec();
};

}  // namespace

void RegisterNodeEnsemble(Registry& registry) { registry.Add(std::make_unique<EnsembleKind>()); }

}  // namespace anabranch
