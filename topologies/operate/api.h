#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/http/http_server.h"
#include "engine/registry.h"
#include "topologies/language/check.h"
#include "topologies/operate/audit.h"
#include "topologies/operate/failure_view.h"
#include "topologies/operate/live_pipeline.h"
#include "topologies/operate/model_change.h"

namespace anabranch {

class ModelDesk;
class Scans;
class TapHub;

// Who asks, after the checks of access.h.
struct Caller {
  std::string name = {};  // of the token; "local" through the socket, "anonymous" without a token
  std::string address = {};
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

// The value of a query parameter as a whole number, within its bounds; `fallback` where it is none.
int64_t QueryNumber(const HttpRequest& request, const std::string& name, int64_t fallback, int64_t most);
// Its text; empty where it is missing.
std::string QueryText(const HttpRequest& request, const std::string& name);
// Whether the caller asks for what is x-sensitive (?reveal=1), and may.
bool Reveals(const ApiRequest& request);

// All routes of a process. Each group of routes is a file of its own, which adds them: api_live.cpp, api_restart.cpp, …
using Routes = std::vector<Route>;
// The route of a request, and the parameters in its path: a segment each, the last one may be several. Null: `*known`
// tells whether the path has other methods.
const Route* FindRoute(const Routes& routes, const HttpRequest& request, std::map<std::string, std::string>* parameters,
                       bool* known);
// The routes as a page in Markdown.
std::string ApiPage(const Registry& registry);
// The routes in the format OpenAPI 3.1.
std::string OpenApiJson(const Routes& routes);

// What routes are made from. All of it outlives them.
struct ApiContext {
  LivePipeline& live;
  const Registry& registry;
  AuditLog& audit;
  TapHub& taps;
  Scans& scans;
  const NextCommands& next;                      // the commands of an operator for this pipeline
  std::function<CheckedTopology()> check;        // the topology's file as it is now
  std::function<void(const std::string&)> tell;  // a line for operators: on the page, and in the log of the run
  bool runs_here = true;                         // false: nothing can be ordered, because no process runs it
  std::vector<std::string> allow_paths = {};     // of the run, for the gates of packages
  ModelChangePlace::Gates gates = {};
};
void AddLiveRoutes(const ApiContext& context, Routes* routes);
void AddTopologyRoutes(const ApiContext& context, Routes* routes);
void AddRestartRoutes(const ApiContext& context, Routes* routes);
void AddLetterRoutes(const ApiContext& context, Routes* routes);
void AddModelRoutes(const ApiContext& context, Routes* routes);
void AddModelChangeRoutes(const std::shared_ptr<ModelDesk>& desk, Routes* routes);
void AddHistoryRoutes(const ApiContext& context, Routes* routes);
void AddTapRoutes(const ApiContext& context, Routes* routes);
// All of them, and what is made from all.
Routes AllRoutes(const ApiContext& context);

// [{"part": …, "why": …}]
std::string ReasonsJson(const std::vector<NotReady>& reasons);
std::string PartitionsJson(const SourceMeasures& source);
// "null" without a failure. Its message may quote a record: null for who may not read those, "***" with "masked": true
// where that could show what is x-sensitive.
std::string FailureJson(const LivePipeline::Look& look, const ApiRequest& request);

// To a token that may only read.
HttpResponse RefuseReveal();
HttpResponse JsonResponse(std::string json, int code = 200);
// {"error": {"code": …, "message": …, "cure": …}}; `cure` may be empty.
HttpResponse ErrorResponse(int code, const std::string& word, const std::string& message, const std::string& cure);

}  // namespace anabranch
