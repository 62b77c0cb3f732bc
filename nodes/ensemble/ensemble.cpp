#include "nodes/ensemble/ensemble.h"

namespace anabranch {

void RegisterNodeEnsemble(Registry& /*registry*/) {}

}  // namespace anabranch
