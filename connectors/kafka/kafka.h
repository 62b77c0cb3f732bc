#pragma once

#include "engine/registry.h"

namespace anabranch {

void RegisterConnectorKafka(Registry& registry);

}  // namespace anabranch
