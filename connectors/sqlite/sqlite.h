#pragma once

#include "engine/registry.h"

namespace anabranch {

void RegisterConnectorSqlite(Registry& registry);

}  // namespace anabranch
