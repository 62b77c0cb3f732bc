#include "connectors/file/file.h"

namespace anabranch {

void RegisterConnectorFile(Registry& /*registry*/) {}

}  // namespace anabranch
