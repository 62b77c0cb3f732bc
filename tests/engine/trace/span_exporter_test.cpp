#include "engine/trace/span_exporter.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "engine/http/http_server.h"
#include "engine/mutex.h"
#include "engine/testing/eventually.h"

namespace anabranch {
namespace {

// A collector that answers with `code` and keeps what it got.
class Collector {
 public:
  Collector() {
    HttpServerOptions options;
    options.listen = "127.0.0.1:0";
    options.most_body_bytes = size_t{4} << 20;
    auto server = HttpServer::Start(options, [this](const HttpRequest& request) {
      const MutexLock lock(mutex_);
      bodies_.push_back(request.body);
      headers_ = request.headers;
      HttpResponse response;
      response.code = code;
      response.body = "{}";
      return response;
    });
    server_ = std::move(server).value();
  }
  TraceSettings settings() const {
    TraceSettings settings;
    settings.server = "http://" + server_->address();
    settings.path = "/v1/traces";
    settings.headers = {{"api-key", "k"}};
    settings.resource = {{"service.name", "payments"}};
    return settings;
  }
  std::vector<std::string> bodies() {
    const MutexLock lock(mutex_);
    return bodies_;
  }
  std::map<std::string, std::string> headers() {
    const MutexLock lock(mutex_);
    return headers_;
  }
  std::atomic<int> code{200};

 private:
  Mutex mutex_;
  std::vector<std::string> bodies_ GUARDED_BY(mutex_);
  std::map<std::string, std::string> headers_ GUARDED_BY(mutex_);
  std::unique_ptr<HttpServer> server_;
};

std::vector<Span> Spans(size_t count) {
  Span span;
  span.context = {TraceId{1}, SpanId{2}, true};
  span.name = "process payments";
  return std::vector<Span>(count, span);
}

TEST(SpanExporter, SendsWhatWaitsAtItsEnd) {
  Collector collector;
  {
    std::atomic<int64_t> dropped{0};
    SpanExporter exporter(collector.settings(), "1", [](const std::string&) {}, dropped);
    exporter.Offer(Spans(3));
  }
  ASSERT_EQ(collector.bodies().size(), 1u);
  EXPECT_EQ(collector.bodies()[0].find("{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\""),
            0u)
      << collector.bodies()[0];
  EXPECT_EQ(collector.headers()["content-type"], "application/json");
  EXPECT_EQ(collector.headers()["api-key"], "k");
}

TEST(SpanExporter, DropsAndCountsWhatItsQueueDoesNotHold) {
  TraceSettings nobody;
  nobody.server = "http://127.0.0.1:1";
  std::atomic<int> warnings{0};
  std::atomic<int64_t> dropped{0};
  SpanExporter exporter(nobody, "1", [&warnings](const std::string&) { ++warnings; }, dropped);
  exporter.Offer(Spans(SpanExporter::kQueue));
  exporter.Offer(Spans(SpanExporter::kQueue));
  EXPECT_GE(dropped.load(), static_cast<int64_t>(SpanExporter::kQueue - SpanExporter::kMostPerRequest));
  EXPECT_TRUE(Eventually([&] { return warnings == 1; }));
}

TEST(SpanExporter, TriesAgainWhenTheCollectorIsBusyAndSaysItOnce) {
  Collector collector;
  collector.code = 503;
  std::atomic<int> warnings{0};
  std::atomic<int64_t> dropped{0};
  SpanExporter exporter(collector.settings(), "1", [&warnings](const std::string&) { ++warnings; }, dropped);
  exporter.Offer(Spans(SpanExporter::kMostPerRequest));
  ASSERT_TRUE(Eventually([&] { return collector.bodies().size() >= 2; }));
  EXPECT_EQ(warnings, 1);
  EXPECT_EQ(dropped.load(), 0);
  collector.code = 200;
  EXPECT_TRUE(Eventually([&] { return warnings == 2; })) << "it says that the collector is back";
  EXPECT_EQ(dropped.load(), 0);
}

TEST(SpanExporter, DropsWhatTheCollectorRefuses) {
  Collector collector;
  collector.code = 400;
  std::atomic<int64_t> dropped{0};
  SpanExporter exporter(collector.settings(), "1", [](const std::string&) {}, dropped);
  exporter.Offer(Spans(SpanExporter::kMostPerRequest));
  EXPECT_TRUE(Eventually([&] { return dropped.load() == static_cast<int64_t>(SpanExporter::kMostPerRequest); }));
  EXPECT_EQ(collector.bodies().size(), 1u);
}

}  // namespace
}  // namespace anabranch
