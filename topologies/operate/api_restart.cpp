#include <algorithm>
#include <memory>
#include <set>

#include "engine/run/restart_outlook.h"
#include "engine/text/json_object.h"
#include "topologies/operate/api.h"
#include "topologies/operate/request_body.h"

namespace anabranch {
namespace {

// A restart as `restart --yes` would make it of the file as it is now.
struct CheckedOutlook {
  CheckedTopology checked;
  RestartOutlook restart;
};

Result<CheckedOutlook> LookAt(const ApiContext& context) {
  CheckedOutlook outlook{context.check(), {}};
  if (!outlook.checked.ok()) {
    return Status(Code::kInvalid,
                  "the topology's file has errors now; to see them: anabranch check " + context.live.identity().file);
  }
  RunOptions options = context.live.Now().options;
  options.start = RunStart::kRestart;
  options.token.clear();
  ASSIGN_OR_RETURN(outlook.restart, LookAtRestart(*outlook.checked.plan, options));
  return outlook;
}

HttpResponse Unavailable(const Status& status) {
  return ErrorResponse(status.code() == Code::kInvalid ? 409 : 503, "no_plan", status.message(), "");
}

std::string StagesJson(const Plan& plan, const RestartPlan& restart) {
  std::set<std::string> runs(restart.stages_to_run.begin(), restart.stages_to_run.end()), reused;
  for (const RestartPlan::Reused& each : restart.results_reused) reused.insert(each.node);
  JsonObject stages;
  for (StageId stage = 0; stage < plan.stages(); ++stage) {
    const std::string& name = plan.StageName(stage);
    const bool refused = restart.refused && (name == restart.from || runs.contains(name));
    stages.AddText(name, refused                 ? "refused"
                         : runs.contains(name)   ? "run"
                         : reused.contains(name) ? "reused"
                                                 : "unaffected");
  }
  return stages.text();
}

HttpResponse ShowRestart(const ApiContext& context, const ApiRequest& request) {
  const LivePipeline::Look look = context.live.Now();
  JsonObject json;
  if (look.state != LivePipeline::State::kFailed) {
    json.AddFlag("failed", false).AddJson("failure", "null").AddJson("plan", NothingFailedJson());
    json.AddJson("stages", "{}").AddFlag("can_restart_here", false);
    return JsonResponse(json.AddText("command", context.next.restart).text());
  }
  const Result<CheckedOutlook> outlook = LookAt(context);
  if (!outlook.ok()) return Unavailable(outlook.status());
  const RestartOutlook& restart = outlook->restart;
  const bool waits = !restart.nothing_failed && !restart.already_running;
  json.AddFlag("failed", waits).AddJson("failure", FailureJson(look, request));
  json.AddJson("plan", waits ? RestartPlanJson(restart.plan) : NothingFailedJson());
  json.AddJson("stages", waits ? StagesJson(*outlook->checked.plan, restart.plan) : "{}");
  json.AddFlag("can_restart_here", context.runs_here && waits && !restart.plan.refused);
  return JsonResponse(json.AddText("command", context.next.restart).text());
}

HttpResponse Conflict(const std::string& word, const std::string& message, const std::string& cure) {
  return ErrorResponse(409, word, message, cure);
}

HttpResponse OrderRestart(const ApiContext& context, const ApiRequest& request) {
  std::string token, confirm;
  RequestBody body(request.http.body);
  body.Text("token", &token);
  body.Text("confirm", &confirm);
  if (const Status sound = body.Done(); !sound.ok()) return ErrorResponse(400, "bad_request", sound.message(), "");
  if (token.empty()) {
    return ErrorResponse(400, "no_plan_token", "\"token\" of the restart plan is missing",
                         "GET /api/v1/restart has it");
  }
  const Result<CheckedOutlook> outlook = LookAt(context);
  if (!outlook.ok()) return Unavailable(outlook.status());
  const std::string& name = outlook->checked.plan->name;
  if (confirm != name) {
    return ErrorResponse(400, "not_confirmed", "\"confirm\" is not the name of the topology", "write \"" + name + "\"");
  }
  const RestartOutlook& restart = outlook->restart;
  if (restart.already_running) return Conflict("running", "a process runs with this state", "");
  if (restart.nothing_failed) return Conflict("nothing_failed", "no stage has stopped", "");
  if (restart.plan.refused) return Conflict("refused", *restart.plan.refused, context.next.restart + " --dry-run");
  if (restart.plan.token != token) {
    return Conflict("other_plan", "this is not the plan any more: the state, the topology or a model changed",
                    "look at the plan again");
  }
  std::string why;
  if (!context.live.OrderRestart({token, request.caller.name}, &why)) return Conflict("not_waiting", why, "");
  return JsonResponse(JsonObject().AddFlag("accepted", true).text(), 202);
}

HttpResponse Audit(const ApiContext& context, const ApiRequest& request) {
  constexpr int64_t kUsual = 200, kMost = 10'000;
  const auto most = static_cast<size_t>(QueryNumber(request.http, "limit", kUsual, kMost));
  const Result<std::vector<std::string>> lines = context.audit.Last(most);
  if (!lines.ok()) return ErrorResponse(503, "unavailable", lines.status().message(), "");
  return JsonResponse(JsonObject().AddJson("lines", JsonList(*lines)).text());
}

}  // namespace

void AddRestartRoutes(const ApiContext& context, Routes* routes) {
  routes->push_back({"GET", "/api/v1/restart", Needs::kNothing,
                     "What a restart from the failed stage would do, and its token.",
                     [context](const ApiRequest& request) { return ShowRestart(context, request); }});
  routes->push_back({"POST", "/api/v1/restart", Needs::kChange,
                     "Restarts from the failed stage in this process: {\"token\": of the plan, \"confirm\": the "
                     "topology's name}. 202: accepted.",
                     [context](const ApiRequest& request) { return OrderRestart(context, request); }});
  routes->push_back({"GET", "/api/v1/audit", Needs::kValues, "Who changed what, newest first; ?limit=200.",
                     [context](const ApiRequest& request) { return Audit(context, request); }});
}

}  // namespace anabranch
