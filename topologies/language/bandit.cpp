#include "topologies/language/bandit.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "engine/models/model_store.h"
#include "engine/target.h"

namespace anabranch {
namespace {

constexpr size_t kMostArms = 50;
constexpr double kMostUpdateMs = 86'400'000;

class BanditReader {
 public:
  BanditReader(const ConfigValue& bandit, const PlanModel& model, FaultSink& faults)
      : bandit_(bandit), model_(model), faults_(faults) {}

  std::shared_ptr<const BanditSpec> Read() {
    const size_t before = faults_.errors();
    BanditSpec spec;
    spec.by_record = bandit_.Text("unit", "key") == "record";
    spec.update_ms = bandit_.Integer("update_ms", spec.update_ms);
    ReadArms(&spec);
    ReadPolicy(&spec);
    ReadStop(&spec);
    return faults_.errors() == before ? std::make_shared<const BanditSpec>(std::move(spec)) : nullptr;
  }

 private:
  std::string Of() const { return "the bandit of model \"" + model_.name + "\""; }

  void ReadArms(BanditSpec* spec) {
    const ConfigValue& arms = *bandit_.Find("arms");
    std::set<std::string> seen;
    for (const ConfigValue& arm : arms.children) {
      spec->arms.push_back(arm.text);
      if (!seen.insert(arm.text).second) {
        faults_.Add(FaultCode::kBadValue, arm, Of() + " names version \"" + arm.text + "\" twice", "name it once");
        continue;
      }
      const Result<RegistryEntry> found = FindInRegistry(model_.registry, model_.name, arm.text);
      if (!found.ok()) faults_.Add(FaultCode::kModelLoad, arm, found.status().message());
    }
    if (spec->arms.size() < 2 || spec->arms.size() > kMostArms) {
      faults_.Add(FaultCode::kBadValue, arms,
                  Of() + " has " + std::to_string(spec->arms.size()) + " version" + (spec->arms.size() == 1 ? "" : "s"),
                  "name 2 to " + std::to_string(kMostArms) + " versions");
    } else if (spec->arms.front() != model_.start) {
      faults_.Add(FaultCode::kBadValue, arms.children.front(),
                  "the first version of " + Of() + " is \"" + spec->arms.front() +
                      "\", and \"start\" of the model is \"" + model_.start + "\"",
                  "write the same: the first version answers what another one fails");
    }
  }

  void ReadPolicy(BanditSpec* spec) {
    BanditPolicy& policy = spec->policy;
    policy.kind = BanditKindOf(bandit_.Text("policy", "thompson")).value_or(policy.kind);
    policy.epsilon = NumberFor("epsilon", policy.epsilon, policy.kind == BanditKind::kEpsilonGreedy);
    policy.alpha = NumberFor("alpha", policy.alpha, policy.kind == BanditKind::kUcb1);
    policy.min_share = bandit_.Number("min_share", policy.min_share);
    if (spec->arms.size() < 2 || spec->arms.size() > kMostArms) return;  // said already
    const Status fits = CheckPolicy(policy, spec->arms.size());
    if (fits.ok()) return;
    const ConfigValue* share = bandit_.Find("min_share");
    faults_.Add(FaultCode::kBadValue, share == nullptr ? bandit_ : *share, fits.message());
  }

  double NumberFor(const char* name, double fallback, bool is_used) {
    const ConfigValue* value = bandit_.Find(name);
    if (value == nullptr) return fallback;
    if (!is_used) {
      faults_.AddAtName(FaultCode::kBadValue, *value,
                        "policy \"" + std::string(bandit_.Text("policy", "thompson")) + "\" has no \"" + name + "\"",
                        "remove it");
    }
    return value->number;
  }

  void ReadStop(BanditSpec* spec) {
    const ConfigValue* stop = bandit_.Find("stop_when");
    if (stop == nullptr) return;
    spec->stop_when = StopRule();
    spec->stop_when->best = stop->Number("best", spec->stop_when->best);
    spec->stop_when->least_rewards = stop->Integer("rewards", spec->stop_when->least_rewards);
  }

  const ConfigValue& bandit_;
  const PlanModel& model_;
  FaultSink& faults_;
};

}  // namespace

Shape BanditShape() {
  return Shape::Object({
      {"arms", Shape::List(Shape::String(), true), true, "",
       "The versions, two or more. The first one is `start`; it answers the records that another one fails."},
      {"policy", Shape::Enum({"thompson", "thompson_gaussian", "ucb1", "epsilon_greedy"}), false, "\"thompson\"",
       "How the probabilities follow the rewards. \"thompson\": the probability to be the best one, of rewards from 0 "
       "to 1; \"thompson_gaussian\": the same of rewards of any size; \"ucb1\": the best mean with a bonus for "
       "versions "
       "with few rewards; \"epsilon_greedy\": the best mean, and any version with probability `epsilon`."},
      {"epsilon", Shape::Number(0, 1), false, "0.1", "With \"epsilon_greedy\": how often any version is drawn."},
      {"alpha", Shape::Number(0, 1000), false, "1", "With \"ucb1\": the size of the bonus; 1 as it is defined."},
      {"min_share", Shape::Number(0, 0.5), false, "0.02",
       "Every version is drawn with this probability at least: so it can recover, and other policies can be "
       "evaluated."},
      {"unit", Shape::Enum({"key", "record"}), false, "\"key\"",
       "What draws: records of one key stay together, or each record draws by itself."},
      {"update_ms", Shape::Integer(100, kMostUpdateMs), false, "1000",
       "At most so often the probabilities change, in milliseconds; each change is a generation in the control log."},
      {"stop_when",
       Shape::Object({{"best", Shape::Number(0.5, 1), false, "0.99",
                       "The probability to be the best one from which on a version wins."},
                      {"rewards", Shape::Integer(1, 1e12), false, "100", "Rewards that each version has, at least."}}),
       false, "",
       "Ends the bandit: the version that wins scores every record. A statement about what was earned so far, not a "
       "test."},
  });
}

std::shared_ptr<const BanditSpec> ReadBandit(const ConfigValue& bandit, const PlanModel& model, FaultSink& faults) {
  return BanditReader(bandit, model, faults).Read();
}

void CheckRewards(const ConfigValue& root, const Plan& plan, FaultSink& faults) {
  const ConfigValue* models = root.Find("models");
  if (models == nullptr || faults.errors() > 0) return;  // the node may be a faulty one
  for (const ConfigValue& model : models->children) {
    const ConfigValue* bandit = model.Find("bandit");
    if (bandit == nullptr) continue;
    const bool earns = std::ranges::any_of(
        plan.targets, [&](const PlanTarget& target) { return target.program->rewards() == model.name; });
    if (earns) continue;
    faults.AddAtName(FaultCode::kMissingKey, *bandit,
                     "no node gives rewards to the bandit of model \"" + model.name + "\", so it would never learn",
                     "add a node whose target takes rewards, with the fields \"id\" and \"reward\"");
  }
}

}  // namespace anabranch
