#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/http/http_server.h"

namespace anabranch {

// Who asks, after the checks of access.h.
struct Caller {
  std::string name;         // of the token; "local" through the socket, "anonymous" without a token
  std::string address;
  bool may_read = false;    // record values
  bool may_change = false;  // restarts, replays, skips
};

struct ApiRequest {
  const HttpRequest& http;
  Caller caller;
  std::map<std::string, std::string> parameters;  // of the route's pattern
};

// What a route lets people do, and so who may call it.
enum class Needs : uint8_t {
  kNothing,  // numbers and names
  kValues,   // record values: a token, or the socket
  kChange,   // a change: a token with "operate", or the socket; each call is one audit line
};

struct Route {
  std::string method;   // GET, POST, DELETE
  std::string pattern;  // "/api/v1/letters/{id}"; also the label of its metrics
  Needs needs = Needs::kNothing;
  std::string summary;  // one sentence, for openapi.json and the reference page
  std::function<HttpResponse(const ApiRequest&)> handle;
};

// All routes of a process. Each group of routes is a file of its own, which adds them: api_live.cpp, api_restart.cpp, …
using Routes = std::vector<Route>;

HttpResponse JsonResponse(std::string json, int code = 200);
// {"error": {"code": …, "message": …, "cure": …}}; `cure` may be empty.
HttpResponse ErrorResponse(int code, const std::string& word, const std::string& message, const std::string& cure);

}  // namespace anabranch
