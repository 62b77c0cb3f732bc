#include "engine/trace/span_exporter.h"

#include <algorithm>
#include <utility>

#include "engine/run/backoff.h"

namespace anabranch {
namespace {

constexpr std::chrono::seconds kLinger{1};
constexpr std::chrono::seconds kCallTakes{3};  // at most
constexpr std::chrono::milliseconds kFirstPause{500};
constexpr std::chrono::seconds kLastPause{30};

}  // namespace

SpanExporter::SpanExporter(const TraceSettings& settings, std::string version,
                           std::function<void(const std::string&)> warn, std::atomic<int64_t>& dropped,
                           std::chrono::milliseconds grace)
    : settings_(settings),
      version_(std::move(version)),
      resource_(settings.resource.begin(), settings.resource.end()),
      warn_(std::move(warn)),
      dropped_(dropped),
      grace_(grace),
      thread_([this] { Loop(); }) {}

SpanExporter::~SpanExporter() {
  {
    const MutexLock lock(mutex_);
    stop_ = true;
    until_ = std::chrono::steady_clock::now() + grace_;
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

std::chrono::milliseconds SpanExporter::TimeLeft() {
  const std::chrono::milliseconds call = std::min<std::chrono::milliseconds>(kCallTakes, grace_);
  const MutexLock lock(mutex_);
  if (!stop_) return call;
  const auto left = until_ - std::chrono::steady_clock::now();
  return std::clamp(std::chrono::duration_cast<std::chrono::milliseconds>(left), std::chrono::milliseconds(0), call);
}

Status SpanExporter::Send(HttpClient& client, const std::vector<Span>& spans) {
  const std::chrono::milliseconds left = TimeLeft();
  if (left.count() == 0) return {Code::kUnavailable, "it takes too long"};
  client.set_timeout(left);
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
  HttpClient client(settings_.server, kCallTakes);
  for (std::vector<Span> spans; Take(&spans);) {
    Backoff backoff(kFirstPause, kLastPause);
    Status sent = Send(client, spans);
    Say(sent);
    while (sent.code() == Code::kUnavailable && Pause(backoff.Next())) Say(sent = Send(client, spans));
    if (sent.ok()) continue;
    Drop(spans.size());
    const MutexLock lock(mutex_);
    if (!stop_ || sent.code() != Code::kUnavailable) continue;
    Drop(queue_.size());
    queue_.clear();
    return;
  }
}

}  // namespace anabranch
