#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "engine/mutex.h"
#include "engine/run/plan_worker.h"

namespace anabranch {

// Compute threads beyond the lanes' own, each with its own PlanWorker. Lanes hand whole batches, and
// workers hand independent expensive branches, to threads that are idle at that moment. There is no
// queue, so nothing waits for work that has not begun. Thread-safe.
class Crew : public BranchRunner {
 public:
  // A task gets the thread's own worker. Tasks must not throw.
  using Task = std::function<void(PlanWorker&)>;

  explicit Crew(std::vector<std::unique_ptr<PlanWorker>> workers);
  ~Crew() override;  // waits for running tasks

  // Starts `task` on an idle thread; false when there is none.
  bool TryRun(Task task);

  void RunStages(PlanWorker& self, RecordBatch& batch, const std::vector<StageId>& stages,
                 std::vector<StageEnd>* ends) override;

 private:
  void Loop(PlanWorker& worker);

  std::vector<std::unique_ptr<PlanWorker>> workers_;
  Mutex mutex_;
  Condition wake_;
  std::deque<Task> tasks_ GUARDED_BY(mutex_);  // never longer than the idle threads
  size_t idle_ GUARDED_BY(mutex_) = 0;         // threads with neither a task nor a claim on one
  bool stop_ GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace anabranch
