#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/mutex.h"
#include "engine/run/lane.h"
#include "engine/run/run_summary.h"
#include "engine/status.h"

namespace anabranch {

// The lanes of a run, each on a thread of its own, and how they ended. Used by one thread. A group that started must be
// joined before it is destroyed; with a lane that was taken over it cannot be, and must be leaked.
class LaneGroup {
 public:
  void Add(std::unique_ptr<Lane> lane);
  size_t size() const { return lanes_.size(); }

  void Start();
  // Waits at most `at_most`, until at most `left` lanes run. False: more of them run.
  bool Wait(std::chrono::nanoseconds at_most, size_t left = 0);
  // When a call of `stage` never returns: how many lanes waited for it and were taken over (Lane::TakeOver).
  size_t TakeOver(const std::string& stage, const Status& why);
  void Join();

  // Any thread, once the lanes are added: each part once, with the first reason. A source that no lane was given
  // anything of yet is away.
  std::vector<AwayPart> Away() const;

  // After Join(), or with summary->stuck after TakeOver() took a lane: adds how the lanes ended, which is the first
  // failure that names a stage, with what all lanes kept for it. Without one, the first error.
  void Collect(RunSummary* summary) const;

 private:
  struct LaneThread {
    std::unique_ptr<Lane> lane;
    std::thread thread;
    Status status;       // of Lane::Run()
    bool ended = false;  // guarded by mutex_; status and lane are final
    bool taken = false;  // the lane's thread is parked for good
  };

  std::vector<std::unique_ptr<LaneThread>> lanes_;
  mutable Mutex mutex_;
  Condition ended_;
  size_t running_ GUARDED_BY(mutex_) = 0;
};

}  // namespace anabranch
