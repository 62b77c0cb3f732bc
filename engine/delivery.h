#pragma once

#include <cstdint>

namespace anabranch {

// What a topology promises about its results after a crash. kAtLeastOnce: some may be written twice.
enum class Delivery : uint8_t { kExactlyOnce, kAtLeastOnce };

}  // namespace anabranch
