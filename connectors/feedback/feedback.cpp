#include "connectors/feedback/feedback.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "connectors/feedback/feedback_target.h"
#include "engine/json_type.h"

namespace anabranch {
namespace {

Connector::Spec MakeFeedbackSpec() {
  Connector::Spec spec;
  spec.name = "feedback";
  spec.summary = "Gives rewards to the bandit of a model: what its answers were worth.";
  spec.about =
      "A model with `bandit` draws one of its versions for each record, and draws those more often that earn more. "
      "What an answer was worth comes in as a record of its own, from any source: a click, a sale, a complaint. A "
      "`persist` node with this target writes two fields: `id`, the id of the record that was answered "
      "(`TOPIC/PARTITION/OFFSET`: the header `anabranch.id` and the column `id` of a result have it; a node behind it "
      "is passed over), and `reward`, a number. Where the key draws (`\"unit\": \"key\"`), the reward's own key must "
      "be the key of that record.\n\n"
      "Which version the record drew, and how probable that was, is computed again from its id and its key. So no "
      "table of pending answers is kept, and a reward may come at any time. What was earned is kept with the position "
      "in the control log: a crash neither loses nor doubles a reward. A row without an id of that form, or with a "
      "reward that the policy cannot use, is refused and goes to the dead letters. A reward of a record that this "
      "bandit did not answer is counted as unmatched, and used for nothing.";
  spec.target = {
      {"model", Shape::String(), true, "", "Name of a model with `bandit`."},
  };
  spec.target_example = R"({"feedback": {"model": "rank"}})";
  return spec;
}

bool IsNumber(const Type& type) { return type.IsNumeric() || type.kind == Kind::kBool; }

class FeedbackConnector : public Connector {
 public:
  const Spec& spec() const override { return spec_; }

  std::shared_ptr<const SourceProgram> BindSource(const ConfigValue& at, const std::string& /*source_id*/,
                                                  BindServices& /*services*/, FaultSink& faults) const override {
    faults.Add(FaultCode::kNotSupported, at, "feedback is no source", "read from kafka or a file");
    return nullptr;
  }

  std::shared_ptr<const TargetProgram> BindTarget(const ConfigValue& at, const TargetFields& fields,
                                                  BindServices& services, FaultSink& faults) const override {
    const size_t before = faults.errors();
    const ConfigValue* policy = FindPolicy(at, services, faults);
    if (!fields.envelope.empty()) return RefuseEnvelope(at, fields, faults);
    const auto id = Take(at, fields, "id", faults);
    const auto reward = Take(at, fields, "reward", faults);
    if (id && (id->type.kind != Kind::kString || IsJson(id->type))) {
      faults.Add(FaultCode::kBadValue, *id->at, "the id of a reward is a string, and this is " + id->type.ToString(),
                 "name the column with the id of the record that was answered");
    }
    if (reward && !IsNumber(reward->type)) {
      faults.Add(FaultCode::kBadValue, *reward->at, "a reward is a number, and this is " + reward->type.ToString(),
                 R"(make one with a "transform" node: "set": {"reward": "clicked == 1 ? 1 : 0"})");
    }
    RefuseOthers(at, fields, faults);
    if (policy == nullptr || !id || !reward || faults.errors() != before) return nullptr;
    BanditPolicy checked;
    checked.kind = BanditKindOf(policy->Text("policy", "thompson")).value_or(checked.kind);
    return std::make_shared<FeedbackTargetProgram>(std::string(at.Text("model")), checked, *id, *reward);
  }

  std::shared_ptr<const TargetProgram> BindDeadLetters(const ConfigValue* at, const SourceProgram* /*source*/,
                                                       const std::string& /*topology*/, BindServices& /*services*/,
                                                       FaultSink& faults) const override {
    if (at != nullptr) {
      faults.Add(FaultCode::kNotSupported, *at, "dead letters cannot go to feedback",
                 "send them to {\"file\": {\"path\": …}} or {\"kafka\": {\"topic\": …}}");
    }
    return nullptr;
  }

  Result<std::unique_ptr<Committer>> OpenCommitter(
      const LaneContext& lane, const std::vector<std::pair<TargetId, const TargetProgram*>>& targets,
      const SourceProgram& /*source_program*/, Source& /*source*/) const override {
    const auto& [target, program] = targets.front();  // a check sees that no second one shares its rows
    return MakeFeedbackCommitter(lane, target, *static_cast<const FeedbackTargetProgram*>(program));
  }

 private:
  static const ConfigValue* FindPolicy(const ConfigValue& at, BindServices& services, FaultSink& faults) {
    const ConfigValue* name = at.Find("model");
    if (name == nullptr || !name->is_string()) return nullptr;
    const ConfigValue* model = services.Section("models", name->text);
    if (model == nullptr) {
      faults.Add(FaultCode::kUnknownReference, *name, "model \"" + name->text + "\" is not declared under \"models\"",
                 Suggest(name->text, services.Names("models")));
      return nullptr;
    }
    const ConfigValue* bandit = model->Find("bandit");
    if (bandit == nullptr) {
      faults.Add(FaultCode::kUnknownReference, *name, "model \"" + name->text + "\" has no \"bandit\"",
                 "add one to the model, or name another model");
    }
    return bandit;
  }

  static std::optional<TargetField> Take(const ConfigValue& at, const TargetFields& fields, std::string_view name,
                                         FaultSink& faults) {
    const auto found = std::ranges::find(fields.fields, name, &TargetField::name);
    if (found != fields.fields.end()) return *found;
    faults.Add(FaultCode::kMissingKey, at, "feedback needs the field \"" + std::string(name) + "\"",
               R"(write "fields": {"id": "COLUMN", "reward": "COLUMN"} in this node)");
    return std::nullopt;
  }

  static std::shared_ptr<const TargetProgram> RefuseEnvelope(const ConfigValue& at, const TargetFields& fields,
                                                             FaultSink& faults) {
    const ConfigValue* envelope = fields.config == nullptr ? nullptr : fields.config->Find("envelope");
    faults.Add(FaultCode::kBadValue, envelope == nullptr ? at : *envelope,
               "feedback takes no envelope \"" + fields.envelope + "\"", "leave \"envelope\" out");
    return nullptr;
  }

  static void RefuseOthers(const ConfigValue& at, const TargetFields& fields, FaultSink& faults) {
    for (const TargetField& field : fields.fields) {
      if (field.name == "id" || field.name == "reward") continue;
      faults.Add(FaultCode::kBadValue, field.at == nullptr ? at : *field.at,
                 "feedback has no field \"" + field.name + "\"",
                 R"(write only these: "fields": {"id": "COLUMN", "reward": "COLUMN"})");
    }
  }

  const Spec spec_ = MakeFeedbackSpec();
};

}  // namespace

void RegisterConnectorFeedback(Registry& registry) { registry.Add(std::make_unique<FeedbackConnector>()); }

}  // namespace anabranch
