#include "nodes/validate/validate.h"

namespace anabranch {

void RegisterNodeValidate(Registry& /*registry*/) {}

}  // namespace anabranch
