#include "topologies/language/rollout.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "engine/json_type.h"

namespace anabranch {
namespace {

using What = RolloutSpec::Guard::What;
using Then = RolloutSpec::Then;

constexpr double kLeastLimit = 1e-6, kMostLimit = 0.99;
constexpr double kErrorsLimit = 0.01;  // of the guard that is always there
constexpr double kMostComparedRows = 1e12;
constexpr double kYearMinutes = 525'600;
constexpr double kMsPerMinute = 60'000;

Shape LimitShape() { return Shape::Number(kLeastLimit, kMostLimit); }

FieldSpec LimitField() {
  return {"max", LimitShape(), true, "", "The share of the rows, or the keys, from which on it is too much."};
}

Shape GuardsShape() {
  const Shape both =
      Shape::OneOf({LimitShape(), Shape::Object({{"above", Shape::Number(), false, "0.5",
                                                  "Numbers disagree when one of two is above this, and one is not."},
                                                 LimitField()})});
  return Shape::Object({
      {"errors", LimitShape(), false, "0.01",
       "Share of the rows that the serving version answers, and the new one fails. Always there where there is a "
       "guard."},
      {"disagrees", both, false, "",
       "Share of rows where a label (a text, true or false, an integer) differs, or a number is above 0.5 in one "
       "version only, or one of two outputs is null or NaN; {\"above\", \"max\"} for another threshold than 0.5."},
      {"slower",
       Shape::Object({{"factor", Shape::Number(0.01, 1000), true, "", "How many times the serving version's time."},
                      LimitField()}),
       false, "",
       "Share of batches for which the new version takes more than `factor` times as long: one call times all its "
       "rows, so one batch is one vote. A limit of 0.01 needs some 460 batches to pass."},
      {"nan", LimitShape(), false, "", "Share of rows with a number that is NaN in the new version only."},
      {"differs",
       Shape::Object(
           {{"by", Shape::Number(0, 1e140), true, "", "A larger difference of a number counts."}, LimitField()}),
       false, "",
       "Share of rows with a number that differs by more than `by`, or that is null or NaN in one version only."},
      {"psi", Shape::Number(0.001, 1000), false, "",
       "Population stability index of the new version's outputs against the serving one's, at most; looked at from "
       "5000 rows on. A threshold, not a test."},
  });
}

Shape StepShape() {
  return Shape::OneOf(
      {Shape::Enum({"all"}),
       Shape::Object({
           {"shadow", Shape::Number(kLeastLimit, 1), false, "",
            "Share of the rows that the new version scores too, unseen. One of `shadow` and `canary` is needed."},
           {"canary", Shape::Number(kLeastLimit, 1), false, "", "Share of the keys that the new version answers."},
           {"rows", Shape::Integer(0, kMostComparedRows), false, "0", "Rows that both versions scored, at least."},
           {"minutes", Shape::Number(0, kYearMinutes), false, "0", "How long it lasts, in minutes, at least."},
       })});
}

// ------------------------------------------------------------------------------------------ reading

class RolloutReader {
 public:
  RolloutReader(const ConfigValue& rollout, FaultSink& faults)
      : rollout_(rollout), model_(rollout.parent == nullptr ? "" : rollout.parent->name), faults_(faults) {}

  std::shared_ptr<const RolloutSpec> Read() {
    const size_t before = faults_.errors();
    RolloutSpec spec;
    spec.by_record = rollout_.Text("by", "key") == "record";
    spec.segment = rollout_.Text("segment");
    spec.alpha = Number(rollout_, "alpha", spec.alpha);
    spec.max_rows = static_cast<int64_t>(Number(rollout_, "max_rows", static_cast<double>(spec.max_rows)));
    spec.on_breach = rollout_.Text("on_breach") == "hold" ? Then::kHold : Then::kRollBack;
    spec.on_pass = rollout_.Text("on_pass") == "hold" ? Then::kHold : Then::kNext;
    spec.on_inconclusive = rollout_.Text("on_inconclusive") == "rollback" ? Then::kRollBack : Then::kHold;
    spec.needs_approval = rollout_.Text("approval") == "required";
    ReadGuards(&spec);
    ReadSteps(&spec);
    return faults_.errors() == before ? std::make_shared<const RolloutSpec>(std::move(spec)) : nullptr;
  }

 private:
  static double Number(const ConfigValue& object, std::string_view name, double fallback) {
    const ConfigValue* value = object.Find(name);
    return value == nullptr ? fallback : value->number;
  }

  // In an order of ours: to write them in another one changes nothing.
  void ReadGuards(RolloutSpec* spec) {
    const ConfigValue* guards = rollout_.Find("guards");
    const bool is_guarded = guards != nullptr && !guards->children.empty();
    for (const What what : {What::kErrors, What::kDisagrees, What::kSlower, What::kNan, What::kDiffers, What::kPsi}) {
      const ConfigValue* value = guards == nullptr ? nullptr : guards->Find(NameOf(what));
      if (value == nullptr) {
        // What fails a row says nothing that another guard could judge.
        if (what == What::kErrors && is_guarded) spec->guards.push_back({what, kErrorsLimit, 0, !spec->by_record});
        continue;
      }
      RolloutSpec::Guard guard{.what = what, .limit = value->number, .size = 0, .per_key = false};
      if (value->is_object()) guard.limit = Number(*value, "max", 0);
      if (what == What::kDisagrees) guard.size = value->is_object() ? Number(*value, "above", 0.5) : 0.5;
      if (what == What::kSlower) guard.size = Number(*value, "factor", 1);
      if (what == What::kDiffers) guard.size = Number(*value, "by", 0);
      guard.per_key = !spec->by_record && (what == What::kErrors || what == What::kDisagrees);
      spec->guards.push_back(guard);
    }
    if (is_guarded) return;  // one that is misspelt was meant as one
    if (spec->on_breach == Then::kHold && spec->on_pass == Then::kHold) return;
    faults_.AddAtName(FaultCode::kMissingKey, rollout_,
                      Of() + " has no guard, so nothing could tell a good version from a bad one",
                      "add \"guards\": {\"errors\": 0.01, \"disagrees\": 0.05}; or have a person decide on every step: "
                      "\"on_breach\": \"hold\", \"on_pass\": \"hold\"");
  }

  void ReadSteps(RolloutSpec* spec) {
    const ConfigValue& steps = *rollout_.Find("steps");
    for (const ConfigValue& step : steps.children) {
      if (step.is_string()) {
        ReadAll(steps, step);
        spec->steps.emplace_back();
      } else {
        spec->steps.push_back(ReadStep(step, *spec));
      }
    }
    if (!steps.children.empty() && !steps.children.back().is_string()) {
      faults_.Add(FaultCode::kBadValue, steps.children.back(),
                  "the last of the \"steps\" of " + Of() + " is not \"all\"",
                  "add \"all\" at the end: with it the new version scores every record, and the rollout ends");
    }
  }

  void ReadAll(const ConfigValue& steps, const ConfigValue& all) {
    if (&all != &steps.children.back()) {
      faults_.Add(FaultCode::kBadValue, all, "\"all\" is not the last of the \"steps\" of " + Of(),
                  "move it to the end: no step can follow it");
    } else if (steps.children.size() == 1) {
      faults_.Add(FaultCode::kBadValue, all, Of() + " has no step before \"all\"",
                  "add one, such as {\"shadow\": 1.0, \"rows\": 20000}; or remove the rollout: without one a "
                  "deployment scores all records at once");
    }
  }

  RolloutSpec::Step ReadStep(const ConfigValue& value, const RolloutSpec& spec) {
    const ConfigValue* shadow = value.Find("shadow");
    const ConfigValue* canary = value.Find("canary");
    if (shadow == nullptr && canary == nullptr) {
      faults_.Add(FaultCode::kMissingKey, value, "this step of " + Of() + " says neither \"shadow\" nor \"canary\"",
                  "add one of them with a share, such as \"canary\": 0.05");
    } else if (shadow != nullptr && canary != nullptr) {
      faults_.AddAtName(FaultCode::kBadValue, *canary, "this step of " + Of() + " is both \"shadow\" and \"canary\"",
                        "make two steps of it, the shadow first");
    }
    RolloutSpec::Step step;
    step.rule = canary != nullptr ? ArmRule::kCanary : ArmRule::kShadow;
    step.share = Number(value, canary != nullptr ? "canary" : "shadow", 1);
    step.min_rows = static_cast<int64_t>(Number(value, "rows", 0));
    step.min_ms = std::llround(Number(value, "minutes", 0) * kMsPerMinute);
    if (step.min_rows > spec.max_rows) {
      faults_.Add(FaultCode::kBadValue, *value.Find("rows"),
                  "this step of " + Of() + " asks for " + std::to_string(step.min_rows) +
                      " rows, but ends without a result after \"max_rows\", " + std::to_string(spec.max_rows),
                  "ask for fewer rows, or raise \"max_rows\"");
    }
    CompareWithStepBefore(value, spec, step);
    return step;
  }

  void CompareWithStepBefore(const ConfigValue& value, const RolloutSpec& spec, const RolloutSpec::Step& step) {
    const RolloutSpec::Step* before = nullptr;
    for (const RolloutSpec::Step& each : spec.steps) {
      if (each.rule == ArmRule::kCanary) before = &each;
    }
    if (before == nullptr) return;
    if (step.rule == ArmRule::kShadow) {
      faults_.Add(FaultCode::kBadValue, value, "\"shadow\" follows \"canary\" in the \"steps\" of " + Of(),
                  "move it before every \"canary\": keys that the new version answers would go back to the old one");
    } else if (step.share < before->share) {
      faults_.Add(FaultCode::kBadValue, *value.Find("canary"),
                  "this \"canary\" of " + Of() + " is smaller than the one before it",
                  "the shares of canaries do not fall: keys that the new version answers would go back to the old one");
    }
  }

  std::string Of() const { return "the rollout of model \"" + model_ + "\""; }

  const ConfigValue& rollout_;
  const std::string model_;
  FaultSink& faults_;
};

}  // namespace

Shape RolloutShape() {
  return Shape::Object({
      {"steps", Shape::List(StepShape(), true), true, "",
       "What a new version goes through, in order: shadows, then canaries, and \"all\" at the end."},
      {"guards", GuardsShape(), false, "",
       "What must not happen. Each compares the two versions on the same rows; all but `psi` are tests that may be "
       "looked at as often as one likes."},
      {"by", Shape::Enum({"key", "record"}), false, "\"key\"",
       "What draws the version in a canary: records of one key stay together, or each record draws by itself."},
      {"segment", Shape::Column(), false, "",
       "A column with texts, integers or true and false, which every node of the model can read: the comparison is "
       "shown for each of its values too."},
      {"alpha", Shape::Number(kLeastLimit, 0.5), false, "0.01",
       "The probability, at most, with which a version that keeps within the limits is called bad in a whole "
       "rollout."},
      {"max_rows", Shape::Integer(1, kMostComparedRows), false, "500000",
       "Rows that both versions scored after which a step ends without a result."},
      {"on_breach", Shape::Enum({"rollback", "hold"}), false, "\"rollback\"", "What happens when a guard says no."},
      {"on_pass", Shape::Enum({"next", "hold"}), false, "\"next\"", "What happens when all guards say yes."},
      {"on_inconclusive", Shape::Enum({"hold", "rollback"}), false, "\"hold\"",
       "What happens when a step ends without a result."},
      {"approval", Shape::Enum({"required", "none"}), false, "\"none\"",
       "\"required\": only a person takes the step to \"all\" (`anabranch model promote`)."},
  });
}

std::shared_ptr<const RolloutSpec> ReadRollout(const ConfigValue& rollout, FaultSink& faults) {
  return RolloutReader(rollout, faults).Read();
}

void BindSegment(const ConfigValue& root, const std::string& model, NodeBinding& binding, FaultSink& faults) {
  const ConfigValue* models = root.Find("models");
  const ConfigValue* entry = models == nullptr ? nullptr : models->Find(model);
  const ConfigValue* rollout = entry == nullptr ? nullptr : entry->Find("rollout");
  const ConfigValue* segment = rollout == nullptr ? nullptr : rollout->Find("segment");
  if (segment == nullptr || !segment->is_string() || segment->text.empty()) return;
  const VisibleColumn* column = binding.Read(*segment, segment->text, false);
  if (column == nullptr) return;  // it has been said
  const bool counts =
      column->type.IsScalar() && !IsJson(column->type) &&
      (column->type.kind == Kind::kString || column->type.kind == Kind::kInt64 || column->type.kind == Kind::kBool);
  if (counts) return;
  faults.Add(FaultCode::kBadValue, *segment,
             "the \"segment\" of the rollout of model \"" + model + "\" is the column \"" + column->name + "\", a " +
                 column->type.ToString(),
             "name a column of type string, int64 or bool, or make one with a \"set\" node");
}

}  // namespace anabranch
