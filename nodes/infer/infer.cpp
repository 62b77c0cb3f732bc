#include "nodes/infer/infer.h"

namespace anabranch {

void RegisterNodeInfer(Registry& /*registry*/) {}

}  // namespace anabranch
