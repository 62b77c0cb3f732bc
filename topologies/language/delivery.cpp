#include "topologies/language/delivery.h"

#include <algorithm>
#include <map>
#include <utility>

namespace anabranch {

namespace {

class DeliveryCheck {
 public:
  DeliveryCheck(const ConfigValue& root, const Registry& registry, const Broken& broken, Services& services,
                const std::vector<const ConfigValue*>& entries, Plan& plan, FaultSink& faults)
      : root_(root),
        registry_(registry),
        broken_(broken),
        services_(services),
        entries_(entries),
        plan_(plan),
        faults_(faults) {}

  void Run() {
    BindDeadLetters();
    RefuseSharedTargets();
    Settle();
  }

 private:
  void BindDeadLetters();
  void RefuseSharedTargets();
  bool MayShare(size_t target, size_t other) const;
  void Settle();
  const PlanNode* NodeOf(size_t target) const;
  const ConfigValue& PlaceOf(size_t target) const;
  const ConfigValue& WhatOf(size_t target) const;

  const ConfigValue& root_;
  const Registry& registry_;
  const Broken& broken_;
  Services& services_;
  const std::vector<const ConfigValue*>& entries_;
  Plan& plan_;
  FaultSink& faults_;
};

void DeliveryCheck::BindDeadLetters() {
  const SourceProgram* source = nullptr;
  const Connector* connector = nullptr;
  for (const PlanSource& each : plan_.sources) {
    if (each.program == nullptr) continue;
    source = each.program.get();
    connector = registry_.FindConnector(each.connector);
    break;
  }
  const ConfigValue* at = root_.Find("dead_letters");
  if (at != nullptr) {
    if (broken_.count(at) != 0) return;
    at = ConnectorMember(*at, registry_);
    if (at == nullptr) return;
    connector = registry_.FindConnector(at->name);
  }
  if (connector == nullptr) return;  // no source could be bound: said already
  auto program = connector->BindDeadLetters(at, source, plan_.name, services_, faults_);
  if (program != nullptr) plan_.targets.push_back({"dead_letters", std::move(program)});
}

const PlanNode* DeliveryCheck::NodeOf(size_t target) const {
  for (const PlanNode& node : plan_.nodes) {
    if (node.id == plan_.targets[target].id) return &node;
  }
  return nullptr;
}

// Where the connector of a target stands in the file.
const ConfigValue& DeliveryCheck::PlaceOf(size_t target) const {
  const PlanNode* node = NodeOf(target);
  const ConfigValue* owner = node != nullptr ? entries_[static_cast<size_t>(node - plan_.nodes.data())] : &root_;
  const ConfigValue* to = owner->Find(node != nullptr ? "to" : "dead_letters");
  const ConfigValue* member = to != nullptr ? ConnectorMember(*to, registry_) : nullptr;
  if (member != nullptr) return *member;
  const ConfigValue* delivery = root_.Find("delivery");
  return to != nullptr ? *to : delivery != nullptr ? *delivery : *owner;
}

// The first required value of a target: a file's path, a topic.
const ConfigValue& DeliveryCheck::WhatOf(size_t target) const {
  const ConfigValue& place = PlaceOf(target);
  const Connector* connector = registry_.FindConnector(place.name);
  if (connector == nullptr) return place;
  for (const FieldSpec& field : connector->spec().target) {
    const ConfigValue* value = field.required ? place.Find(field.name) : nullptr;
    if (value != nullptr) return *value;
  }
  return place;
}

void DeliveryCheck::RefuseSharedTargets() {
  std::map<std::string, std::vector<size_t>> writers;
  for (size_t target = 0; target < plan_.targets.size(); ++target) {
    const std::string what = plan_.targets[target].program->Describe();
    std::vector<size_t>& before = writers[what];
    const auto other = std::find_if(before.begin(), before.end(), [&](size_t each) { return !MayShare(target, each); });
    if (other != before.end()) {
      faults_.Add(FaultCode::kTargetConflict, WhatOf(target),
                  "\"" + plan_.targets[target].id + "\" and \"" + plan_.targets[*other].id + "\" both write " + what,
                  "give each its own target, or let one node write both branches");
    }
    before.push_back(target);
  }
}

// Nodes of different sources never write a record twice, so they may share a target that takes many writers.
bool DeliveryCheck::MayShare(size_t target, size_t other) const {
  const PlanNode* a = NodeOf(target);
  const PlanNode* b = NodeOf(other);
  if (a == nullptr || b == nullptr || !plan_.targets[target].program->ManyWriters()) return false;
  for (size_t source = 0; source < plan_.sources.size(); ++source) {
    if (a->from_source[source] && b->from_source[source]) return false;
  }
  return true;
}

void DeliveryCheck::Settle() {
  if (plan_.delivery == Delivery::kAtLeastOnce) return;
  bool all_can = true;
  for (size_t target = 0; target < plan_.targets.size(); ++target) {
    std::string why = WhyNotExactlyOnce(plan_, plan_.targets[target], NodeOf(target));
    if (why.empty() && all_can) why = WhyNotTogether(plan_, target);  // beside a fault it is its consequence
    if (why.empty()) continue;
    all_can = false;
    if (!plan_.delivery_given) continue;
    const ConfigValue& place = PlaceOf(target);
    const ConfigValue* connection = place.Find("connection");
    std::string message = "exactly_once cannot be given by \"" + plan_.targets[target].id + "\" (" +
                          plan_.targets[target].program->Describe() + "): " + why;
    std::string hint = "change the target, or write \"delivery\": \"at_least_once\"";
    if (connection != nullptr) {
      faults_.Add(FaultCode::kDelivery, *connection, std::move(message), std::move(hint));
    } else {
      faults_.AddAtName(FaultCode::kDelivery, place, std::move(message), std::move(hint));
    }
  }
  if (!all_can && !plan_.delivery_given) plan_.delivery = Delivery::kAtLeastOnce;
}

}  // namespace

std::string WhyNotExactlyOnce(const Plan& plan, const PlanTarget& target, const PlanNode* node) {
  for (size_t source = 0; source < plan.sources.size(); ++source) {
    const bool fed = node == nullptr || (source < node->from_source.size() && node->from_source[source]);
    if (!fed || plan.sources[source].program == nullptr) continue;
    if (!plan.sources[source].program->CanRepeat()) {
      return "source \"" + plan.sources[source].id + "\" cannot be read again after a crash";
    }
    std::string why;
    if (target.program->ExactlyOnce(*plan.sources[source].program, &why)) continue;
    return why.empty() ? "it cannot store rows and progress together" : why;
  }
  return {};
}

std::string WhyNotTogether(const Plan& plan, size_t target) {
  const TargetProgram& program = *plan.targets[target].program;
  if (!program.OneUnitOnly()) return {};
  for (size_t other = 0; other < target; ++other) {
    const TargetProgram& before = *plan.targets[other].program;
    if (before.connector() != program.connector() || before.commit_unit() == program.commit_unit()) continue;
    return "one transaction reaches one connection, and \"" + plan.targets[other].id + "\" uses another (" +
           before.commit_unit() + ", " + program.commit_unit() + ")";
  }
  return {};
}

void DecideDelivery(const ConfigValue& root, const Registry& registry, const Broken& broken, Services& services,
                    const std::vector<const ConfigValue*>& entries, Plan& plan, FaultSink& faults) {
  DeliveryCheck(root, registry, broken, services, entries, plan, faults).Run();
}

}  // namespace anabranch
