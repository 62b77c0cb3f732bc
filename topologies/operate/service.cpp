#include "topologies/operate/service.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <map>
#include <utility>

#include "engine/http/http_server.h"
#include "engine/mutex.h"
#include "engine/text/json_object.h"
#include "engine/text/utf8.h"
#include "topologies/operate/access.h"
#include "topologies/operate/audit.h"
#include "topologies/operate/history.h"
#include "topologies/operate/metrics_text.h"
#include "topologies/operate/page.h"
#include "topologies/operate/page_listener.h"
#include "topologies/operate/scans.h"
#include "topologies/operate/tap_hub.h"

namespace anabranch {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kScrapeConnections = 256, kScrapeConnectionsPerAddress = 32;
constexpr unsigned kPageConnections = 64;
constexpr size_t kAuditedBytes = 500;
const std::string kSelf = "/api/v1/pipelines/self", kApi = "/api/v1";

int64_t FileBytes(const fs::path& path) {
  std::error_code error;
  const auto bytes = fs::file_size(path, error);
  return error ? 0 : static_cast<int64_t>(bytes);
}

std::map<std::string, int64_t> StateBytes(const fs::path& folder) {
  std::map<std::string, int64_t> bytes = {{"ledger", 0}, {"results", 0}, {"history", 0}, {"models", 0}};
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (!at->is_regular_file(error)) continue;
    const std::string name = at->path().filename().string();
    const bool package = at.depth() > 0 && fs::relative(at->path(), folder, error).begin()->string() == "models";
    const std::string part = name.starts_with("ledger.db")              ? "ledger"
                             : name.starts_with("history.db")           ? "history"
                             : package || name.starts_with("models.db") ? "models"
                                                                        : "results";
    bytes[part] += FileBytes(at->path());
  }
  return bytes;
}

// Requests by route and code. Any thread.
class RequestCounts {
 public:
  void Add(const std::string& route, int code, double seconds) {
    const MutexLock lock(mutex_);
    auto& histogram = counts_[{route, code}];
    if (!histogram) histogram = std::make_unique<Histogram>(SecondsEdges());
    histogram->Add(seconds);
  }
  std::map<std::pair<std::string, int>, HistogramCounts> Counts() const {
    const MutexLock lock(mutex_);
    std::map<std::pair<std::string, int>, HistogramCounts> counts;
    for (const auto& [key, histogram] : counts_) counts[key] = histogram->Counts();
    return counts;
  }

 private:
  mutable Mutex mutex_;
  std::map<std::pair<std::string, int>, std::unique_ptr<Histogram>> counts_ GUARDED_BY(mutex_);
};

Status WithOption(const Status& status, const std::string& option) { return status.WithContext("--" + option); }

}  // namespace

class Service::Core {
 public:
  Core(ServiceOptions options, Parts parts)
      : options_(std::move(options)),
        parts_(std::move(parts)),
        history_(parts_.identity.state_dir),
        live_(parts_.identity),
        audit_(parts_.identity.state_dir),
        context_{live_,
                 parts_.registry,
                 audit_,
                 taps_,
                 scans_,
                 parts_.next,
                 parts_.check,
                 [this](const std::string& line) { Tell({Code::kStage, line}); },
                 /*runs_here=*/true,
                 parts_.allow_paths,
                 parts_.gates},
        routes_(AllRoutes(context_)),
        owner_(AccessRules{}) {
    live_.OnTick([this](const LivePipeline::Look& look) { Tell(history_.Note(look)); });
  }
  ~Core() { scans_.End(); }  // the servers wait for their requests
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  Status Listen();
  LivePipeline& live() { return live_; }
  std::vector<std::string> TakeLines();
  void Observe(RunObserver* observer);
  void Began(const Pipeline& pipeline, const ModelAgent* models);
  void Finished(const RunSummary& summary, bool owned, bool input_ended);
  std::atomic<int64_t>& spans_dropped() { return spans_dropped_; }

 private:
  void OpenSocket();
  void Tell(const Status& status) EXCLUDES(warn_mutex_);
  Status ListenForScrapes();

  HttpResponse Scraped(const HttpRequest& request);
  HttpResponse Asked(const HttpRequest& request, Access& access);
  HttpResponse Routed(const HttpRequest& request, Access& access, std::string* label);
  HttpResponse Shown(const HttpRequest& request, Access& access, std::string* label);
  HttpResponse Call(const HttpRequest& request, const Route& route, Access& access,
                    std::map<std::string, std::string> parameters);
  void Audit(const HttpRequest& request, const Caller& caller, bool refused, int code);
  std::optional<HttpResponse> Probe(const std::string& path, bool reasons);
  HttpResponse Ready(bool reasons) const;
  HttpResponse Metrics() const;

  const ServiceOptions options_;
  const Parts parts_;
  Mutex warn_mutex_;
  std::function<void(const std::string&)> warn_ GUARDED_BY(warn_mutex_);  // of the session
  TapHub taps_;
  Scans scans_;
  HistoryWriter history_;
  bool began_ = false;
  LivePipeline live_;  // its ticker uses the members above
  AuditLog audit_;
  RequestCounts counts_;
  std::atomic<int64_t> spans_dropped_{0};
  const ApiContext context_;
  const Routes routes_;
  Access owner_;  // of the socket
  bool told_ = false;
  // Last: their threads use the members above.
  std::unique_ptr<HttpServer> scrapes_, socket_;
  std::unique_ptr<PageListener> page_;
};

Status Service::Core::Listen() {
  if (!options_.metrics.empty()) RETURN_IF_ERROR(WithOption(ListenForScrapes(), "metrics"));
  if (options_.http.empty()) return Status::Ok();
  auto page = PageListener::Start(
      options_, [this](const HttpRequest& request, Access& access) { return Asked(request, access); });
  if (!page.ok()) return WithOption(page.status(), "http");
  page_ = std::move(*page);
  return Status::Ok();
}

Status Service::Core::ListenForScrapes() {
  HttpServerOptions server{.listen = options_.metrics,
                           .handlers_wait = false,
                           .most_connections = kScrapeConnections,
                           .most_connections_per_address = kScrapeConnectionsPerAddress};
  ASSIGN_OR_RETURN(
      scrapes_, HttpServer::Start(std::move(server), [this](const HttpRequest& request) { return Scraped(request); }));
  return Status::Ok();
}

std::vector<std::string> Service::Core::TakeLines() {
  std::vector<std::string> lines;
  if (std::exchange(told_, true)) return lines;
  if (scrapes_) lines.push_back("metrics and probes: http://" + scrapes_->address() + "/metrics");
  if (page_) lines.push_back(page_->line());
  return lines;
}

void Service::Core::OpenSocket() {
  if (socket_) return;
  const std::string path = (fs::path(parts_.identity.state_dir) / "control.sock").string();
  auto socket = HttpServer::Start({.listen = "unix:" + path, .most_connections = kPageConnections},
                                  [this](const HttpRequest& request) { return Asked(request, owner_); });
  if (socket.ok()) {
    socket_ = std::move(*socket);
  } else {
    live_.Warn(socket.status().message());
  }
}

void Service::Core::Tell(const Status& status) {
  if (status.ok()) return;
  live_.Warn(status.message());
  const MutexLock lock(warn_mutex_);
  if (warn_) warn_(status.message());
}

void Service::Core::Observe(RunObserver* observer) {
  {
    const MutexLock lock(warn_mutex_);
    warn_ = observer->warn;
  }
  began_ = false;
  const LivePipeline::Look look = live_.Now();
  if (look.checked != nullptr) taps_.Use(look.checked->plan);
  observer->tick = [this, tick = std::move(observer->tick)](const RunSnapshot& snapshot) {
    live_.Ticked();
    if (tick) tick(snapshot);
  };
  observer->warn = [this, warn = std::move(observer->warn)](const std::string& line) {
    live_.Warn(line);
    if (warn) warn(line);
  };
  observer->batch = [this, batch = std::move(observer->batch)](const RecordBatch& rows) {
    taps_.Offer(rows);
    if (batch) batch(rows);
  };
}

void Service::Core::Began(const Pipeline& pipeline, const ModelAgent* models) {
  live_.Running(pipeline, models);
  OpenSocket();
  began_ = true;
  Tell(history_.Begin(live_.Now()));
}

void Service::Core::Finished(const RunSummary& summary, bool owned, bool input_ended) {
  live_.Ended(summary);
  if (owned && !summary.already_done) {
    const LivePipeline::Look look = live_.Now();
    if (!began_) Tell(history_.Begin(look));
    Tell(history_.End(look, summary, input_ended));
  }
  const MutexLock lock(warn_mutex_);
  warn_ = nullptr;
}

HttpResponse Service::Core::Scraped(const HttpRequest& request) {
  const auto begin = std::chrono::steady_clock::now();
  const bool reads = request.method == "GET" || request.method == "HEAD";
  std::optional<HttpResponse> answer =
      reads ? Probe(request.path, true) : ErrorResponse(405, "no_such_method", "only GET is known here", "");
  const std::string label = reads && answer ? request.path : "other";
  if (!answer) answer = ErrorResponse(404, "not_found", "only /livez, /readyz, /startupz and /metrics are here", "");
  counts_.Add(label, answer->code, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  return *answer;
}

HttpResponse Service::Core::Asked(const HttpRequest& request, Access& access) {
  const auto begin = std::chrono::steady_clock::now();
  std::string label = "other";
  HttpResponse answer = Routed(request, access, &label);
  counts_.Add(label, answer.code, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  return answer;
}

HttpResponse Service::Core::Routed(const HttpRequest& request, Access& access, std::string* label) {
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (reads && !request.path.starts_with("/api/")) return Shown(request, access, label);
  HttpRequest inner = request;
  if (inner.path.starts_with(kSelf + "/")) inner.path = kApi + inner.path.substr(kSelf.size());
  bool known = false;
  std::map<std::string, std::string> parameters;
  if (const Route* route = FindRoute(routes_, inner, &parameters, &known)) {
    *label = route->pattern;
    return Call(inner, *route, access, std::move(parameters));
  }
  Caller caller;
  if (auto refused = access.Refuse(request, Needs::kNothing, &caller)) return *refused;
  if (known) return ErrorResponse(405, "no_such_method", "this path has other methods", "see /api/v1/openapi.json");
  return ErrorResponse(404, "not_found", "there is nothing under this path", "see /api/v1/openapi.json");
}

// Probes ask under any name, and learn yes or no; why not, like all numbers, is for those who may ask.
HttpResponse Service::Core::Shown(const HttpRequest& request, Access& access, std::string* label) {
  Caller caller;
  std::optional<HttpResponse> stranger;
  if (request.path == "/metrics" || request.path.starts_with("/ready")) {
    stranger = access.Refuse(request, Needs::kNothing, &caller);
  }
  if (stranger && request.path == "/metrics") return *stranger;
  if (auto probe = Probe(request.path, !stranger)) {
    *label = request.path;
    return *probe;
  }
  *label = "page";
  if (auto refused = access.RefuseName(request)) return *refused;
  return PageFile(request, options_.assets);
}

HttpResponse Service::Core::Call(const HttpRequest& request, const Route& route, Access& access,
                                 std::map<std::string, std::string> parameters) {
  Caller caller;
  std::optional<HttpResponse> refused = access.Refuse(request, route.needs, &caller);
  HttpResponse answer = refused ? *refused : route.handle({request, caller, std::move(parameters)});
  if (route.needs == Needs::kChange) Audit(request, caller, refused.has_value(), answer.code);
  return answer;
}

// Who has shown no token that is known could write as much as they like, and push the lines of the others out: they are
// counted with the requests, by route and code.
void Service::Core::Audit(const HttpRequest& request, const Caller& caller, bool refused, int code) {
  if (!caller.may_read) return;
  const bool text = IsUtf8(request.body);
  const AuditLog::Line line{.who = caller.name,
                            .from = caller.address,
                            .action = request.method + " " + request.path,
                            .what = text ? std::string(CutText(request.body, kAuditedBytes)) : "(not text)",
                            .result = code};
  const Status written = refused ? audit_.AddRefused(line) : audit_.Add(line);
  if (!written.ok()) live_.Warn("audit: " + written.message());
}

std::optional<HttpResponse> Service::Core::Probe(const std::string& path, bool reasons) {
  if (path == "/livez" || path == "/ping") {
    const bool alive = live_.alive();
    return JsonResponse(JsonObject().AddFlag("alive", alive).text(), alive ? 200 : 503);
  }
  if (path == "/startupz") {
    const bool started = live_.started();
    return JsonResponse(JsonObject().AddFlag("started", started).text(), started ? 200 : 503);
  }
  if (path == "/readyz" || path == "/ready") return Ready(reasons);
  if (path == "/metrics") return Metrics();
  return std::nullopt;
}

HttpResponse Service::Core::Ready(bool reasons) const {
  const LivePipeline::Look look = live_.Now();
  const bool ready = look.not_ready.empty();
  JsonObject json;
  json.AddFlag("ready", ready);
  if (reasons) json.AddJson("reasons", ReasonsJson(look.not_ready));
  return JsonResponse(json.text(), ready ? 200 : 503);
}

HttpResponse Service::Core::Metrics() const {
  ProcessMeasures process;
  process.spans_dropped = spans_dropped_.load();
  process.http = counts_.Counts();
  process.tap_dropped = taps_.dropped();
  process.state_bytes = StateBytes(parts_.identity.state_dir);
  return {.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = MetricsText(live_.Now(), process)};
}

Result<std::unique_ptr<Service>> Service::Start(ServiceOptions options, Parts parts) {
  auto core = std::make_unique<Core>(std::move(options), std::move(parts));
  RETURN_IF_ERROR(core->Listen());
  return std::unique_ptr<Service>(new Service(std::move(core)));
}

Service::Service(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Service::~Service() = default;
LivePipeline& Service::live() { return core_->live(); }
std::vector<std::string> Service::TakeLines() { return core_->TakeLines(); }
std::atomic<int64_t>& Service::spans_dropped() { return core_->spans_dropped(); }
void Service::Observe(RunObserver* observer) { core_->Observe(observer); }
void Service::Began(const Pipeline& pipeline, const ModelAgent* models) { core_->Began(pipeline, models); }
void Service::Finished(const RunSummary& summary, bool owned, bool input_ended) {
  core_->Finished(summary, owned, input_ended);
}

}  // namespace anabranch
