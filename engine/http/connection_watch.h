#pragma once

#include <chrono>
#include <map>
#include <thread>

#include "engine/mutex.h"

namespace anabranch {

// Ends connections that take too long over a request, however steadily their bytes drip: the library's own limit only
// sees silence. It shuts the socket down; the library then closes it. Any thread may call.
class ConnectionWatch {
 public:
  explicit ConnectionWatch(std::chrono::seconds patience);
  ~ConnectionWatch();
  ConnectionWatch(const ConnectionWatch&) = delete;
  ConnectionWatch& operator=(const ConnectionWatch&) = delete;

  // A request, or its answer, is awaited from now on. `fd` stays open until Forget().
  void Expect(int fd);
  // The handler is at work: no limit.
  void Pause(int fd);
  void Forget(int fd);

 private:
  using Moment = std::chrono::steady_clock::time_point;
  void Watch();

  const std::chrono::seconds patience_;
  Mutex mutex_;
  Condition changed_;
  std::map<int, Moment> until_ GUARDED_BY(mutex_);
  bool ends_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace anabranch
