#include "topologies/operate/pipeline_folders.h"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <chrono>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
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
#include "topologies/operate/scans.h"
#include "topologies/operate/tap_hub.h"

namespace anabranch {
namespace {

namespace fs = std::filesystem;

constexpr int kMostDepth = 6;
constexpr size_t kMostFolders = 64;
constexpr size_t kMostEntries = 100'000;  // of a root, looked at in one search
constexpr size_t kMostAskers = 8;
constexpr std::chrono::seconds kFresh(2);
// What a process may take: a restart checks the topology first; an order about letters scans them (30 s, behind another
// scan for 5 s) and is waited for (8 s).
constexpr std::chrono::milliseconds kProcessTimeout(3000), kRestartTimeout(30'000), kLettersTimeout(50'000);
const std::string kPipelines = "/api/v1/pipelines";

// In all roots; `*whole` is false where a root has more entries than are looked at.
std::vector<std::string> FindStateFolders(const std::vector<std::string>& roots, bool* whole) {
  std::vector<std::string> found;
  *whole = true;
  for (const std::string& root : roots) {
    size_t entries = 0;
    std::error_code error;
    if (fs::exists(fs::path(root) / "ledger.db", error)) found.push_back(fs::canonical(root, error).string());
    fs::recursive_directory_iterator at(root, fs::directory_options::skip_permission_denied, error), end;
    for (; !error && at != end; at.increment(error)) {
      if (++entries > kMostEntries) {
        *whole = false;
        break;
      }
      if (at.depth() >= kMostDepth || at->path().filename().string().find(".archived-") != std::string::npos) {
        at.disable_recursion_pending();
      }
      if (at->path().filename() == "ledger.db")
        found.push_back(fs::canonical(at->path().parent_path(), error).string());
    }
  }
  std::ranges::sort(found);
  found.erase(std::ranges::unique(found).begin(), found.end());
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
        context_{live_, parts_.registry,    audit_, taps_, scans_, next_, [this] { return CheckNow(); },
                 {},    /*runs_here=*/false},
        routes_(AllRoutes(context_)) {}

  const std::string& id() const { return id_; }
  const std::string& dir() const { return owner_.state_dir; }

  // Requests that wait are answered soon, and no new one waits.
  void End() {
    ended_ = true;
    scans_.End();
  }

  // {"id", "name", "dir", "live", "state"}; the state of a process that does not answer is "silent".
  std::string Json() {
    const auto reply = Ask("GET", "/api/v1/snapshot", "", {});
    const bool live = !NobodyIsThere(reply);
    std::string state;
    if (live) {
      const auto snapshot = nlohmann::json::parse(reply.ok() ? reply->body : "", nullptr, false);
      state = snapshot.is_object() && reply->code == 200 ? snapshot.value("state", "") : "silent";
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
    if (auto refused = access.Refuse(request, route == nullptr ? Needs::kNothing : route->needs, &caller)) {
      if (route != nullptr) Note(request, *route, caller, refused->code);
      return *refused;
    }
    if (route == nullptr) {
      return known ? ErrorResponse(405, "no_such_method", "this path has other methods", "")
                   : ErrorResponse(404, "not_found", "there is nothing under this path", "");
    }
    const std::string rights = caller.may_change ? "operate" : caller.may_read ? "read" : "none";
    const Result<HttpReply> reply =
        Ask(request.method, TargetOf(request), request.body,
            {{kPassedOnRights, rights}, {kPassedOnName, caller.name}, {kPassedOnFrom, caller.address}});
    if (reply.ok()) return {.code = reply->code, .body = reply->body};
    const bool change = route->needs == Needs::kChange;
    if (!NobodyIsThere(reply)) return NoAnswer(reply.status(), change);
    if (change) Note(request, *route, caller, 409);
    if (change || request.path.starts_with("/api/v1/taps")) {
      return ErrorResponse(409, "not_running", "no process runs this pipeline", "start it: " + next_.run);
    }
    Refresh();
    return route->handle({request, caller, std::move(parameters)});
  }

 private:
  static bool NobodyIsThere(const Result<HttpReply>& reply) {
    return !reply.ok() && reply.status().code() == Code::kUnavailable;
  }
  static HttpResponse NoAnswer(const Status& status, bool change) {
    if (status.code() == Code::kInvalid) {
      return ErrorResponse(503, "not_allowed", "this user may not open the socket of the process", "run as its owner");
    }
    const std::string cure =
        change ? "it may carry the order out all the same: look at the audit before you repeat it" : "ask again";
    if (status.code() == Code::kRetry) return ErrorResponse(502, "no_answer", "the process broke its answer off", cure);
    return ErrorResponse(504, "no_answer", "the process has not answered yet", cure);
  }
  static std::chrono::milliseconds TimeoutOf(const std::string& method, const std::string& target) {
    if (target.starts_with("/api/v1/letters")) return kLettersTimeout;
    return method == "POST" || target.starts_with("/api/v1/restart") ? kRestartTimeout : kProcessTimeout;
  }
  // What does not reach the process, which notes the rest.
  void Note(const HttpRequest& request, const Route& route, const Caller& caller, int code) {
    if (route.needs != Needs::kChange || !caller.may_read) return;
    (void)audit_.AddRefused({.who = caller.name,
                             .from = caller.address,
                             .action = request.method + " " + request.path,
                             .what = "",
                             .result = code});
  }

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
    HttpClient client("unix:" + (fs::path(dir()) / "control.sock").string(), TimeoutOf(method, target), &ended_);
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
  Scans scans_;
  LivePipeline live_;
  AuditLog audit_;
  const ApiContext context_;
  const Routes routes_;
  std::atomic<bool> ended_{false};
  Mutex mutex_;
  std::optional<std::chrono::steady_clock::time_point> refreshed_ GUARDED_BY(mutex_);
};

}  // namespace

class PipelineFolders::Core {
 public:
  explicit Core(Parts parts) : parts_(std::move(parts)) {}

  void End() {
    const MutexLock lock(mutex_);
    for (const auto& [dir, folder] : folders_) folder->End();
  }

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
  // Several are asked at a time: one that does not answer holds up no other.
  HttpResponse List() {
    const Found found = Search();
    std::vector<std::string> texts(found.folders.size());
    std::atomic<size_t> next{0};
    const auto ask = [&] {
      for (size_t i = next++; i < texts.size(); i = next++) texts[i] = found.folders[i]->Json();
    };
    std::vector<std::thread> askers;
    for (size_t i = 1; i < std::min(kMostAskers, texts.size()); ++i) askers.emplace_back(ask);
    ask();
    for (std::thread& asker : askers) asker.join();
    JsonObject json;
    json.AddJson("pipelines", JsonList(texts)).AddNumber("found", static_cast<int64_t>(found.all));
    return JsonResponse(json.AddFlag("whole", found.whole && found.all == texts.size()).text());
  }

  struct Found {
    std::vector<std::shared_ptr<Folder>> folders;
    size_t all = 0;  // without the limit
    bool whole = true;
  };

  // Folders keep their ids for the life of the process, also where one was gone meanwhile.
  Found Search() {
    const MutexLock lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (!searched_ || now - *searched_ >= kFresh) {
      dirs_ = FindStateFolders(parts_.roots, &whole_);
      searched_ = std::chrono::steady_clock::now();
    }
    Found found{.folders = {}, .all = dirs_.size(), .whole = whole_};
    for (size_t i = 0; i < std::min(dirs_.size(), kMostFolders); ++i) {
      const std::string& dir = dirs_[i];
      std::shared_ptr<Folder>& folder = folders_[dir];
      if (folder == nullptr) folder = std::make_shared<Folder>(std::to_string(next_id_++), dir, parts_);
      found.folders.push_back(folder);
    }
    return found;
  }

  std::shared_ptr<Folder> Find(const std::string& id) {
    {
      const MutexLock lock(mutex_);
      for (const auto& [dir, folder] : folders_) {
        if (folder->id() == id) return folder;
      }
    }
    for (const auto& folder : Search().folders) {
      if (folder->id() == id) return folder;
    }
    return nullptr;
  }

  const Parts parts_;
  Mutex mutex_;
  int next_id_ GUARDED_BY(mutex_) = 0;
  std::map<std::string, std::shared_ptr<Folder>> folders_ GUARDED_BY(mutex_);  // by folder
  std::vector<std::string> dirs_ GUARDED_BY(mutex_);                           // found last, all of them
  bool whole_ GUARDED_BY(mutex_) = true;
  std::optional<std::chrono::steady_clock::time_point> searched_ GUARDED_BY(mutex_);
};

PipelineFolders::PipelineFolders(Parts parts) : core_(std::make_unique<Core>(std::move(parts))) {}
PipelineFolders::~PipelineFolders() = default;
void PipelineFolders::End() { core_->End(); }
HttpResponse PipelineFolders::Answer(const HttpRequest& request, Access& access) {
  return core_->Answer(request, access);
}

}  // namespace anabranch
