#pragma once

#include "engine/registry.h"

namespace anabranch {

// SQLite tables as targets (sqlite_target.h).
void RegisterConnectorSqlite(Registry& registry);

}  // namespace anabranch
