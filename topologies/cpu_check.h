#pragma once

namespace anabranch {

// What a program compiled for x86-64-v3 uses beyond the first x86-64, one bit each.
enum CpuFeature : unsigned {
  kAvx = 1U << 0,
  kAvx2 = 1U << 1,
  kBmi = 1U << 2,
  kBmi2 = 1U << 3,
  kFma = 1U << 4,
  kPclmul = 1U << 5,
  kEveryCpuFeature = (1U << 6) - 1,
};

// The name of the first feature that `has` lacks; null when it lacks none.
const char* MissingCpuFeature(unsigned has);

}  // namespace anabranch
