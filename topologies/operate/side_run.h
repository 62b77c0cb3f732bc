#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "engine/cancel.h"
#include "engine/mutex.h"
#include "engine/registry.h"
#include "engine/run/run_options.h"
#include "engine/run/run_summary.h"
#include "topologies/language/check.h"

namespace anabranch {

// A bounded run beside the pipeline of the process, by order of an operator: a replay of dead letters, a skip. One at a
// time; its end stops it.
class SideRun {
 public:
  explicit SideRun(const Registry& registry) : registry_(registry) {}
  ~SideRun();
  SideRun(const SideRun&) = delete;
  SideRun& operator=(const SideRun&) = delete;

  // False: another one is at work. `late` is called on its thread, with how it ended, where Wait() did not tell.
  bool Start(std::shared_ptr<const CheckedTopology> checked, RunOptions options,
             std::function<void(const RunSummary&)> late);
  // How the one that was started last ended; none: it still runs after `at_most`. Once after each start.
  std::optional<RunSummary> Wait(std::chrono::milliseconds at_most);

 private:
  const Registry& registry_;
  Mutex mutex_;
  Condition changed_;
  bool running_ GUARDED_BY(mutex_) = false, late_ GUARDED_BY(mutex_) = false;
  std::optional<RunSummary> summary_ GUARDED_BY(mutex_);
  std::unique_ptr<CancelToken> cancel_ GUARDED_BY(mutex_);
  std::thread thread_ GUARDED_BY(mutex_);
};

}  // namespace anabranch
