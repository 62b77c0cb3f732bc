#include "topologies/operate/pipeline_folders.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "engine/fault.h"
#include "engine/http/http_client.h"
#include "engine/mutex.h"
#include "engine/run/ledger.h"
#include "engine/run/run_state.h"
#include "engine/text/json_object.h"
#include "topologies/language/parse.h"
#include "topologies/operate/api.h"
#include "topologies/operate/audit.h"
#include "topologies/operate/tap_hub.h"

namespace anabranch {
namespace {

namespace fs = std::filesystem;

constexpr int kMostDepth = 6;
constexpr size_t kMostFolders = 64;
constexpr size_t kMostEntries = 100'000;  // looked at in one search
constexpr std::chrono::seconds kFresh(2);
constexpr std::chrono::milliseconds kProcessTimeout(3000);
const std::string kPipelines = "/api/v1/pipelines";

std::vector<std::string> FindStateFolders(const std::vector<std::string>& roots) {
  std::vector<std::string> found;
  size_t entries = 0;
  for (const std::string& root : roots) {
    std::error_code error;
    if (fs::exists(fs::path(root) / "ledger.db", error)) found.push_back(fs::canonical(root, error).string());
    fs::recursive_directory_iterator at(root, fs::directory_options::skip_permission_denied, error), end;
    for (; !error && at != end && ++entries < kMostEntries; at.increment(error)) {
      if (at.depth() >= kMostDepth || at->path().filename().string().find(".archived-") != std::string::npos) {
        at.disable_recursion_pending();
      }
      if (at->path().filename() == "ledger.db")
        found.push_back(fs::canonical(at->path().parent_path(), error).string());
    }
  }
  std::ranges::sort(found);
  found.erase(std::ranges::unique(found).begin(), found.end());
  if (found.size() > kMostFolders) found.resize(kMostFolders);
  return found;
}

std::string Encoded(const std::string& text, bool path) {
  std::string encoded;
  for (const char c : text) {
    const bool plain =
        std::isalnum(static_cast<unsigned char>(c)) != 0 || std::string_view("-._~").find(c) != std::string_view::npos;
    if (plain || (path && c == '/')) {
      encoded += c;
      continue;
    }
    encoded += '%';
    encoded += "0123456789ABCDEF"[static_cast<unsigned char>(c) >> 4];
    encoded += "0123456789ABCDEF"[static_cast<unsigned char>(c) & 15];
  }
  return encoded;
}

std::string TargetOf(const HttpRequest& request) {
  std::string target = Encoded(request.path, true);
  char sign = '?';
  for (const auto& [name, value] : request.query) {
    target += sign + Encoded(name, false) + "=" + Encoded(value, false);
    sign = '&';
  }
  return target;
}

// What the counters of a ledger say, in the form of a run's.
RunSnapshot TotalsOf(const Plan& plan, const std::map<std::string, std::map<std::string, int64_t>>& counters) {
  RunSnapshot totals;
  for (StageId stage = 0; stage < plan.stages(); ++stage) {
    StageCounts counts;
    counts.id = plan.StageName(stage);
    counts.kind = stage < plan.sources.size() ? "source" : plan.node(stage).kind;
    if (const auto known = counters.find(counts.id); known != counters.end()) {
      const auto number = [&](const char* name) {
        const auto at = known->second.find(name);
        return at == known->second.end() ? 0 : at->second;
      };
      counts.rows_in = number("rows_in");
      counts.rows_out = number("rows_out");
      counts.filtered = number("filtered");
      counts.skipped = number("skipped");
      counts.failed = number("failed");
      counts.missed = number("missed");
      counts.defaulted = number("defaulted");
      counts.dead_lettered = number("dead_lettered");
      counts.retried = number("retried");
    }
    totals.stages.push_back(std::move(counts));
  }
  return totals;
}

std::string PhaseWord(RunPhase phase) {
  switch (phase) {
    case RunPhase::kFailed: return "failed";
    case RunPhase::kDone: return "done";
    default: return "stopped";
  }
}

std::string FactOf(Ledger& ledger, const std::string& name) {
  const auto facts = ledger.Facts(name);
  if (!facts.ok()) return "";
  const auto found = facts->find(name);
  return found == facts->end() ? "" : found->second;
}

// One state folder. What it shows while no process runs the pipeline is that of a process in which it has ended.
class Folder {
 public:
  Folder(std::string id, const std::string& dir, const PipelineFolders::Parts& parts)
      : id_(std::move(id)),
        parts_(parts),
        owner_(OwnerOf(dir)),
        name_(NameOf(owner_)),
        next_(parts.next(owner_)),
        live_({owner_.file, owner_.state_dir, owner_.instance}),
        audit_(owner_.state_dir),
        context_{live_, parts_.registry, audit_, taps_, next_, [this] { return CheckNow(); }, /*runs_here=*/false},
        routes_(AllRoutes(context_)) {}

  const std::string& id() const { return id_; }
  const std::string& dir() const { return owner_.state_dir; }

  // {"id", "name", "dir", "live", "state"}
  std::string Json() {
    bool live = false;
    std::string state;
    if (const auto reply = Ask("GET", "/api/v1/snapshot", "", {}); reply.ok() && reply->code == 200) {
      live = true;
      const auto snapshot = nlohmann::json::parse(reply->body, nullptr, false);
      if (snapshot.is_object()) state = snapshot.value("state", "");
    } else if (const auto ledger = Ledger::OpenReadOnly(dir()); ledger.ok()) {
      const auto report = RunState::Read(**ledger);
      if (report.ok()) state = PhaseWord(report->phase);
    }
    JsonObject json;
    json.AddText("id", id_).AddText("name", name_);
    json.AddText("instance", owner_.instance).AddText("dir", dir()).AddText("file", owner_.file);
    return json.AddFlag("live", live).AddText("state", state).text();
  }

  // `request.path` is below /api/v1/, as of a process's own server.
  HttpResponse Answer(const HttpRequest& request, Access& access) {
    bool known = false;
    std::map<std::string, std::string> parameters;
    const Route* const route = FindRoute(routes_, request, &parameters, &known);
    Caller caller;
    if (auto refused = access.Refuse(request, route == nullptr ? Needs::kNothing : route->needs, &caller))
      return *refused;
    if (route == nullptr) {
      return known ? ErrorResponse(405, "no_such_method", "this path has other methods", "")
                   : ErrorResponse(404, "not_found", "there is nothing under this path", "");
    }
    const std::string rights = caller.may_change ? "operate" : caller.may_read ? "read" : "none";
    const Result<HttpReply> reply =
        Ask(request.method, TargetOf(request), request.body, {{kPassedOnRights, rights}, {kPassedOnName, caller.name}});
    if (reply.ok()) return {.code = reply->code, .body = reply->body};
    if (route->needs == Needs::kChange || request.path.starts_with("/api/v1/taps")) {
      return ErrorResponse(409, "not_running", "no process runs this pipeline", "start it: " + next_.run);
    }
    Refresh();
    return route->handle({request, caller, std::move(parameters)});
  }

 private:
  // By the place of the folder, .anabranch/NAME/INSTANCE, and what the ledger says of the file.
  static PipelineFolders::Owner OwnerOf(const std::string& dir) {
    PipelineFolders::Owner owner{.file = "", .state_dir = dir, .instance = fs::path(dir).filename().string()};
    if (const auto ledger = Ledger::OpenReadOnly(dir); ledger.ok()) owner.file = FactOf(**ledger, "topology_path");
    return owner;
  }
  static std::string NameOf(const PipelineFolders::Owner& owner) {
    FaultSink faults(owner.file);
    const auto topology = owner.file.empty() ? nullptr : LoadTopology(owner.file, faults);
    const std::string name(topology == nullptr ? "" : topology->root.Text("name"));
    return name.empty() ? fs::path(owner.state_dir).parent_path().filename().string() : name;
  }

  CheckedTopology CheckNow() const { return CheckTopology(owner_.file, parts_.registry, parts_.check); }

  Result<HttpReply> Ask(const std::string& method, const std::string& target, const std::string& body,
                        const HttpClient::Headers& headers) const {
    HttpClient client("unix:" + (fs::path(dir()) / "control.sock").string(), kProcessTimeout);
    if (method == "POST") return client.Post(target, body, headers);
    return method == "DELETE" ? client.Delete(target, headers) : client.Get(target, headers);
  }

  // Reads the ledger again, and the topology's file.
  void Refresh() EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (refreshed_ && now - *refreshed_ < kFresh) return;
    refreshed_ = now;
    const auto checked = std::make_shared<const CheckedTopology>(CheckNow());
    if (!checked->ok()) return;
    RunOptions options;
    options.state_dir = dir();
    options.instance = owner_.instance;
    live_.Starting(checked, options);
    RunSummary summary;
    if (const auto ledger = Ledger::OpenReadOnly(dir()); ledger.ok()) {
      if (const auto report = RunState::Read(**ledger); report.ok() && report->phase == RunPhase::kFailed) {
        summary.failure = report->failure;
      }
      if (const auto counters = (*ledger)->GetCounters(); counters.ok())
        summary.totals = TotalsOf(*checked->plan, *counters);
    }
    live_.Ended(summary);
  }

  const std::string id_;
  const PipelineFolders::Parts& parts_;
  const PipelineFolders::Owner owner_;
  const std::string name_;
  const NextCommands next_;
  TapHub taps_;
  LivePipeline live_;
  AuditLog audit_;
  const ApiContext context_;
  const Routes routes_;
  Mutex mutex_;
  std::optional<std::chrono::steady_clock::time_point> refreshed_ GUARDED_BY(mutex_);
};

}  // namespace

class PipelineFolders::Core {
 public:
  explicit Core(Parts parts) : parts_(std::move(parts)) {}

  HttpResponse Answer(const HttpRequest& request, Access& access) {
    if (request.path == kPipelines) {
      Caller caller;
      if (auto refused = access.Refuse(request, Needs::kNothing, &caller)) return *refused;
      return List();
    }
    std::shared_ptr<Folder> folder;
    HttpRequest inner = request;
    if (request.path.starts_with(kPipelines + "/")) {
      const std::string rest = request.path.substr(kPipelines.size() + 1);
      const size_t slash = std::min(rest.find('/'), rest.size());
      folder = Find(rest.substr(0, slash));
      inner.path = "/api/v1" + rest.substr(slash);
    }
    if (folder != nullptr) return folder->Answer(inner, access);
    Caller caller;
    if (auto refused = access.Refuse(request, Needs::kNothing, &caller)) return *refused;
    return ErrorResponse(404, "not_found", "there is no such pipeline", "GET " + kPipelines + " lists them");
  }

 private:
  HttpResponse List() {
    std::vector<std::shared_ptr<Folder>> folders = Search();
    std::vector<std::string> texts;
    for (const auto& folder : folders) texts.push_back(folder->Json());
    return JsonResponse(JsonObject().AddJson("pipelines", JsonList(texts)).text());
  }

  // Folders keep their ids for the life of the process, also where one was gone meanwhile.
  std::vector<std::shared_ptr<Folder>> Search() {
    const std::vector<std::string> found = FindStateFolders(parts_.roots);
    const MutexLock lock(mutex_);
    std::vector<std::shared_ptr<Folder>> folders;
    for (const std::string& dir : found) {
      std::shared_ptr<Folder>& folder = folders_[dir];
      if (folder == nullptr) folder = std::make_shared<Folder>(std::to_string(next_id_++), dir, parts_);
      folders.push_back(folder);
    }
    return folders;
  }

  std::shared_ptr<Folder> Find(const std::string& id) {
    {
      const MutexLock lock(mutex_);
      for (const auto& [dir, folder] : folders_) {
        if (folder->id() == id) return folder;
      }
    }
    for (const auto& folder : Search()) {
      if (folder->id() == id) return folder;
    }
    return nullptr;
  }

  const Parts parts_;
  Mutex mutex_;
  int next_id_ GUARDED_BY(mutex_) = 0;
  std::map<std::string, std::shared_ptr<Folder>> folders_ GUARDED_BY(mutex_);  // by folder
};

PipelineFolders::PipelineFolders(Parts parts) : core_(std::make_unique<Core>(std::move(parts))) {}
PipelineFolders::~PipelineFolders() = default;
HttpResponse PipelineFolders::Answer(const HttpRequest& request, Access& access) {
  return core_->Answer(request, access);
}

}  // namespace anabranch
