#include "engine/trace/span_exporter.h"

#include <utility>

#include "engine/run/backoff.h"

namespace anabranch {
namespace {

constexpr std::chrono::seconds kLinger{1};
constexpr std::chrono::seconds kGrace{3};  // at the end
constexpr std::chrono::milliseconds kFirstPause{500};
constexpr std::chrono::seconds kLastPause{30};

}  // namespace

SpanExporter::SpanExporter(const TraceSettings& settings, std::string version,
                           std::function<void(const std::string&)> warn, std::atomic<int64_t>& dropped)
    : settings_(settings),
      version_(std::move(version)),
      resource_(settings.resource.begin(), settings.resource.end()),
      warn_(std::move(warn)),
      dropped_(dropped),
      thread_([this] { Loop(); }) {}

SpanExporter::~SpanExporter() {
  {
    const MutexLock lock(mutex_);
    stop_ = true;
  }
  changed_.NotifyAll();
  thread_.join();
}

void SpanExporter::Offer(std::vector<Span> spans) {
  size_t taken = 0;
  size_t waiting = 0;
  {
    const MutexLock lock(mutex_);
    for (; taken < spans.size(); ++taken) {
      const size_t bytes = spans[taken].bytes();
      if (queue_.size() >= kQueue || queued_bytes_ + bytes > kQueueBytes) break;
      queue_.push_back(std::move(spans[taken]));
      queued_bytes_ += bytes;
    }
    waiting = queue_.size();
    full_.store(taken < spans.size() || waiting >= kQueue, std::memory_order_relaxed);
  }
  Drop(spans.size() - taken);
  if (waiting >= kMostPerRequest) changed_.NotifyOne();
}

bool SpanExporter::Take(std::vector<Span>* spans) {
  spans->clear();
  const MutexLock lock(mutex_);
  while (!stop_ && queue_.empty()) {
    changed_.WaitFor(mutex_, kLinger, [this]() REQUIRES(mutex_) { return stop_ || queue_.size() >= kMostPerRequest; });
  }
  while (!queue_.empty() && spans->size() < kMostPerRequest) {
    queued_bytes_ -= queue_.front().bytes();
    spans->push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  full_.store(false, std::memory_order_relaxed);
  return !spans->empty();
}

bool SpanExporter::Pause(std::chrono::nanoseconds pause) {
  const MutexLock lock(mutex_);
  changed_.WaitFor(mutex_, pause, [this]() REQUIRES(mutex_) { return stop_; });
  return !stop_;
}

Status SpanExporter::Send(HttpClient& client, const std::vector<Span>& spans) const {
  const Result<HttpReply> reply = client.Post(settings_.path, OtlpJson(resource_, version_, spans), settings_.headers);
  if (!reply.ok()) return {Code::kUnavailable, reply.status().message()};
  const int code = reply->code;
  if (code >= 200 && code < 300) return Status::Ok();
  const bool later = code == 429 || code == 502 || code == 503 || code == 504;
  return {later ? Code::kUnavailable : Code::kInvalid, "it answers " + std::to_string(code)};
}

void SpanExporter::Say(const Status& status) {
  const std::string place = "traces: " + ServerOf(settings_.server);
  if (status.ok() && away_) warn_(place + " takes traces again");
  if (!status.ok() && !away_) {
    warn_(place + ": " + status.message() + "; the run goes on, spans that do not get through are counted");
  }
  away_ = !status.ok();
}

void SpanExporter::Loop() {
  HttpClient client(settings_.server, kGrace);
  std::chrono::steady_clock::time_point until{};  // once it is to stop
  for (std::vector<Span> spans; Take(&spans);) {
    Backoff backoff(kFirstPause, kLastPause);
    Status sent = Send(client, spans);
    Say(sent);
    bool stopping = false;
    while (sent.code() == Code::kUnavailable && !stopping) {
      stopping = !Pause(backoff.Next());
      if (!stopping) Say(sent = Send(client, spans));
    }
    if (!sent.ok()) Drop(spans.size());
    {
      const MutexLock lock(mutex_);
      if (!stop_) continue;
      const auto now = std::chrono::steady_clock::now();
      if (until == std::chrono::steady_clock::time_point{}) until = now + kGrace;
      if (sent.code() != Code::kUnavailable && now < until) continue;
      Drop(queue_.size());
      queue_.clear();
      return;
    }
  }
}

}  // namespace anabranch
