#include "engine/http/connection_watch.h"

#include <sys/socket.h>

namespace anabranch {
namespace {

constexpr std::chrono::milliseconds kLookEach{500};

}  // namespace

ConnectionWatch::ConnectionWatch(std::chrono::seconds patience) : patience_(patience), thread_([this] { Watch(); }) {}

ConnectionWatch::~ConnectionWatch() {
  {
    const MutexLock lock(mutex_);
    ends_ = true;
  }
  changed_.NotifyAll();
  thread_.join();
}

void ConnectionWatch::Expect(int fd) {
  const MutexLock lock(mutex_);
  const bool first = until_.empty();
  until_[fd] = std::chrono::steady_clock::now() + patience_;
  if (first) changed_.NotifyAll();
}

void ConnectionWatch::Pause(int fd) {
  const MutexLock lock(mutex_);
  if (const auto found = until_.find(fd); found != until_.end()) found->second = Moment::max();
}

void ConnectionWatch::Forget(int fd) {
  const MutexLock lock(mutex_);
  until_.erase(fd);
}

void ConnectionWatch::Watch() {
  const MutexLock lock(mutex_);
  while (!ends_) {
    if (until_.empty()) {
      changed_.Wait(mutex_);
      continue;
    }
    changed_.WaitUntil(mutex_, std::chrono::steady_clock::now() + kLookEach);
    const Moment now = std::chrono::steady_clock::now();
    for (auto& [fd, until] : until_) {
      if (until > now) continue;
      shutdown(fd, SHUT_RDWR);
      until = Moment::max();  // until the library forgets it
    }
  }
}

}  // namespace anabranch
