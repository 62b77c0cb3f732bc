#include "engine/text/json_object.h"
#include "topologies/operate/api.h"
#include "topologies/operate/request_body.h"
#include "topologies/operate/tap_hub.h"

namespace anabranch {
namespace {

constexpr size_t kMostNames = 64;
constexpr int64_t kMostTapRows = 1'000'000;

HttpResponse RefuseTap(const Status& status) {
  const bool later = status.code() == Code::kUnavailable;
  return ErrorResponse(later ? 503 : 400, later ? "unavailable" : "bad_request", status.message(), "");
}

Result<TapRequest> ReadTapRequest(const std::string& text) {
  TapRequest request;
  std::string at = "outputs";
  RequestBody body(text);
  body.Texts("nodes", kMostNames, &request.nodes);
  body.OneOf("at", {"inputs", "outputs"}, &at);
  body.Text("where", &request.where);
  body.Number("limit", kMostTapRows, &request.limit);
  body.Real("rate", &request.most_per_s);
  body.Texts("columns", kMostNames, &request.columns);
  body.Flag("record", &request.record);
  body.Flag("reveal", &request.reveal);
  RETURN_IF_ERROR(body.Done());
  request.at_inputs = at == "inputs";
  return request;
}

TapViewer ViewerOf(const ApiRequest& request) { return {request.caller.name, request.caller.may_change}; }

HttpResponse OpenTap(TapHub& taps, const ApiRequest& request) {
  const Result<TapRequest> wanted = ReadTapRequest(request.http.body);
  if (!wanted.ok()) return RefuseTap(wanted.status());
  if (wanted->reveal && !request.caller.may_change) return RefuseReveal();
  const Result<std::string> id = taps.Open(*wanted, ViewerOf(request));
  if (!id.ok()) return RefuseTap(id.status());
  return JsonResponse(JsonObject().AddText("id", *id).text(), 201);
}

HttpResponse ReadTap(TapHub& taps, const ApiRequest& request) {
  const int64_t after = QueryNumber(request.http, "after", 0, INT64_MAX);
  const Result<std::string> rows = taps.Read(request.parameters.at("id"), after, ViewerOf(request));
  if (!rows.ok()) return ErrorResponse(404, "not_found", rows.status().message(), "open another one");
  return JsonResponse(*rows);
}

}  // namespace

void AddTapRoutes(const ApiContext& context, Routes* routes) {
  TapHub& taps = context.taps;
  routes->push_back({"POST", "/api/v1/taps", Needs::kValues, "Opens a tap: rows as they pass through nodes.",
                     [&taps](const ApiRequest& request) { return OpenTap(taps, request); }});
  routes->push_back({"GET", "/api/v1/taps/{id}", Needs::kValues, "The rows of a tap behind `after`.",
                     [&taps](const ApiRequest& request) { return ReadTap(taps, request); }});
  routes->push_back({"DELETE", "/api/v1/taps/{id}", Needs::kValues, "Ends a tap.", [&taps](const ApiRequest& request) {
                       const bool had = taps.Close(request.parameters.at("id"), ViewerOf(request));
                       return had ? JsonResponse("{}") : ErrorResponse(404, "not_found", "you have no such tap", "");
                     }});
}

}  // namespace anabranch
