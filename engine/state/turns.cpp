#include "engine/state/turns.h"

#include <algorithm>

namespace anabranch {

bool Turns::Enter(StageId stage, uint64_t sequence) {
  const MutexLock lock(mutex_);
  changed_.Wait(mutex_, [&]() REQUIRES(mutex_) { return broken_ || next_[stage] >= sequence; });
  return !broken_;
}

void Turns::Pass(StageId stage, uint64_t sequence) {
  {
    const MutexLock lock(mutex_);
    next_[stage] = std::max(next_[stage], sequence + 1);
  }
  changed_.NotifyAll();
}

void Turns::Break() {
  {
    const MutexLock lock(mutex_);
    broken_ = true;
  }
  changed_.NotifyAll();
}

void Turns::Begin(uint64_t sequence) {
  const MutexLock lock(mutex_);
  std::ranges::fill(next_, sequence);
  broken_ = false;
}

}  // namespace anabranch
