#include "topologies/operate/side_run.h"

#include <utility>

#include "engine/run/pipeline.h"
#include "topologies/operate/model_session.h"

namespace anabranch {

namespace {

RunSummary RunBeside(const Plan& plan, const Registry& registry, RunOptions options, CancelToken& cancel) {
  auto models = MakeModelAgent(plan, options, ModelGates{}, {});
  RunSummary summary;
  summary.status = models.status();
  if (models.ok() && *models != nullptr) summary.status = (*models)->Begin(cancel);
  if (!summary.status.ok()) return summary;
  options.generations = models->get();
  auto control = MakeControlView(plan, options.state_dir);
  summary.status = control.status();
  if (!control.ok()) return summary;
  options.control = control->get();
  Pipeline pipeline(plan, registry, options, RunObserver{}, &cancel);
  (void)pipeline.Start();
  summary = pipeline.Finish();
  if (summary.stuck) {  // a thread may still ask them
    (void)models->release();
    (void)control->release();
  }
  return summary;
}

}  // namespace

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
                    std::function<void(const RunSummary&)> late) {
  const MutexLock lock(mutex_);
  if (running_) return false;
  if (thread_.joinable()) thread_.join();  // it has ended
  running_ = true;
  late_ = false;
  summary_.reset();
  cancel_ = std::make_unique<CancelToken>();
  thread_ = std::thread([this, checked = std::move(checked), options = std::move(options), late = std::move(late),
                         cancel = cancel_.get()] {
    const RunSummary summary = RunBeside(*checked->plan, registry_, options, *cancel);
    bool tells = false;
    {
      const MutexLock ended(mutex_);
      summary_ = summary;
      tells = late_;
    }
    if (tells) late(summary);
    const MutexLock ended(mutex_);
    running_ = false;
    changed_.NotifyAll();
  });
  return true;
}

std::optional<RunSummary> SideRun::Wait(std::chrono::milliseconds at_most) {
  const MutexLock lock(mutex_);
  late_ = !changed_.WaitFor(mutex_, at_most, [this]() REQUIRES(mutex_) { return !running_; }) && !summary_;
  return summary_;
}

}  // namespace anabranch
