#pragma once

#include "engine/registry.h"

namespace anabranch {

// Gives rewards to the bandit of a model: what a version's answer was worth, by the record that it answered.
void RegisterConnectorFeedback(Registry& registry);

}  // namespace anabranch
