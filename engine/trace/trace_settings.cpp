#include "engine/trace/trace_settings.h"

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace anabranch {
namespace {

using Variable = std::function<const char*(const char*)>;

// An empty variable is as one that is not set, as the standard says.
std::string ValueOf(const Variable& variable, const char* name) {
  const char* const value = variable(name);
  return value == nullptr ? "" : value;
}

// As the standard compares: without case.
bool IsTrue(const std::string& text) { return strcasecmp(text.c_str(), "true") == 0; }

std::string Decoded(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    const char* const digits = text.data() + i + 1;
    if (text[i] == '%' && i + 2 < text.size() && std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
      decoded += static_cast<char>(byte);
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// "a=b,c=d", percent-encoded.
TraceSettings::Pairs PairsOf(std::string_view text, const char* name, std::vector<std::string>* warnings) {
  TraceSettings::Pairs pairs;
  while (!text.empty()) {
    const std::string_view pair = Trimmed(text.substr(0, text.find(',')));
    text.remove_prefix(
        std::min(text.size(), text.find(',') == std::string_view::npos ? text.size() : text.find(',') + 1));
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      // The value may be a secret.
      warnings->push_back(std::string(name) + ": an entry is not NAME=VALUE and is ignored");
      continue;
    }
    pairs.emplace_back(Decoded(Trimmed(pair.substr(0, equals))), Decoded(Trimmed(pair.substr(equals + 1))));
  }
  return pairs;
}

TraceSampler SamplerOf(const Variable& variable, std::vector<std::string>* warnings) {
  TraceSampler sampler;
  std::string name = ValueOf(variable, "OTEL_TRACES_SAMPLER");
  const std::string share = ValueOf(variable, "OTEL_TRACES_SAMPLER_ARG");
  if (name.empty()) return sampler;
  const std::string given = name;
  constexpr std::string_view kParentBased = "parentbased_";
  sampler.parent_based = name.starts_with(kParentBased);
  if (sampler.parent_based) name.erase(0, kParentBased.size());
  if (name == "always_off") {
    sampler.share = 0;
  } else if (name == "traceidratio") {
    double ratio = 1;
    const auto read = std::from_chars(share.data(), share.data() + share.size(), ratio);
    const bool sound = read.ec == std::errc() && read.ptr == share.data() + share.size() && ratio >= 0 && ratio <= 1;
    if (!sound)
      warnings->push_back("OTEL_TRACES_SAMPLER_ARG=" + share + " is not a number from 0 to 1; it is taken as 1");
    sampler.share = sound ? ratio : 1;
  } else if (name != "always_on") {
    warnings->push_back("OTEL_TRACES_SAMPLER=" + given + " is not known; it is taken as parentbased_always_on");
    return {};
  }
  return sampler;
}

}  // namespace

bool TraceSampler::Keeps(const TraceId& trace, std::optional<bool> parent_sampled) const {
  if (parent_based && parent_sampled) return *parent_sampled;
  if (share >= 1) return true;
  // As other implementations: the last 8 bytes decide, so that all parts of a trace agree.
  uint64_t number = 0;
  for (size_t i = 8; i < trace.size(); ++i) number = number << 8 | trace[i];
  return static_cast<double>(number >> 11) < share * static_cast<double>(uint64_t{1} << 53);
}

std::optional<TraceSettings> TraceSettingsFrom(const Variable& variable, const std::string& service) {
  const std::string whole = ValueOf(variable, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
  const std::string base = ValueOf(variable, "OTEL_EXPORTER_OTLP_ENDPOINT");
  const bool off =
      IsTrue(ValueOf(variable, "OTEL_SDK_DISABLED")) || ValueOf(variable, "OTEL_TRACES_EXPORTER") == "none";
  if (off || (whole.empty() && base.empty())) return std::nullopt;
  TraceSettings settings;
  std::string url = whole.empty() ? base : whole;
  if (url.find("://") == std::string::npos) url = "http://" + url;
  const size_t path = url.find('/', url.find("://") + 3);
  settings.server = url.substr(0, path);
  settings.path = path == std::string::npos ? "" : url.substr(path);
  if (whole.empty()) {
    while (settings.path.ends_with('/')) settings.path.pop_back();
    settings.path += "/v1/traces";
  } else if (settings.path.empty()) {
    settings.path = "/";
  }
  const auto pairs = [&](const char* name) { return PairsOf(ValueOf(variable, name), name, &settings.warnings); };
  settings.headers = pairs("OTEL_EXPORTER_OTLP_TRACES_HEADERS");
  if (settings.headers.empty()) settings.headers = pairs("OTEL_EXPORTER_OTLP_HEADERS");
  settings.resource = pairs("OTEL_RESOURCE_ATTRIBUTES");
  const std::string name = ValueOf(variable, "OTEL_SERVICE_NAME");
  const auto named = std::ranges::find(settings.resource, "service.name", &std::pair<std::string, std::string>::first);
  if (named == settings.resource.end()) {
    settings.resource.emplace_back("service.name", name.empty() ? service : name);
  } else if (!name.empty()) {
    named->second = name;
  }
  settings.sampler = SamplerOf(variable, &settings.warnings);
  const std::string protocol = ValueOf(variable, "OTEL_EXPORTER_OTLP_PROTOCOL");
  if (!protocol.empty() && protocol != "http/json") {
    settings.warnings.push_back("OTEL_EXPORTER_OTLP_PROTOCOL=" + protocol + ": traces are sent as http/json");
  }
  return settings;
}

}  // namespace anabranch
