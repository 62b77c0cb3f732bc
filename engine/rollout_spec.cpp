#include "engine/rollout_spec.h"

namespace anabranch {

const char* NameOf(RolloutSpec::Guard::What what) {
  using What = RolloutSpec::Guard::What;
  switch (what) {
    case What::kErrors: return "errors";
    case What::kDisagrees: return "disagrees";
    case What::kSlower: return "slower";
    case What::kNan: return "nan";
    case What::kDiffers: return "differs";
    case What::kPsi: return "psi";
  }
  return "";
}

}  // namespace anabranch
