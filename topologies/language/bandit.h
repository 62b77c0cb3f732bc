#pragma once

#include <memory>

#include "engine/plan.h"
#include "engine/strategy/bandit_spec.h"
#include "topologies/language/structure.h"

namespace anabranch {

// `bandit` of a model.
Shape BanditShape();

// Reads it; null when it is faulty. `model`: whose it is, its registry known.
std::shared_ptr<const BanditSpec> ReadBandit(const ConfigValue& bandit, const PlanModel& model, FaultSink& faults);

// Reports bandits that no node gives rewards to.
void CheckRewards(const ConfigValue& root, const Plan& plan, FaultSink& faults);

}  // namespace anabranch
