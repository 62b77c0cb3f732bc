#pragma once

#include <cstdint>

namespace anabranch {

// How long one wait of a lane takes: with nothing to do, and with something that will soon be done.
inline constexpr int64_t kIdleWaitNs = 50'000'000;
inline constexpr int64_t kBusyWaitNs = 1'000'000;

}  // namespace anabranch
