#include "engine/run/crew.h"

#include <latch>

namespace anabranch {

Crew::Crew(std::vector<std::unique_ptr<PlanWorker>> workers) : workers_(std::move(workers)), idle_(workers_.size()) {
  for (auto& worker : workers_) threads_.emplace_back([this, &worker] { Loop(*worker); });
}

Crew::~Crew() {
  {
    const MutexLock lock(mutex_);
    stop_ = true;
  }
  wake_.NotifyAll();
  for (std::thread& thread : threads_) thread.join();
}

bool Crew::TryRun(Task task) {
  {
    const MutexLock lock(mutex_);
    if (idle_ == 0) return false;
    --idle_;
    tasks_.push_back(std::move(task));
  }
  wake_.NotifyOne();
  return true;
}

void Crew::Loop(PlanWorker& worker) {
  const MutexLock lock(mutex_);
  while (true) {
    wake_.Wait(mutex_, [this]() REQUIRES(mutex_) { return stop_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    {
      const MutexUnlock unlock(mutex_);
      task(worker);
    }
    ++idle_;
  }
}

void Crew::RunStages(PlanWorker& self, RecordBatch& batch, const std::vector<StageId>& stages,
                     std::vector<StageEnd>* ends) {
  ends->assign(stages.size(), {});
  std::latch done(static_cast<std::ptrdiff_t>(stages.size()));
  std::vector<size_t> here = {0};
  for (size_t i = 1; i < stages.size(); ++i) {
    const bool handed = TryRun([&, i](PlanWorker& worker) {
      (*ends)[i] = worker.RunStage(batch, stages[i]);
      done.count_down();
    });
    if (!handed) here.push_back(i);
  }
  for (size_t i : here) {
    (*ends)[i] = self.RunStage(batch, stages[i]);
    done.count_down();
  }
  if (done.try_wait()) return;
  const LaneClock::Spell waits(self.lane_clock(), LaneState::kCrew, stages.back());
  done.wait();
}

}  // namespace anabranch
