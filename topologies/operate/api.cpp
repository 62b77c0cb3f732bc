#include "topologies/operate/api.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <utility>

#include "engine/text/json_object.h"
#include "topologies/operate/scans.h"
#include "topologies/operate/tap_hub.h"

namespace anabranch {
namespace {

std::vector<std::string_view> Segments(std::string_view path) {
  std::vector<std::string_view> segments;
  while (!path.empty()) {
    path.remove_prefix(1);
    segments.push_back(path.substr(0, path.find('/')));
    path.remove_prefix(segments.back().size());
  }
  return segments;
}

bool IsParameter(std::string_view segment) { return segment.starts_with('{'); }

bool Matches(const std::string& pattern, std::string_view path, std::map<std::string, std::string>* parameters) {
  parameters->clear();
  const std::vector<std::string_view> wanted = Segments(pattern), given = Segments(path);
  if (given.size() < wanted.size()) return false;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const bool last = i + 1 == wanted.size();
    if (last && given.size() > wanted.size() && !IsParameter(wanted[i])) return false;
    if (!IsParameter(wanted[i])) {
      if (wanted[i] != given[i]) return false;
      continue;
    }
    // The last one takes the rest: ids of records have slashes.
    const char* const begin = given[i].data();
    const char* const end = last ? path.data() + path.size() : begin + given[i].size();
    if (begin == end) return false;
    (*parameters)[std::string(wanted[i].substr(1, wanted[i].size() - 2))] = std::string(begin, end);
  }
  return true;
}

std::string WordOf(Needs needs) {
  switch (needs) {
    case Needs::kNothing: return "Open on loopback.";
    case Needs::kValues: return "Needs a token, or the socket.";
    case Needs::kChange: return "Needs a token with the role operate, or the socket. Is written to the audit.";
  }
  return {};
}

std::string OperationJson(const Route& route) {
  std::vector<std::string> parameters;
  for (const std::string_view segment : Segments(route.pattern)) {
    if (!IsParameter(segment)) continue;
    JsonObject parameter;
    parameter.AddText("name", segment.substr(1, segment.size() - 2)).AddText("in", "path").AddFlag("required", true);
    parameters.push_back(parameter.AddJson("schema", R"({"type": "string"})").text());
  }
  JsonObject json;
  json.AddText("summary", route.summary).AddText("description", WordOf(route.needs));
  if (!parameters.empty()) json.AddJson("parameters", JsonList(parameters));
  if (route.method == "POST") json.AddJson("requestBody", R"({"content": {"application/json": {}}})");
  if (route.needs != Needs::kNothing) json.AddJson("security", R"([{"token": []}])");
  return json.AddJson("responses", R"({"default": {"description": "JSON"}})").text();
}

}  // namespace

HttpResponse JsonResponse(std::string json, int code) {
  json += "\n";
  return {.code = code, .body = std::move(json)};
}

HttpResponse ErrorResponse(int code, const std::string& word, const std::string& message, const std::string& cure) {
  JsonObject error;
  error.AddText("code", word).AddText("message", message).AddText("cure", cure);
  return JsonResponse(JsonObject().AddJson("error", error.text()).text(), code);
}

HttpResponse RefuseReveal() {
  return ErrorResponse(403, "forbidden", "this token may not reveal what the schema calls x-sensitive",
                       "use a token with the role operate, or leave \"reveal\" out");
}

int64_t QueryNumber(const HttpRequest& request, const std::string& name, int64_t fallback, int64_t most) {
  const auto found = request.query.find(name);
  if (found == request.query.end()) return fallback;
  int64_t number = 0;
  const std::string& text = found->second;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool sound = error == std::errc() && end == text.data() + text.size() && number >= 0;
  return sound ? std::min(number, most) : fallback;
}

std::string QueryText(const HttpRequest& request, const std::string& name) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? std::string() : found->second;
}

bool Reveals(const ApiRequest& request) {
  return request.caller.may_change && QueryText(request.http, "reveal") == "1";
}

const Route* FindRoute(const Routes& routes, const HttpRequest& request, std::map<std::string, std::string>* parameters,
                       bool* known) {
  *known = false;
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  const Route* found = nullptr;
  std::map<std::string, std::string> of_route;
  for (const Route& route : routes) {
    if (!Matches(route.pattern, request.path, &of_route)) continue;
    *known = true;
    if (route.method != method || (found != nullptr && !of_route.empty())) continue;
    found = &route;  // a path without parameters comes before one with them
    *parameters = of_route;
    if (of_route.empty()) return found;
  }
  return found;
}

std::string OpenApiJson(const Routes& routes) {
  std::map<std::string, JsonObject> paths;
  for (const Route& route : routes) {
    std::string method = route.method;
    std::ranges::transform(method, method.begin(), [](char c) { return static_cast<char>(c | 0x20); });
    paths[route.pattern].AddJson(method, OperationJson(route));
  }
  JsonObject all;
  for (const auto& [pattern, operations] : paths) all.AddJson(pattern, operations.text());
  JsonObject json;
  json.AddText("openapi", "3.1.0");
  json.AddJson("info", JsonObject().AddText("title", "Anabranch").AddText("version", ANABRANCH_VERSION).text());
  json.AddJson("paths", all.text());
  return json
      .AddJson("components",
               R"({"securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Anabranch-Token"}}})")
      .text();
}

Routes AllRoutes(const ApiContext& context) {
  Routes routes;
  AddLiveRoutes(context, &routes);
  AddTopologyRoutes(context, &routes);
  AddHistoryRoutes(context, &routes);
  AddTapRoutes(context, &routes);
  AddRestartRoutes(context, &routes);
  AddLetterRoutes(context, &routes);
  AddModelRoutes(context, &routes);
  const auto text = std::make_shared<std::string>();
  routes.push_back({"GET", "/api/v1/openapi.json", Needs::kNothing, "These routes, in the format of OpenAPI.",
                    [text](const ApiRequest&) { return JsonResponse(*text); }});
  *text = OpenApiJson(routes);
  return routes;
}

std::string ApiPage(const Registry& registry) {
  LivePipeline live({});
  AuditLog audit("");
  TapHub taps;
  Scans scans;
  const NextCommands next;
  const ApiContext context{live, registry, audit, taps, scans, next, [] { return CheckedTopology(); }, {}};
  std::string text =
      "# API of a running pipeline\n\n`anabranch run --http HOST:PORT` serves it, and every run serves it on the "
      "socket "
      "`control.sock` in its state folder.\nAnswers are JSON. An error is `{\"error\": {\"code\", \"message\", "
      "\"cure\"}}`. A token travels in the header `X-Anabranch-Token`.\n`/api/v1/openapi.json` is this list for "
      "programs. The page asks for `snapshot` once a second.\n\n| Method | Path | Access | Meaning |\n| --- | --- | "
      "--- | "
      "--- |\n";
  for (const Route& route : AllRoutes(context)) {
    const char* const access = route.needs == Needs::kNothing  ? "open on loopback"
                               : route.needs == Needs::kValues ? "token, or socket"
                                                               : "token with `operate`, or socket; audited";
    text += "| " + route.method + " | `" + route.pattern + "` | " + access + " | " + route.summary + " |\n";
  }
  return text;
}

}  // namespace anabranch
