#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/text/json_object.h"
#include "topologies/operate/api.h"
#include "topologies/operate/tap_hub.h"

namespace anabranch {
namespace {

constexpr size_t kMostNames = 64;
constexpr int64_t kMostTapRows = 1'000'000;

HttpResponse RefuseTap(const Status& status) {
  const bool later = status.code() == Code::kUnavailable;
  return ErrorResponse(later ? 503 : 400, later ? "unavailable" : "bad_request", status.message(), "");
}

Status Wrong(const std::string& name, const std::string& wanted) {
  return {Code::kInvalid, "\"" + name + "\" must be " + wanted};
}

Status TakeNames(const std::string& name, const nlohmann::json& value, std::vector<std::string>* names) {
  if (!value.is_array() || value.size() > kMostNames) return Wrong(name, "a list of at most 64 names");
  for (const nlohmann::json& each : value) {
    if (!each.is_string()) return Wrong(name, "a list of names");
    names->push_back(each.get<std::string>());
  }
  return {};
}

Status TakeMember(const std::string& name, const nlohmann::json& value, TapRequest* request) {
  if (name == "nodes") return TakeNames(name, value, &request->nodes);
  if (name == "columns") return TakeNames(name, value, &request->columns);
  if (name == "at") {
    if (value != "inputs" && value != "outputs") return Wrong(name, "\"inputs\" or \"outputs\"");
    request->at_inputs = value == "inputs";
  } else if (name == "where") {
    if (!value.is_string()) return Wrong(name, "an expression");
    request->where = value.get<std::string>();
  } else if (name == "limit") {
    if (!value.is_number_unsigned() || value > kMostTapRows) return Wrong(name, "a number from 0 to 1000000");
    request->limit = value.get<int64_t>();
  } else if (name == "rate") {
    if (!value.is_number() || value < 0) return Wrong(name, "a number of rows per second, or 0");
    request->most_per_s = value.get<double>();
  } else if (name == "record" || name == "reveal") {
    if (!value.is_boolean()) return Wrong(name, "true or false");
    (name == "record" ? request->record : request->reveal) = value.get<bool>();
  } else {
    return {Code::kInvalid,
            "\"" + name + "\" is not known; known: nodes, at, where, limit, rate, columns, record, reveal"};
  }
  return {};
}

Result<TapRequest> ReadTapRequest(const std::string& body) {
  TapRequest request;
  const nlohmann::json json = nlohmann::json::parse(body.empty() ? "{}" : body, nullptr, false);
  if (!json.is_object()) return Status(Code::kInvalid, "the body must be a JSON object");
  for (const auto& [name, value] : json.items()) RETURN_IF_ERROR(TakeMember(name, value, &request));
  return request;
}

HttpResponse OpenTap(TapHub& taps, const ApiRequest& request) {
  const Result<TapRequest> wanted = ReadTapRequest(request.http.body);
  if (!wanted.ok()) return RefuseTap(wanted.status());
  if (wanted->reveal && !request.caller.may_change) {
    return ErrorResponse(403, "forbidden", "this token may not reveal what the schema calls x-sensitive",
                         "use a token with the role operate, or leave \"reveal\" out");
  }
  const Result<std::string> id = taps.Open(*wanted);
  if (!id.ok()) return RefuseTap(id.status());
  return JsonResponse(JsonObject().AddText("id", *id).text(), 201);
}

HttpResponse ReadTap(TapHub& taps, const ApiRequest& request) {
  const int64_t after = QueryNumber(request.http, "after", 0, INT64_MAX);
  const Result<std::string> rows = taps.Read(request.parameters.at("id"), after);
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
                       taps.Close(request.parameters.at("id"));
                       return JsonResponse("{}");
                     }});
}

}  // namespace anabranch
