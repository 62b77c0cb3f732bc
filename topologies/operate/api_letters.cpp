#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/clock.h"
#include "engine/mutex.h"
#include "engine/run/restart_outlook.h"
#include "engine/text/json_object.h"
#include "engine/text/timestamp.h"
#include "topologies/operate/api.h"
#include "topologies/operate/letter_where.h"
#include "topologies/operate/letters.h"
#include "topologies/operate/masking.h"
#include "topologies/operate/side_run.h"

namespace anabranch {
namespace {

using Json = nlohmann::json;

constexpr std::chrono::seconds kMostScan{30};    // of all letters
constexpr std::chrono::seconds kSoon{8};         // within which a side run is waited for
constexpr int64_t kGroupsAgeNs = 5'000'000'000;  // a scan is good for that long, or ten times what it took
constexpr int64_t kUsualPage = 50, kMostPage = 500;
constexpr size_t kMostIds = 10'000;

// Ends a scan that takes too long.
class ScanLimit {
 public:
  explicit ScanLimit(CancelToken& cancel)
      : thread_([this, &cancel] {
          const MutexLock lock(mutex_);
          if (!changed_.WaitFor(mutex_, kMostScan, [this]() REQUIRES(mutex_) { return done_; })) {
            cancel.Raise(CancelToken::kNow);
          }
        }) {}
  ~ScanLimit() {
    {
      const MutexLock lock(mutex_);
      done_ = true;
    }
    changed_.NotifyAll();
    thread_.join();
  }
  ScanLimit(const ScanLimit&) = delete;
  ScanLimit& operator=(const ScanLimit&) = delete;

 private:
  Mutex mutex_;
  Condition changed_;
  bool done_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

// What the routes about dead letters share.
class LetterDesk {
 public:
  explicit LetterDesk(const ApiContext& context) : context_(context), side_(context.registry) {}

  HttpResponse Groups();
  HttpResponse List(const ApiRequest& request);
  HttpResponse Show(const ApiRequest& request);
  HttpResponse Replay(const ApiRequest& request);
  HttpResponse Skip(const ApiRequest& request);

 private:
  Result<Letters> Open(bool scores = false) const;
  Status Scan(const Letters& letters, const LetterVisit& visit);
  HttpResponse RunBeside(std::shared_ptr<const CheckedTopology> checked, RunOptions options, const std::string& what,
                         JsonObject json);

  const ApiContext context_;
  Mutex scans_;  // one at a time: each is a client that reads everything
  std::string groups_ GUARDED_BY(scans_);
  int64_t good_until_ns_ GUARDED_BY(scans_) = 0;
  SideRun side_;  // last: it uses the members above
};

HttpResponse Failed(const Status& status) {
  if (status.code() == Code::kCancelled) {
    return ErrorResponse(503, "too_many", "the dead letters could not be read within 30 s", "use anabranch dlq ls");
  }
  return ErrorResponse(503, "unavailable", status.message(), "");
}

// `scores`: its nodes work beside those of the pipeline, so that versions of models that come and go need nodes of
// their own.
Result<Letters> LetterDesk::Open(bool scores) const {
  LivePipeline::Look look = context_.live.Now();
  if (look.checked == nullptr || !look.checked->ok()) return Status(Code::kRetry, "no topology is loaded yet");
  if (scores && !look.checked->plan->managed.empty()) {
    look.checked = std::make_shared<const CheckedTopology>(context_.check());
    if (!look.checked->ok()) return Status(Code::kInvalid, "the topology's file has errors now: anabranch check");
  }
  RunOptions options;
  options.state_dir = look.options.state_dir;
  options.instance = look.options.instance;
  options.make_command = look.options.make_command;
  return OpenLetters(look.checked, std::move(options), context_.registry);
}

Status LetterDesk::Scan(const Letters& letters, const LetterVisit& visit) {
  CancelToken cancel;
  const ScanLimit limit(cancel);
  return VisitLetters(letters, cancel, visit);
}

HttpResponse LetterDesk::Groups() {
  const MutexLock lock(scans_);
  const int64_t begin = Clock::Real().NowNs();
  if (begin < good_until_ns_) return JsonResponse(groups_);
  const Result<Letters> letters = Open();
  if (!letters.ok()) return Failed(letters.status());
  LetterGroups groups;
  const Status read =
      Scan(*letters, [&](const RecordBatch&, uint32_t, const DeadLetter& letter) { AddLetter(letter, &groups); });
  if (!read.ok()) return Failed(read);
  groups_ = GroupsJson(groups);
  const int64_t now = Clock::Real().NowNs();
  good_until_ns_ = now + std::max(kGroupsAgeNs, 10 * (now - begin));
  return JsonResponse(groups_);
}

std::string QueryText(const HttpRequest& request, const std::string& name) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? std::string() : found->second;
}

bool Reveals(const ApiRequest& request) {
  return request.caller.may_change && QueryText(request.http, "reveal") == "1";
}

std::string ShortLetterJson(const DeadLetter& letter, bool hides, int64_t now_ms) {
  JsonObject json;
  json.AddText("id", letter.Id()).AddText("node", letter.node).AddText("code", letter.code);
  json.AddText("message", hides ? kMasked : letter.message).AddText("failed_at", letter.failed_at);
  int64_t micros = 0;
  if (ParseTimestamp(letter.failed_at, &micros)) json.AddNumber("age_s", (now_ms - micros / 1000) / 1000);
  return json.AddText("position", letter.Id()).text();
}

// Pages by number: letters keep their order, and only the oldest go (by a replay).
HttpResponse LetterDesk::List(const ApiRequest& request) {
  const LetterFilter filter{.node = QueryText(request.http, "node"), .code = QueryText(request.http, "code"), .id = ""};
  const int64_t limit = std::max<int64_t>(1, QueryNumber(request.http, "limit", kUsualPage, kMostPage));
  const int64_t after = QueryNumber(request.http, "after", 0, INT64_MAX / 2);
  const MutexLock lock(scans_);
  const Result<Letters> letters = Open();
  if (!letters.ok()) return Failed(letters.status());
  const Plan& plan = letters->plan();
  Result<LetterWhere> where = LetterWhere::Make(plan, QueryText(request.http, "where"), Reveals(request));
  if (!where.ok()) return ErrorResponse(400, "where", where.status().message(), "");
  const int64_t now_ms = Clock::Real().WallMs();
  int64_t scanned = 0, taken = 0;
  std::vector<std::string> page;
  const Status read = Scan(*letters, [&](const RecordBatch& batch, uint32_t row, const DeadLetter& letter) {
    ++scanned;
    if (!filter.Takes(letter) || !where->Takes(batch, row, letter)) return;
    const int64_t number = ++taken;
    const bool hides = !Reveals(request) && QuotesHidden(plan, letter);
    if (number > after && number <= after + limit) page.push_back(ShortLetterJson(letter, hides, now_ms));
  });
  if (!read.ok()) return Failed(read);
  JsonObject json;
  json.AddJson("letters", JsonList(page));
  json.AddJson("next", after + limit < taken ? std::to_string(after + limit) : "null");
  return JsonResponse(json.AddNumber("scanned", scanned).AddNumber("total", taken).text());
}

HttpResponse LetterDesk::Show(const ApiRequest& request) {
  const std::string& id = request.parameters.at("id");
  const LetterFilter filter{.node = "", .code = "", .id = id};
  const MutexLock lock(scans_);
  const Result<Letters> letters = Open();
  if (!letters.ok()) return Failed(letters.status());
  const Plan& plan = letters->plan();
  std::string found;
  const Status read = Scan(*letters, [&](const RecordBatch& batch, uint32_t row, const DeadLetter& letter) {
    if (!filter.Takes(letter)) return;
    found = LetterJson(plan, batch, row, letter, !Reveals(request));
  });
  if (!read.ok()) return Failed(read);
  if (found.empty()) return ErrorResponse(404, "not_found", "no dead letter with this id waits", "list them");
  return JsonResponse(found);
}

std::string TextOf(const Json& body, const char* name) {
  return body.is_object() && body.contains(name) && body[name].is_string() ? body[name].get<std::string>() : "";
}

HttpResponse LetterDesk::Replay(const ApiRequest& request) {
  const Json body = Json::parse(request.http.body, nullptr, false);
  if (!body.is_object()) return ErrorResponse(400, "not_an_object", "the body is no JSON object", "");
  LetterFilter filter{.node = TextOf(body, "node"), .code = TextOf(body, "code"), .id = ""};
  if (body.contains("ids") && body["ids"].is_array()) {
    for (const Json& id : body["ids"]) {
      if (id.is_string()) filter.ids.insert(id.get<std::string>());
    }
  }
  if (filter.ids.size() > kMostIds) return ErrorResponse(400, "too_many", "more than 10,000 ids", "choose by node");
  if (filter.ids.empty() && filter.node.empty() && filter.code.empty() && body.contains("ids")) {
    return ErrorResponse(400, "nothing_chosen", "\"ids\" is empty", "name ids, a node or a code");
  }
  Result<Letters> letters = Open(true);
  if (!letters.ok()) return Failed(letters.status());
  ReplayOutlook outlook;
  {
    const MutexLock lock(scans_);
    CancelToken cancel;
    const ScanLimit limit(cancel);
    if (const Status read = LookAtReplay(*letters, filter, cancel, &outlook); !read.ok()) return Failed(read);
    good_until_ns_ = 0;
  }
  JsonObject cannot, json;
  for (const auto& [why, count] : outlook.stuck) cannot.AddNumber(why, count);
  json.AddNumber("letters", outlook.letters).AddNumber("with_results", outlook.with_results);
  json.AddJson("cannot", cannot.text());
  const bool dry = body.contains("dry_run") && body["dry_run"].is_boolean() && body["dry_run"].get<bool>();
  if (dry || outlook.letters == 0) return JsonResponse(json.text());
  return RunBeside(letters->checked, ReplayOptions(*letters, filter), "the replay of dead letters", json);
}

HttpResponse LetterDesk::Skip(const ApiRequest& request) {
  const Json body = Json::parse(request.http.body, nullptr, false);
  auto checked = std::make_shared<const CheckedTopology>(context_.check());
  if (!checked->ok()) return ErrorResponse(409, "faulty", "the topology's file has errors now", "anabranch check");
  if (TextOf(body, "confirm") != checked->plan->name) {
    return ErrorResponse(400, "not_confirmed", "\"confirm\" is not the name of the topology",
                         "write \"" + checked->plan->name + "\"");
  }
  RunOptions options = context_.live.Now().options;
  options.start = RunStart::kGiveUp;
  options.token.clear();
  const Result<RestartOutlook> outlook = LookAtRestart(*checked->plan, options);
  if (!outlook.ok()) return Failed(outlook.status());
  if (outlook->already_running) return ErrorResponse(409, "running", "no stage waits: the pipeline runs", "");
  if (outlook->nothing_failed) return ErrorResponse(409, "nothing_failed", "no stage has stopped", "");
  JsonObject json;
  json.AddNumber("records", outlook->failure.kept_rows);
  return RunBeside(std::move(checked), std::move(options), "the skip of waiting records", json);
}

// 200 where it ended soon, else 202; its end is then a warning of the snapshot.
HttpResponse LetterDesk::RunBeside(std::shared_ptr<const CheckedTopology> checked, RunOptions options,
                                   const std::string& what, JsonObject json) {
  LivePipeline& live = context_.live;
  const auto answered = std::make_shared<std::atomic<bool>>(false);  // by the answer
  const bool started =
      side_.Start(std::move(checked), std::move(options), [&live, what, answered](const RunSummary& summary) {
        if (!answered->load()) live.Warn(what + (summary.status.ok() ? " is done" : " did not end well"));
      });
  if (!started) return ErrorResponse(409, "busy", "another order is carried out", "ask again when it is done");
  const std::optional<RunSummary> summary = side_.Wait(kSoon);
  if (!summary) return JsonResponse(json.AddFlag("accepted", true).text(), 202);
  *answered = true;
  if (summary->status.ok()) return JsonResponse(json.AddFlag("done", true).text());
  const int code = summary->status.code() == Code::kRetry ? 409 : 503;
  return ErrorResponse(code, "not_done", what + ": " + summary->status.message(), "");
}

}  // namespace

void AddLetterRoutes(const ApiContext& context, Routes* routes) {
  const auto desk = std::make_shared<LetterDesk>(context);
  routes->push_back({"GET", "/api/v1/letters/groups", Needs::kNothing, "Dead letters that wait, by node and code.",
                     [desk](const ApiRequest&) { return desk->Groups(); }});
  routes->push_back({"GET", "/api/v1/letters", Needs::kValues,
                     "Dead letters, oldest first; ?node=&code=&where=&after=&limit=50. `where` is an expression over "
                     "the fields of the record.",
                     [desk](const ApiRequest& request) { return desk->List(request); }});
  routes->push_back({"GET", "/api/v1/letters/{id}", Needs::kValues,
                     "One dead letter, x-sensitive values masked; ?reveal=1 shows them to a token with operate.",
                     [desk](const ApiRequest& request) { return desk->Show(request); }});
  routes->push_back({"POST", "/api/v1/letters/replay", Needs::kChange,
                     "Replays dead letters: {\"ids\": […]} or {\"node\": \"\", \"code\": \"\"}; with \"dry_run\": true "
                     "it only counts them.",
                     [desk](const ApiRequest& request) { return desk->Replay(request); }});
  routes->push_back({"POST", "/api/v1/letters/skip", Needs::kChange,
                     "Makes dead letters of the records that wait for a stopped stage: {\"confirm\": the topology's "
                     "name}.",
                     [desk](const ApiRequest& request) { return desk->Skip(request); }});
}

}  // namespace anabranch
