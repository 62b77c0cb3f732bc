#include "topologies/operate/scans.h"

#include <chrono>
#include <thread>

namespace anabranch {
namespace {

constexpr std::chrono::seconds kMostScan{30}, kMostWait{5};

Status Ending() { return {Code::kRetry, "the process is about to end"}; }

}  // namespace

// Ends a scan that takes too long.
class Scans::Limit {
 public:
  Limit(Scans& scans, CancelToken& cancel)
      : scans_(scans), thread_([this, &cancel] {
          const MutexLock lock(scans_.mutex_);
          const auto over = [this]() REQUIRES(scans_.mutex_) { return done_; };
          if (!scans_.changed_.WaitFor(scans_.mutex_, kMostScan, over)) cancel.Raise(CancelToken::kNow);
        }) {}
  ~Limit() {
    {
      const MutexLock lock(scans_.mutex_);
      done_ = true;
    }
    scans_.changed_.NotifyAll();
    thread_.join();
  }
  Limit(const Limit&) = delete;
  Limit& operator=(const Limit&) = delete;

 private:
  Scans& scans_;
  bool done_ GUARDED_BY(scans_.mutex_) = false;
  std::thread thread_;
};

Status Scans::Run(const std::function<Status(CancelToken&)>& scan) {
  CancelToken cancel;
  {
    const MutexLock lock(mutex_);
    const auto free = [this]() REQUIRES(mutex_) { return at_work_ == nullptr || ended_; };
    const bool came = changed_.WaitFor(mutex_, kMostWait, free);
    if (ended_) return Ending();
    if (!came) return {Code::kRetry, "another scan of the dead letters is at work"};
    at_work_ = &cancel;
  }
  Status status;
  {
    const Limit limit(*this, cancel);
    status = scan(cancel);
  }
  {
    const MutexLock lock(mutex_);
    at_work_ = nullptr;
    if (ended_ && !status.ok()) status = Ending();
  }
  changed_.NotifyAll();
  return status;
}

void Scans::End() {
  {
    const MutexLock lock(mutex_);
    ended_ = true;
    if (at_work_ != nullptr) at_work_->Raise(CancelToken::kNow);
  }
  changed_.NotifyAll();
}

}  // namespace anabranch
