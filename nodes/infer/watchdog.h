#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>

#include "engine/mutex.h"

namespace anabranch {

// Ends work that takes too long. One thread per process, started with the first deadline, calls back at most once per
// guard. Thread-safe.
class Watchdog {
 public:
  static Watchdog& Process();

  // Calls `late` from the watchdog's thread when `deadline_ns` (of Clock::Real()) passes before the guard is
  // destroyed. Once the destructor has returned, `late` is not running and will not run. INT64_MAX costs nothing.
  class Guard {
   public:
    Guard(Watchdog& watchdog, int64_t deadline_ns, std::function<void()> late);
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    bool expired() const { return expired_.load(std::memory_order_acquire); }
    // Moves the deadline later. Costs a store; has no effect after it expired.
    void Renew(int64_t deadline_ns) { deadline_ns_.store(deadline_ns, std::memory_order_relaxed); }

   private:
    friend class Watchdog;
    Watchdog& watchdog_;
    std::atomic<int64_t> deadline_ns_;
    const bool armed_;
    const std::function<void()> late_;
    std::atomic<bool> expired_{false};
    std::list<Guard*>::iterator place_;
  };

 private:
  void Watch();

  Mutex mutex_;
  Condition changed_;
  std::list<Guard*> guards_ GUARDED_BY(mutex_);
  int64_t wakes_at_ns_ GUARDED_BY(mutex_) = INT64_MAX;
  bool started_ GUARDED_BY(mutex_) = false;
};

}  // namespace anabranch
