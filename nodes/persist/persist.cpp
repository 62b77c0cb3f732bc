#include "nodes/persist/persist.h"

namespace anabranch {

void RegisterNodePersist(Registry& /*registry*/) {}

}  // namespace anabranch
