#include "connectors/sqlite/sqlite.h"

namespace anabranch {

void RegisterConnectorSqlite(Registry& /*registry*/) {}

}  // namespace anabranch
