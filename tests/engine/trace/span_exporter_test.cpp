#include "engine/trace/span_exporter.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "engine/testing/eventually.h"
#include "tests/engine/trace/collector.h"

namespace anabranch {
namespace {

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

TEST(SpanExporter, ItsQueueIsBoundedByBytesToo) {
  TraceSettings nobody;
  nobody.server = "http://127.0.0.1:1";
  std::atomic<int64_t> dropped{0};
  constexpr size_t kSpans = 1'000, kEach = size_t{32} << 10;
  std::vector<Span> spans = Spans(kSpans);
  for (Span& span : spans) span.trace_state.assign(kEach, 'a');
  SpanExporter exporter(nobody, "1", [](const std::string&) {}, dropped);
  exporter.Offer(spans);
  // Its thread may have taken some by now: they are offered again until no more fit.
  EXPECT_TRUE(Eventually([&] {
    if (!exporter.full()) exporter.Offer(spans);
    return exporter.full();
  }));
  EXPECT_GE(dropped.load(), static_cast<int64_t>(kSpans - SpanExporter::kQueueBytes / kEach));
}

TEST(SpanExporter, NamesTheCollectorWithoutItsSecrets) {
  TraceSettings secret;
  secret.server = "http://user:hunter2@127.0.0.1:1";
  secret.path = "/v1/traces?token=s3cr3t";
  Mutex mutex;
  std::string said;
  std::atomic<int64_t> dropped{0};
  {
    SpanExporter exporter(
        secret, "1",
        [&](const std::string& line) {
          const MutexLock lock(mutex);
          said += line;
        },
        dropped);
    exporter.Offer(Spans(1));
  }
  EXPECT_NE(said.find("traces: http://127.0.0.1:1: "), std::string::npos) << said;
  for (const char* secret_part : {"user", "hunter2", "s3cr3t"}) EXPECT_EQ(said.find(secret_part), std::string::npos);
}

TEST(SpanExporter, ItsEndTakesNoLongerThanItsGraceHoweverSlowTheCollectorIs) {
  Collector collector;
  collector.takes = std::chrono::milliseconds(700);
  std::atomic<int64_t> dropped{0};
  const auto begin = std::chrono::steady_clock::now();
  {
    SpanExporter exporter(collector.settings(), "1", [](const std::string&) {}, dropped, std::chrono::seconds(1));
    exporter.Offer(Spans(4 * SpanExporter::kMostPerRequest));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(1'600));
  EXPECT_GE(dropped.load(), static_cast<int64_t>(2 * SpanExporter::kMostPerRequest)) << "they are counted";
}

}  // namespace
}  // namespace anabranch
