#include "topologies/operate/side_run.h"

#include <utility>

#include "engine/run/pipeline.h"

namespace anabranch {

SideRun::~SideRun() {
  std::thread last;
  {
    const MutexLock lock(mutex_);
    if (cancel_) cancel_->Raise(CancelToken::kDrain);
    last = std::move(thread_);
  }
  if (last.joinable()) last.join();
}

bool SideRun::Start(std::shared_ptr<const CheckedTopology> checked, RunOptions options,
                    std::function<void(const RunSummary&)> done) {
  const MutexLock lock(mutex_);
  if (running_) return false;
  if (thread_.joinable()) thread_.join();  // it has ended
  running_ = true;
  summary_.reset();
  cancel_ = std::make_unique<CancelToken>();
  thread_ = std::thread([this, checked = std::move(checked), options = std::move(options), done = std::move(done),
                         cancel = cancel_.get()] {
    Pipeline pipeline(*checked->plan, registry_, options, RunObserver{}, cancel);
    (void)pipeline.Start();
    const RunSummary summary = pipeline.Finish();
    done(summary);
    const MutexLock ended(mutex_);
    summary_ = summary;
    running_ = false;
    changed_.NotifyAll();
  });
  return true;
}

std::optional<RunSummary> SideRun::Wait(std::chrono::milliseconds at_most) {
  const MutexLock lock(mutex_);
  (void)changed_.WaitFor(mutex_, at_most, [this]() REQUIRES(mutex_) { return !running_; });
  return summary_;
}

}  // namespace anabranch
