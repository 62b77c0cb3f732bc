#include "nodes/infer/watchdog.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "engine/clock.h"

namespace anabranch {

Watchdog& Watchdog::Process() {
  static Watchdog* const watchdog = new Watchdog;  // its thread lives as long as the process
  return *watchdog;
}

Watchdog::Guard::Guard(Watchdog& watchdog, int64_t deadline_ns, std::function<void()> late)
    : watchdog_(watchdog), deadline_ns_(deadline_ns), armed_(deadline_ns != INT64_MAX), late_(std::move(late)) {
  if (!armed_) return;
  const MutexLock lock(watchdog_.mutex_);
  if (!watchdog_.started_) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    std::thread([&watchdog] { watchdog.Watch(); }).detach();
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    watchdog_.started_ = true;
  }
  place_ = watchdog_.guards_.insert(watchdog_.guards_.end(), this);
  if (deadline_ns < watchdog_.wakes_at_ns_) watchdog_.changed_.NotifyOne();
}

Watchdog::Guard::~Guard() {
  if (!armed_) return;
  const MutexLock lock(watchdog_.mutex_);
  if (!expired()) watchdog_.guards_.erase(place_);
}

void Watchdog::Watch() {
  const MutexLock lock(mutex_);
  while (true) {
    const int64_t now = Clock::Real().NowNs();
    int64_t next = INT64_MAX;
    for (auto place = guards_.begin(); place != guards_.end();) {
      Guard& guard = **place;
      const int64_t deadline = guard.deadline_ns_.load(std::memory_order_relaxed);
      if (deadline > now) {
        next = std::min(next, deadline);
        ++place;
        continue;
      }
      place = guards_.erase(place);
      guard.expired_.store(true, std::memory_order_release);
      guard.late_();
    }
    wakes_at_ns_ = next;
    if (next == INT64_MAX) {
      changed_.Wait(mutex_);
    } else {
      changed_.WaitUntil(mutex_, std::chrono::steady_clock::now() + std::chrono::nanoseconds(next - now));
    }
  }
}

}  // namespace anabranch
