#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "engine/thread_annotations.h"

namespace anabranch {

// std::mutex, std::lock_guard and std::condition_variable with the annotations that clang checks. They cost the same.
//
//   Mutex mutex_;
//   Condition changed_;
//   std::deque<Task> tasks_ GUARDED_BY(mutex_);
//
//   const MutexLock lock(mutex_);
//   changed_.Wait(mutex_, [this]() REQUIRES(mutex_) { return !tasks_.empty(); });
class CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() ACQUIRE() { mutex_.lock(); }
  void Unlock() RELEASE() { mutex_.unlock(); }
  bool TryLock() TRY_ACQUIRE(true) { return mutex_.try_lock(); }

 private:
  friend class Condition;
  std::mutex mutex_;
};

// Holds a mutex until the end of its scope.
class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.Lock(); }
  ~MutexLock() RELEASE() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// The opposite: releases a mutex that is held until the end of its scope, then locks it again.
class SCOPED_CAPABILITY MutexUnlock {
 public:
  explicit MutexUnlock(Mutex& mutex) RELEASE(mutex) : mutex_(mutex) { mutex_.Unlock(); }
  ~MutexUnlock() RELEASE() { mutex_.Lock(); }  // of a scope, RELEASE undoes what the constructor did
  MutexUnlock(const MutexUnlock&) = delete;
  MutexUnlock& operator=(const MutexUnlock&) = delete;

 private:
  Mutex& mutex_;
};

// Every wait releases the mutex and holds it again when it returns. A wait without a predicate can return early.
class Condition {
 public:
  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

  void Wait(Mutex& mutex) REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }

  // False: the time passed.
  template <typename Moment>
  bool WaitUntil(Mutex& mutex, const Moment& until) REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    const std::cv_status status = condition_.wait_until(lock, until);
    lock.release();
    return status == std::cv_status::no_timeout;
  }

  // Until ready() is true. The analysis does not see that `mutex` is the one that ready() names.
  template <typename Ready>
  void Wait(Mutex& mutex, Ready ready) REQUIRES(mutex) NO_THREAD_SAFETY_ANALYSIS {
    while (!ready()) Wait(mutex);
  }

  // What ready() said last: false means that the time passed.
  template <typename Moment, typename Ready>
  bool WaitUntil(Mutex& mutex, const Moment& until, Ready ready) REQUIRES(mutex) NO_THREAD_SAFETY_ANALYSIS {
    while (!ready()) {
      if (!WaitUntil(mutex, until)) return ready();
    }
    return true;
  }
  template <typename Duration, typename Ready>
  bool WaitFor(Mutex& mutex, Duration duration, Ready ready) REQUIRES(mutex) NO_THREAD_SAFETY_ANALYSIS {
    return WaitUntil(mutex, std::chrono::steady_clock::now() + duration, ready);
  }

 private:
  std::condition_variable condition_;
};

}  // namespace anabranch
