#include "engine/trace/trace_settings.h"

#include <gtest/gtest.h>

#include <map>

namespace anabranch {
namespace {

using Environment = std::map<std::string, std::string>;

std::optional<TraceSettings> From(const Environment& environment) {
  return TraceSettingsFrom(
      [&environment](const char* name) {
        const auto at = environment.find(name);
        return at == environment.end() ? nullptr : at->second.c_str();
      },
      "payments");
}

TEST(TraceSettings, AreOffWithoutAnEndpoint) {
  EXPECT_FALSE(From({}));
  EXPECT_FALSE(From({{"OTEL_SERVICE_NAME", "x"}}));
  EXPECT_FALSE(From({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1"}, {"OTEL_SDK_DISABLED", "true"}}));
  EXPECT_FALSE(From({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1"}, {"OTEL_SDK_DISABLED", "TRUE"}}));
  EXPECT_FALSE(From({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1"}, {"OTEL_TRACES_EXPORTER", "none"}}));
}

TEST(TraceSettings, AddThePathOfTracesToTheCommonEndpointOnly) {
  auto settings = From({{"OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4318/team/"}});
  EXPECT_EQ(settings->server, "https://collector:4318");
  EXPECT_EQ(settings->path, "/team/v1/traces");
  settings = From({{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector:4318"}});
  EXPECT_EQ(settings->path, "/");
  settings = From(
      {{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector/in"}, {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://b"}});
  EXPECT_EQ(settings->server + settings->path, "http://collector/in");
}

TEST(TraceSettings, ReadHeadersAndResource) {
  const auto settings = From({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1"},
                              {"OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%3Db, x = 2,"},
                              {"OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=prod,service.name=old"},
                              {"OTEL_SERVICE_NAME", "scoring"}});
  const TraceSettings::Pairs headers = {{"api-key", "a=b"}, {"x", "2"}};
  EXPECT_EQ(settings->headers, headers);
  const TraceSettings::Pairs resource = {{"deployment.environment", "prod"}, {"service.name", "scoring"}};
  EXPECT_EQ(settings->resource, resource);
  EXPECT_TRUE(settings->warnings.empty());
  EXPECT_EQ(From({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1"}})->resource,
            (TraceSettings::Pairs{{"service.name", "payments"}}));
}

TEST(TraceSettings, SayWhatTheyDoNotUnderstandWithoutSecrets) {
  const auto settings = From({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1"},
                              {"OTEL_EXPORTER_OTLP_HEADERS", "hunter2"},
                              {"OTEL_TRACES_SAMPLER", "sometimes"},
                              {"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"}});
  ASSERT_EQ(settings->warnings.size(), 3u);
  for (const std::string& warning : settings->warnings) EXPECT_EQ(warning.find("hunter2"), std::string::npos);
}

TraceSampler Sampler(const std::string& name, const std::string& share = "") {
  return From({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1"},
               {"OTEL_TRACES_SAMPLER", name},
               {"OTEL_TRACES_SAMPLER_ARG", share}})
      ->sampler;
}

TEST(TraceSampler, GoesByTheParentWhereItIsToldTo) {
  const TraceId trace{1};
  EXPECT_TRUE(TraceSampler{}.Keeps(trace, std::nullopt));
  EXPECT_FALSE(TraceSampler{}.Keeps(trace, false));
  EXPECT_TRUE(Sampler("parentbased_always_off").Keeps(trace, true));
  EXPECT_FALSE(Sampler("parentbased_always_off").Keeps(trace, std::nullopt));
  EXPECT_FALSE(Sampler("always_off").Keeps(trace, true));
  EXPECT_TRUE(Sampler("always_on").Keeps(trace, false));
}

TEST(TraceSampler, KeepsItsShareOfTraces) {
  const TraceSampler quarter = Sampler("traceidratio", "0.25");
  int kept = 0;
  for (int i = 0; i < 256; ++i) {
    TraceId trace{};
    trace[8] = static_cast<uint8_t>(i);
    kept += quarter.Keeps(trace, std::nullopt) ? 1 : 0;
  }
  EXPECT_EQ(kept, 64);
}

}  // namespace
}  // namespace anabranch
