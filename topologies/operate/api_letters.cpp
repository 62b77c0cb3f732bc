#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "engine/clock.h"
#include "engine/mutex.h"
#include "engine/run/ledger.h"
#include "engine/run/restart_outlook.h"
#include "engine/text/json_object.h"
#include "engine/text/timestamp.h"
#include "topologies/operate/api.h"
#include "topologies/operate/letter_where.h"
#include "topologies/operate/letters.h"
#include "topologies/operate/masking.h"
#include "topologies/operate/request_body.h"
#include "topologies/operate/scans.h"
#include "topologies/operate/side_run.h"

namespace anabranch {
namespace {

constexpr std::chrono::seconds kSoon{8};         // within which a side run is waited for
constexpr int64_t kGroupsAgeNs = 5'000'000'000;  // a scan is good for that long, or ten times what it took
constexpr int64_t kUsualPage = 50, kMostPage = 500;
constexpr size_t kMostIds = 10'000;
constexpr size_t kMostExportBytes = size_t{8} << 20;
constexpr char kAskAgain[] = "ask again in a few seconds";

// What the routes about dead letters share.
class LetterDesk {
 public:
  explicit LetterDesk(const ApiContext& context) : context_(context), side_(context.registry) {}

  HttpResponse Groups();
  HttpResponse List(const ApiRequest& request);
  HttpResponse Show(const ApiRequest& request);
  HttpResponse Export(const ApiRequest& request);
  HttpResponse Replay(const ApiRequest& request);
  HttpResponse Skip(const ApiRequest& request);

 private:
  Result<Letters> Open(bool scores = false) const;
  Status Scan(const Letters& letters, const LetterVisit& visit);
  std::optional<HttpResponse> Remembered();
  HttpResponse RunBeside(const std::shared_ptr<const CheckedTopology>& checked, RunOptions options,
                         const std::string& what, JsonObject json);

  const ApiContext context_;
  Mutex mutex_;
  HttpResponse groups_ GUARDED_BY(mutex_);  // also one that says why not: the next scan would fare no better
  int64_t good_until_ns_ GUARDED_BY(mutex_) = 0;
  SideRun side_;  // last: it uses the members above
};

HttpResponse Failed(const Status& status) {
  if (status.code() == Code::kCancelled) {
    return ErrorResponse(503, "too_many", "the dead letters could not be read within 30 s", "use anabranch dlq ls");
  }
  if (status.code() == Code::kRetry) return ErrorResponse(503, "busy", status.message(), kAskAgain);
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
  return context_.scans.Run([&](CancelToken& cancel) { return VisitLetters(letters, cancel, visit); });
}

std::optional<HttpResponse> LetterDesk::Remembered() {
  const MutexLock lock(mutex_);
  return Clock::Real().NowNs() < good_until_ns_ ? std::optional(groups_) : std::nullopt;
}

HttpResponse LetterDesk::Groups() {
  if (auto known = Remembered()) return *known;
  const Result<Letters> letters = Open();
  if (!letters.ok()) return Failed(letters.status());
  HttpResponse answer;
  const Status turn = context_.scans.Run([&](CancelToken& cancel) -> Status {
    if (auto known = Remembered()) {  // by the one that was waited for
      answer = *known;
      return {};
    }
    const int64_t begin = Clock::Real().NowNs();
    LetterGroups groups;
    const Status read = VisitLetters(
        *letters, cancel, [&](const RecordBatch&, uint32_t, const DeadLetter& letter) { AddLetter(letter, &groups); });
    answer = read.ok() ? JsonResponse(GroupsJson(groups)) : Failed(read);
    const int64_t now = Clock::Real().NowNs();
    const MutexLock lock(mutex_);
    groups_ = answer;
    good_until_ns_ = now + std::max(kGroupsAgeNs, 10 * (now - begin));
    return {};
  });
  return turn.ok() ? answer : Failed(turn);
}

std::string ShortLetterJson(const DeadLetter& letter, bool hides, int64_t now_ms) {
  JsonObject json;
  json.AddText("id", letter.Id()).AddText("node", letter.node).AddText("code", letter.code);
  json.AddText("message", hides ? kMasked : letter.message).AddText("failed_at", letter.failed_at);
  int64_t micros = 0;
  if (ParseTimestamp(letter.failed_at, &micros)) json.AddNumber("age_s", (now_ms - micros / 1000) / 1000);
  return json.text();
}

// Pages by number: letters keep their order, and only the oldest go (by a replay).
HttpResponse LetterDesk::List(const ApiRequest& request) {
  const LetterFilter filter{.node = QueryText(request.http, "node"), .code = QueryText(request.http, "code"), .id = ""};
  const int64_t limit = std::max<int64_t>(1, QueryNumber(request.http, "limit", kUsualPage, kMostPage));
  const int64_t after = QueryNumber(request.http, "after", 0, INT64_MAX / 2);
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

// Whole letters by one scan.
HttpResponse LetterDesk::Export(const ApiRequest& request) {
  std::vector<std::string> ids;
  bool reveal = false;
  RequestBody body(request.http.body);
  body.Texts("ids", kMostIds, &ids);
  body.Flag("reveal", &reveal);
  if (const Status sound = body.Done(); !sound.ok()) return ErrorResponse(400, "bad_request", sound.message(), "");
  if (ids.empty()) return ErrorResponse(400, "nothing_chosen", "\"ids\" is missing or empty", "list the letters");
  if (reveal && !request.caller.may_change) return RefuseReveal();
  LetterFilter filter;
  filter.ids.insert(ids.begin(), ids.end());
  const Result<Letters> letters = Open();
  if (!letters.ok()) return Failed(letters.status());
  std::vector<std::string> found;
  size_t bytes = 0;
  const Status read = Scan(*letters, [&](const RecordBatch& batch, uint32_t row, const DeadLetter& letter) {
    if (bytes > kMostExportBytes || !filter.Takes(letter)) return;
    found.push_back(LetterJson(letters->plan(), batch, row, letter, !reveal));
    bytes += found.back().size();
  });
  if (!read.ok()) return Failed(read);
  if (bytes > kMostExportBytes)
    return ErrorResponse(413, "too_large", "the letters have more than 8 MiB", "pick fewer");
  return JsonResponse(JsonObject().AddJson("letters", JsonList(found)).text());
}

// What an order of a replay chooses.
struct ReplayOrder {
  LetterFilter filter;
  bool dry_run = false;
};

Result<ReplayOrder> ReadReplayOrder(const std::string& text) {
  ReplayOrder order;
  std::vector<std::string> ids;
  bool all = false;
  RequestBody body(text);
  body.Texts("ids", kMostIds, &ids);
  body.Text("node", &order.filter.node);
  body.Text("code", &order.filter.code);
  body.Flag("all", &all);
  body.Flag("dry_run", &order.dry_run);
  RETURN_IF_ERROR(body.Done());
  const bool chosen =
      !ids.empty() || (!body.Has("ids") && (all || !order.filter.node.empty() || !order.filter.code.empty()));
  if (!chosen)
    return Status(Code::kInvalid, "nothing is chosen: name \"ids\", a \"node\" or a \"code\", or say \"all\": true");
  order.filter.ids.insert(ids.begin(), ids.end());
  return order;
}

// Why no replay can begin now; empty: it can. `letters`: as they are to be replayed.
std::string WhyNotNow(const Letters& letters) {
  const std::string& dir = letters.options.state_dir;
  if (ReplayStateDir(letters.plan(), dir) != dir) return "";
  const Result<int64_t> owner = Ledger::Owner(dir);
  if (!owner.ok() || *owner == 0) return "";
  return "a replay would write the same files as the pipeline that runs: stop it first";
}

HttpResponse LetterDesk::Replay(const ApiRequest& request) {
  const Result<ReplayOrder> order = ReadReplayOrder(request.http.body);
  if (!order.ok()) return ErrorResponse(400, "bad_request", order.status().message(), "");
  Result<Letters> letters = Open(true);
  if (!letters.ok()) return Failed(letters.status());
  ReplayOutlook outlook;
  const Status read =
      context_.scans.Run([&](CancelToken& cancel) { return LookAtReplay(*letters, order->filter, cancel, &outlook); });
  if (!read.ok()) return Failed(read);
  const std::string not_now = WhyNotNow(*letters);
  if (!not_now.empty()) {
    outlook.stuck[not_now] += std::exchange(outlook.letters, 0);
    outlook.with_results = 0;
  }
  JsonObject cannot, json;
  for (const auto& [why, count] : outlook.stuck) cannot.AddNumber(why, count);
  json.AddNumber("letters", outlook.letters).AddNumber("with_results", outlook.with_results);
  json.AddJson("cannot", cannot.text());
  if (order->dry_run) return JsonResponse(json.text());
  if (!not_now.empty()) return ErrorResponse(409, "not_now", not_now, context_.next.replay);
  if (outlook.letters == 0) return JsonResponse(json.text());
  {
    const MutexLock lock(mutex_);
    good_until_ns_ = 0;
  }
  return RunBeside(letters->checked, ReplayOptions(*letters, order->filter), "the replay of dead letters", json);
}

HttpResponse LetterDesk::Skip(const ApiRequest& request) {
  std::string confirm;
  RequestBody body(request.http.body);
  body.Text("confirm", &confirm);
  if (const Status sound = body.Done(); !sound.ok()) return ErrorResponse(400, "bad_request", sound.message(), "");
  auto checked = std::make_shared<const CheckedTopology>(context_.check());
  if (!checked->ok()) return ErrorResponse(409, "faulty", "the topology's file has errors now", "anabranch check");
  if (confirm != checked->plan->name) {
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
  return RunBeside(checked, std::move(options), "the skip of waiting records", json);
}

// How a side run ended, in words that hide what they may quote.
std::string EndOf(const Plan& plan, const RunSummary& summary) {
  if (summary.status.ok() && !summary.failure) return " is done";
  std::string why;
  if (summary.failure) {
    const Failure& failure = *summary.failure;
    why = "stage \"" + failure.stage + "\" stopped (" + ClassText(failure.error_class) + ")";
    if (!HidesMessage(plan, failure)) why += ": " + failure.message;
  } else {
    why = summary.status.message();
  }
  return " did not end well: " + why.substr(0, why.find('\n'));
}

// 200 where it ended soon, else 202; its end is then a line for operators.
HttpResponse LetterDesk::RunBeside(const std::shared_ptr<const CheckedTopology>& checked, RunOptions options,
                                   const std::string& what, JsonObject json) {
  const auto late = [tell = context_.tell, what, checked](const RunSummary& summary) {
    if (tell) tell(what + EndOf(*checked->plan, summary));
  };
  if (!side_.Start(checked, std::move(options), late)) {
    return ErrorResponse(409, "busy", "another order is carried out", "ask again when it is done");
  }
  const std::optional<RunSummary> summary = side_.Wait(kSoon);
  if (!summary) return JsonResponse(json.AddFlag("accepted", true).text(), 202);
  if (summary->status.ok() && !summary->failure) return JsonResponse(json.AddFlag("done", true).text());
  const int code = summary->status.code() == Code::kRetry ? 409 : 503;
  return ErrorResponse(code, "not_done", what + EndOf(*checked->plan, *summary), "");
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
  routes->push_back(
      {"POST", "/api/v1/letters/export", Needs::kValues,
       "The letters of {\"ids\": […]}, whole; x-sensitive values are masked, but for a token with operate and "
       "\"reveal\": true.",
       [desk](const ApiRequest& request) { return desk->Export(request); }});
  routes->push_back({"POST", "/api/v1/letters/replay", Needs::kChange,
                     "Replays dead letters: {\"ids\": […]}, {\"node\": \"\", \"code\": \"\"} or {\"all\": true}; with "
                     "\"dry_run\": true it only counts them.",
                     [desk](const ApiRequest& request) { return desk->Replay(request); }});
  routes->push_back({"POST", "/api/v1/letters/skip", Needs::kChange,
                     "Makes dead letters of the records that wait for a stopped stage: {\"confirm\": the topology's "
                     "name}.",
                     [desk](const ApiRequest& request) { return desk->Skip(request); }});
}

}  // namespace anabranch
