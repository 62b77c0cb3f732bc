#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "engine/mutex.h"

namespace anabranch {

// Whether some broker is connected. The library's own word for it ("all brokers are down") has no counterpart for the
// return, and comes only to who polls; the sockets tell both at once. Shared by the clients that follow each other in
// one place, and their owner. Any thread.
class KafkaReach {
 public:
  explicit KafkaReach(std::string servers);
  // A request went out through it: it is connected.
  void Sent(int socket);
  void Closed(int socket);
  // Why no broker can be reached; empty: one is connected, or was so a moment ago.
  std::string WhyAway() const;

 private:
  const std::string servers_;
  mutable Mutex mutex_;
  std::set<int> sockets_ GUARDED_BY(mutex_);  // connected
  int64_t none_since_ns_ GUARDED_BY(mutex_);
};

}  // namespace anabranch
