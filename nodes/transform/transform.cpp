#include "nodes/transform/transform.h"

namespace anabranch {

void RegisterNodeTransform(Registry& /*registry*/) {}

}  // namespace anabranch
