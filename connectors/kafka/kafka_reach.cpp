#include "connectors/kafka/kafka_reach.h"

#include <utility>

#include "engine/clock.h"

namespace anabranch {
namespace {

constexpr int64_t kGraceNs = 1'500'000'000;  // a client that reconnects at once is not away

}  // namespace

KafkaReach::KafkaReach(std::string servers) : servers_(std::move(servers)), none_since_ns_(Clock::Real().NowNs()) {}

void KafkaReach::Sent(int socket) {
  const MutexLock lock(mutex_);
  sockets_.insert(socket);
}

void KafkaReach::Closed(int socket) {
  const MutexLock lock(mutex_);
  if (sockets_.erase(socket) > 0 && sockets_.empty()) none_since_ns_ = Clock::Real().NowNs();
}

std::string KafkaReach::WhyAway() const {
  const MutexLock lock(mutex_);
  if (!sockets_.empty()) return {};
  const int64_t away = Clock::Real().NowNs() - none_since_ns_;
  if (away < kGraceNs) return {};
  return "no broker of " + servers_ + " is connected for " + std::to_string(away / 1'000'000'000) + " s";
}

}  // namespace anabranch
