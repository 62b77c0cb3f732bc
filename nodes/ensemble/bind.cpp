#include <algorithm>
#include <cmath>
#include <optional>

#include "engine/json_type.h"
#include "nodes/ensemble/program.h"

namespace anabranch {
namespace {

using Output = EnsemblePlan::Output;

class Binder {
 public:
  explicit Binder(BindContext& context) : context_(context), config_(context.config()) {}

  std::shared_ptr<const EnsemblePlan> Bind() {
    BindMethod();
    BindMembers();
    BindClasses();
    BindMissing();
    BindQuorum();
    BindTieAndPool();
    BindMissingMax();
    BindOutputs();
    return ok_ ? std::make_shared<EnsemblePlan>(std::move(plan_)) : nullptr;
  }

 private:
  void Fault(FaultCode code, const ConfigValue& at, std::string message, std::string hint = {}) {
    context_.faults().Add(code, at, std::move(message), std::move(hint));
    ok_ = false;
  }
  const std::string& method_name() const { return kEnsembleMethods[static_cast<size_t>(plan_.method)]; }
  bool soft() const { return plan_.method == EnsembleMethod::kSoftVote; }
  bool MustHaveWeights() const {
    return plan_.method == EnsembleMethod::kWeightedMean || plan_.method == EnsembleMethod::kWeightedVote;
  }
  bool MayHaveWeights() const { return MustHaveWeights() || soft() || plan_.method == EnsembleMethod::kGeometricMean; }

  void BindMethod() {
    const auto found = std::ranges::find(kEnsembleMethods, config_.Text("method"));
    if (found != kEnsembleMethods.end()) {
      plan_.method = static_cast<EnsembleMethod>(found - kEnsembleMethods.begin());
    } else if (const ConfigValue* at = config_.Find("method")) {
      Fault(FaultCode::kBadValue, *at, "\"" + at->text + "\" is not a method", Suggest(at->text, kEnsembleMethods));
    } else {
      ok_ = false;  // a missing key is a fault of the structure
    }
  }

  // ------------------------------------------------------------------ members

  void BindMembers() {
    const ConfigValue* members = config_.Find("members");
    if (members == nullptr || (!members->is_array() && !members->is_object())) {
      ok_ = false;
      return;
    }
    CheckForm(*members);
    for (const ConfigValue& child : members->children) {
      EnsembleMember member;
      if (members->is_object()) {
        BindWeight(child, &member);
        BindMember(child, child.name, std::move(member));
      } else if (child.is_object()) {
        BindChoice(child, std::move(member));
      } else {
        BindMember(child, child.text, std::move(member));
      }
    }
  }

  void CheckForm(const ConfigValue& members) {
    if (MustHaveWeights() && members.is_array()) {
      Fault(FaultCode::kMembers, members, method_name() + " needs a weight for each member",
            "write an object: {\"column\": weight, …}");
    } else if (IsChoice(plan_.method) && members.is_object()) {
      Fault(FaultCode::kMembers, members, method_name() + " takes no weights: it goes by the order of the list",
            plan_.method == EnsembleMethod::kFirst ? "write a list of columns"
                                                   : "write a list of {\"member\": column, \"when\": condition}");
    } else if (!MayHaveWeights() && members.is_object()) {
      Fault(FaultCode::kMembers, members, method_name() + " takes no weights",
            std::string("write a list of columns, or use \"") +
                (IsVote(plan_.method) ? "weighted_vote" : "weighted_mean") + "\"");
    }
  }

  void BindWeight(const ConfigValue& at, EnsembleMember* member) {
    if (!at.is_string()) {
      member->weight = at.is_number() ? at.number : 1;
      if (member->weight > 0 && std::isfinite(member->weight)) return;
      Fault(FaultCode::kBadValue, at, "the weight of member \"" + at.name + "\" must be greater than 0",
            "remove a member that should not count");
      return;
    }
    const VisibleColumn* column = context_.Read(at, at.text);
    if (column == nullptr) {
      ok_ = false;
    } else if (!column->type.IsNumeric()) {
      Fault(FaultCode::kMembers, at,
            "the weight of member \"" + at.name + "\" is the column \"" + at.text + "\", a " + column->type.ToString(),
            "a weight is a number, or a column of numbers");
    } else {
      member->weight_column = column->id;
    }
  }

  void BindChoice(const ConfigValue& at, EnsembleMember member) {
    if (plan_.method != EnsembleMethod::kSelect) {
      Fault(FaultCode::kMembers, at, method_name() + " takes no conditions", "use \"method\": \"select\"");
      return;
    }
    if (const ConfigValue* when = at.Find("when"); when != nullptr && when->is_string()) {
      member.when = CompileExpression(*when, context_.scope(), true, context_.faults());
      ok_ = ok_ && member.when != nullptr;
      if (member.when) context_.NoteReads(member.when->reads);
    }
    if (const ConfigValue* column = at.Find("member")) BindMember(*column, column->text, std::move(member));
  }

  void BindMember(const ConfigValue& at, const std::string& name, EnsembleMember member) {
    if (std::ranges::find(plan_.members, name, &EnsembleMember::name) != plan_.members.end()) {
      Fault(FaultCode::kMembers, at, "member \"" + name + "\" is listed twice");
      return;
    }
    const VisibleColumn* column = context_.Read(at, name);
    if (column == nullptr) {
      ok_ = false;
      return;
    }
    CheckType(at, *column);
    const bool can_miss = column->nullable || column->substituted;
    if (can_miss && config_.Find("missing") == nullptr && !IsChoice(plan_.method)) {
      Fault(FaultCode::kMembers, at,
            "member \"" + name + "\" can be " + (column->nullable ? "null" : "a default, which does not count") +
                " (made by \"" + column->maker + "\"), and the node does not say what happens then",
            "add \"missing\": \"renormalise\", \"fail\" or {\"default\": …}");
    }
    member.id = column->id;
    member.name = name;
    for (size_t cause = 1; cause < kCauseNames.size(); ++cause) member.why[cause] = name + ":" + kCauseNames[cause];
    plan_.members.push_back(std::move(member));
    places_.push_back(&at);
    known_.push_back(column->classes);
  }

  void CheckType(const ConfigValue& at, const VisibleColumn& column) {
    const Type& type = column.type;
    const std::string is = "member \"" + column.name + "\" is " + type.ToString();
    if (IsJson(type)) return Fault(FaultCode::kMembers, at, is + ", which no ensemble combines");
    if (soft()) {
      const bool vector = type.kind == Kind::kTensor && type.shape.size() == 1 &&
                          (type.element == Kind::kFloat32 || type.element == Kind::kFloat64);
      if (!vector) return Fault(FaultCode::kMembers, at, is + "; soft_vote combines vectors of numbers");
    } else if (IsVote(plan_.method)) {
      const bool label = type.kind == Kind::kString || type.kind == Kind::kInt64 || type.kind == Kind::kBool;
      if (!label) {
        return Fault(FaultCode::kMembers, at, is + "; " + method_name() + " combines labels (string, int64 or bool)",
                     type.IsNumeric() ? "mean, median, min and max combine numbers" : "");
      }
    } else if (IsChoice(plan_.method)) {
      return CheckChoice(at, column, is);
    } else {
      if (!type.IsNumeric()) {
        Fault(FaultCode::kMembers, at, is + "; " + method_name() + " combines numbers",
              type.kind == Kind::kString ? "majority_vote combines labels" : "");
      }
      return;
    }
    if (!typed_by_) {
      typed_by_ = column.name;
      plan_.member_type = type;
    } else if (type.kind != plan_.member_type.kind || type.shape != plan_.member_type.shape) {
      Fault(
          FaultCode::kMembers, at,
          is + ", \"" + *typed_by_ + "\" is " + plan_.member_type.ToString() + ": all members must have the same type");
    }
  }

  // Numbers of different types are combined as float64.
  void CheckChoice(const ConfigValue& at, const VisibleColumn& column, const std::string& is) {
    Type type = column.type;
    if (type.kind == Kind::kFloat32) type = Type::Scalar(Kind::kFloat64);
    if (!type.IsNumeric() && type.kind != Kind::kString && type.kind != Kind::kBool) {
      return Fault(FaultCode::kMembers, at, is + "; " + method_name() + " takes numbers, strings and flags");
    }
    if (!typed_by_) {
      typed_by_ = column.name;
      plan_.member_type = type;
    } else if (type.IsNumeric() && plan_.member_type.IsNumeric()) {
      if (!(type == plan_.member_type)) plan_.member_type = Type::Scalar(Kind::kFloat64);
    } else if (!(type == plan_.member_type)) {
      Fault(
          FaultCode::kMembers, at,
          is + ", \"" + *typed_by_ + "\" is " + plan_.member_type.ToString() + ": all members must have the same type");
    }
  }

  // ------------------------------------------------------------------ classes

  void BindClasses() {
    const ConfigValue* given = config_.Find("classes");
    if (given != nullptr && !soft()) {
      Fault(FaultCode::kNotSupported, *given, method_name() + " has no classes", "only soft_vote combines vectors");
      return;
    }
    if (!soft() || !ok_ || plan_.members.empty()) return;
    if (given != nullptr) {
      for (const ConfigValue& name : given->children) plan_.classes.push_back(name.text);
      if (static_cast<int64_t>(plan_.classes.size()) != plan_.member_type.Elements()) {
        Fault(FaultCode::kBadValue, *given,
              "\"classes\" has " + std::to_string(plan_.classes.size()) + " names, the vectors have " +
                  std::to_string(plan_.member_type.Elements()) + " values");
        return;
      }
    } else {
      const auto first = std::ranges::find_if(known_, [](const auto& classes) { return !classes.empty(); });
      if (first == known_.end()) return;
      plan_.classes = *first;
    }
    for (size_t m = 0; m < known_.size(); ++m) OrderClasses(m, given != nullptr);
  }

  void OrderClasses(size_t m, bool given) {
    EnsembleMember& member = plan_.members[m];
    if (known_[m].empty()) {
      if (given) return;
      Fault(FaultCode::kMembers, *places_[m],
            "the classes of member \"" + member.name + "\" are not known, but those of other members are",
            "list all of them, in the order of this member's values: \"classes\": [\"" + plan_.classes[0] + "\", …]");
      return;
    }
    for (const std::string& name : plan_.classes) {
      const auto found = std::ranges::find(known_[m], name);
      if (found == known_[m].end()) {
        Fault(FaultCode::kMembers, *places_[m], "member \"" + member.name + "\" has no class \"" + name + "\"",
              Suggest(name, known_[m]));
        return;
      }
      member.order.push_back(static_cast<uint32_t>(found - known_[m].begin()));
    }
    if (std::ranges::is_sorted(member.order)) member.order.clear();
  }

  // ------------------------------------------------------------------ policies

  void BindMissing() {
    const ConfigValue* missing = config_.Find("missing");
    if (missing == nullptr && IsChoice(plan_.method)) plan_.missing = MissingPolicy::kRenormalise;
    if (missing == nullptr || missing->text == "fail") return;
    if (missing->is_string()) {
      plan_.missing = MissingPolicy::kRenormalise;
      if (missing->text != "renormalise") {
        Fault(FaultCode::kBadValue, *missing, "\"" + missing->text + "\" is not a policy for missing members",
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
    if (soft() || IsChoice(plan_.method)) {
      return Fault(FaultCode::kNotSupported, value, method_name() + " does not accept a default for a missing member",
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

  void BindQuorum() {
    const ConfigValue* quorum = config_.Find("quorum");
    if (quorum == nullptr || !quorum->is_number()) return;
    const double members = static_cast<double>(plan_.members.size());
    if (quorum->kind == ConfigValue::Kind::kInteger) {
      plan_.quorum = static_cast<uint32_t>(std::clamp<int64_t>(quorum->integer, 0, UINT32_MAX));
      if (quorum->integer >= 1 && (static_cast<double>(quorum->integer) <= members || !ok_)) return;
      Fault(FaultCode::kBadValue, *quorum,
            "the quorum is " + quorum->Canonical() + " members, but the ensemble has only " +
                std::to_string(plan_.members.size()));
      return;
    }
    plan_.quorum_share = quorum->number;
    if (!(quorum->number > 0 && quorum->number < 1)) {
      Fault(FaultCode::kBadValue, *quorum, "a quorum is an integer, or a fraction between 0 and 1");
    } else if (std::ranges::any_of(plan_.members, [](const auto& m) { return m.weight_column.has_value(); })) {
      Fault(FaultCode::kNotSupported, *quorum, "a share of the weight needs weights that are numbers",
            "give the number of members that must be present");
    }
  }

  void BindTieAndPool() {
    if (const ConfigValue* tie = config_.Find("tie")) {
      plan_.tie = tie->text == "lowest" ? TieRule::kLowest : tie->text == "fail" ? TieRule::kFail : TieRule::kFirst;
      if (!IsVote(plan_.method) && !soft()) {
        Fault(FaultCode::kNotSupported, *tie, method_name() + " cannot have a tie", "\"tie\" is for votes");
      }
    }
    if (const ConfigValue* pool = config_.Find("pool")) {
      plan_.log_pool = pool->text == "log";
      if (!soft()) {
        Fault(FaultCode::kNotSupported, *pool, method_name() + " does not pool vectors", "\"pool\" is for soft_vote");
      }
    }
  }

  void BindMissingMax() {
    const ConfigValue* max = config_.Find("missing_max");
    if (max == nullptr) return;
    plan_.missing_max.stops = max->text == "stop" || max->Text("then") == "stop";
    plan_.missing_max.share = max->Number("share", plan_.missing_max.share);
    plan_.missing_max.rows = static_cast<uint32_t>(max->Integer("rows", plan_.missing_max.rows));
  }

  // ------------------------------------------------------------------ outputs

  Type TypeOf(Output output) const {
    switch (output) {
      case Output::kIndex:
      case Output::kMembersUsed: return Type::Scalar(Kind::kInt64);
      case Output::kMissing:
      case Output::kMissingWhy: return Type::List(Kind::kString);
      case Output::kConfidence:
      case Output::kMargin:
      case Output::kDisagreement: return Type::Scalar(Kind::kFloat64);
      case Output::kProbabilities: return Type::Tensor(Kind::kFloat64, plan_.member_type.shape);
      case Output::kValue: break;
    }
    if (soft()) return Type::Scalar(plan_.classes.empty() ? Kind::kInt64 : Kind::kString);
    return IsVote(plan_.method) || IsChoice(plan_.method) ? plan_.member_type : Type::Scalar(Kind::kFloat64);
  }

  bool Gives(Output output) const {
    if (output == Output::kProbabilities || output == Output::kIndex) return soft();
    if (output == Output::kConfidence || output == Output::kMargin) return soft() || IsVote(plan_.method);
    return true;
  }

  void BindOutputs() {
    const ConfigValue* outputs = config_.Find("outputs");
    if (outputs == nullptr) {
      ok_ = false;
      return;
    }
    for (const ConfigValue& member : outputs->children) {
      BindOutput(member);
    }
  }

  void BindOutput(const ConfigValue& at) {
    EnsemblePlan::Made made;
    const auto found = std::ranges::find(kEnsembleOutputs, at.text);
    if (found == kEnsembleOutputs.end()) {
      Fault(FaultCode::kBadValue, at, "\"" + at.text + "\" is not an output of an ensemble",
            Suggest(at.text, kEnsembleOutputs));
    } else {
      made.output = static_cast<Output>(found - kEnsembleOutputs.begin());
      if (!Gives(made.output) && ok_) {
        Fault(FaultCode::kNotSupported, at, method_name() + " has no \"" + at.text + "\"",
              soft() || IsVote(plan_.method) ? "soft_vote has it" : "votes have it");
      }
    }
    made.type = TypeOf(made.output);
    made.id = context_.Make(at, at.name, made.type, false);
    if (made.output == Output::kProbabilities) context_.NameClasses(made.id, plan_.classes);
    plan_.made.push_back(std::move(made));
  }

  BindContext& context_;
  const ConfigValue& config_;
  EnsemblePlan plan_;
  std::vector<const ConfigValue*> places_;       // of plan_.members
  std::vector<std::vector<std::string>> known_;  // classes of plan_.members, as their makers name them
  bool ok_ = true;
  std::optional<std::string> typed_by_;  // the first member whose type fits the method
};

}  // namespace

std::shared_ptr<const EnsemblePlan> BindEnsemble(BindContext& context) { return Binder(context).Bind(); }

}  // namespace anabranch
