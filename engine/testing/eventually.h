#pragma once

#include <chrono>
#include <thread>

namespace anabranch {

// Waits until `done()` holds: for what another thread does and no condition variable of the test sees. Looks every
// millisecond; false when it does not hold within `limit`.
template <typename Predicate>
bool Eventually(Predicate done, std::chrono::milliseconds limit = std::chrono::seconds(10)) {
  const auto until = std::chrono::steady_clock::now() + limit;
  while (!done()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace anabranch
