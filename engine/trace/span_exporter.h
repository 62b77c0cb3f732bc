#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "engine/http/http_client.h"
#include "engine/mutex.h"
#include "engine/status.h"
#include "engine/trace/span.h"
#include "engine/trace/trace_settings.h"

namespace anabranch {

// Sends spans to a collector by OTLP/HTTP, on a thread of its own. Nobody waits for it: what its queue does not hold is
// counted and dropped. A collector that is away is tried again; its spans wait in the queue meanwhile.
class SpanExporter {
 public:
  static constexpr size_t kQueue = 8'192;
  static constexpr size_t kQueueBytes = size_t{8} << 20;
  static constexpr size_t kMostPerRequest = 512;

  // `dropped`: lost spans are added; it outlives the exporter. `warn`: once when the collector is away or refuses, and
  // once when it is back; on the exporter's thread.
  SpanExporter(const TraceSettings& settings, std::string version, std::function<void(const std::string&)> warn,
               std::atomic<int64_t>& dropped, std::chrono::milliseconds grace = std::chrono::seconds(3));
  // Sends what waits, for `grace` at most.
  ~SpanExporter();
  SpanExporter(const SpanExporter&) = delete;
  SpanExporter& operator=(const SpanExporter&) = delete;

  bool full() const { return full_.load(std::memory_order_relaxed); }
  void Offer(std::vector<Span> spans);
  void Drop(size_t spans) { dropped_.fetch_add(static_cast<int64_t>(spans), std::memory_order_relaxed); }

 private:
  void Loop();
  // Waits for spans, a second at most if there are few. False: the end, and none is left.
  bool Take(std::vector<Span>* spans);
  // kUnavailable: try again later. kInvalid: the collector does not take these.
  Status Send(HttpClient& client, const std::vector<Span>& spans);
  // For one call; at the end, what is left of the grace.
  std::chrono::milliseconds TimeLeft();
  // False when it is to stop.
  bool Pause(std::chrono::nanoseconds pause);
  void Say(const Status& status);

  const TraceSettings settings_;
  const std::string version_;
  SpanAttributes resource_;
  const std::function<void(const std::string&)> warn_;
  std::atomic<bool> full_{false};
  std::atomic<int64_t>& dropped_;
  const std::chrono::milliseconds grace_;
  bool away_ = false;  // said so

  Mutex mutex_;
  Condition changed_;
  std::deque<Span> queue_ GUARDED_BY(mutex_);
  size_t queued_bytes_ GUARDED_BY(mutex_) = 0;
  bool stop_ GUARDED_BY(mutex_) = false;
  std::chrono::steady_clock::time_point until_ GUARDED_BY(mutex_);  // once it is to stop
  std::thread thread_;
};

}  // namespace anabranch
