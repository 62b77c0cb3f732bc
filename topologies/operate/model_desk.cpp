#include "topologies/operate/model_desk.h"

#include <algorithm>
#include <set>
#include <utility>

#include "engine/clock.h"
#include "engine/models/package.h"
#include "engine/printable.h"
#include "engine/text/instant.h"
#include "engine/text/json_object.h"
#include "topologies/operate/compare_view.h"
#include "topologies/operate/model_events.h"
#include "topologies/operate/request_body.h"
#include "topologies/operate/rollout_view.h"

namespace anabranch {
namespace {

using Action = ModelChangeWish::Action;

constexpr int64_t kVersionsAgeNs = 10'000'000'000;
constexpr size_t kMostReason = 500, kMostVersion = 200;  // characters, bytes
constexpr int64_t kUsualEvents = 100, kMostEvents = 10'000;

// ------------------------------------------------------------------------------------------- orders

// "shadow 100 %"
std::string StepName(const RolloutSpec::Step& step) {
  if (step.rule == ArmRule::kOne) return "all rows";
  return std::string(NameOf(step.rule)) + " " + PercentText(step.share);
}

std::string StepSentence(const RolloutSpec& spec, const RolloutSpec::Step& step) {
  switch (step.rule) {
    case ArmRule::kShadow:
      return "it also scores " + PercentText(step.share) + " of the rows, and nobody sees its answers";
    case ArmRule::kCanary:
    case ArmRule::kBandit:
      return "it answers " + PercentText(step.share) + (spec.by_record ? " of the records" : " of the keys");
    case ArmRule::kEventTime:  // of no step
    case ArmRule::kOne: break;
  }
  return "it answers every row";
}

std::string StepsJson(const RolloutSpec* spec) {
  std::vector<std::string> steps;
  for (const RolloutSpec::Step& step : spec == nullptr ? std::vector<RolloutSpec::Step>() : spec->steps) {
    JsonObject json;
    json.AddText("rule", NameOf(step.rule)).AddReal("share", step.share).AddText("text", StepName(step));
    steps.push_back(json.text());
  }
  return JsonList(steps);
}

std::string Place(const RolloutStatus& rollout, size_t step) {
  return "step " + std::to_string(step) + " of " + std::to_string(rollout.steps);
}

// `in_file`: the topology has a rollout of the model; where one is under way it may be gone.
void AddRolloutOrders(const RolloutStatus& rollout, const RolloutSpec& spec, bool in_file, JsonObject* orders) {
  const std::string candidate = "Version " + rollout.record.newest().version;
  const bool last_is_next = rollout.step + 1 >= spec.steps.size();
  const std::string to_end = candidate + " answers every row from now on, and the rollout ends.";
  if (!in_file) {
    orders->AddText("promote_to_end", to_end);  // there is no next step
  } else if (last_is_next) {
    orders->AddText("promote", to_end);
  } else {
    orders->AddText("promote", candidate + " goes on to " + Place(rollout, rollout.step + 1) + ": " +
                                   StepSentence(spec, spec.steps[rollout.step]) + ".");
    orders->AddText("promote_to_end", to_end);
  }
  if (!rollout.is_held) {
    orders->AddText("hold", candidate + " stays at " + Place(rollout, rollout.step) +
                                " until a person promotes it or rolls it back: no guard moves it, forward or back.");
  }
  orders->AddText("rollback", "Version " + rollout.record.arms.front().version +
                                  " answers every row again at once, and version " + rollout.record.newest().version +
                                  " none.");
}

// What can be ordered now, each with what it does, in one sentence.
std::string OrdersJson(const ModelAgent::Serving& now, const PlanModel& model, const RolloutStatus* rollout,
                       bool has_others, bool has_earlier) {
  JsonObject orders;
  const RolloutSpec* const spec = model.rollout.get();
  if (rollout != nullptr) {
    AddRolloutOrders(*rollout, SpecOrHeld(model.rollout), spec != nullptr, &orders);
    return orders.text();
  }
  const std::string ready = "Every instance checks the version and makes it ready. Then ";
  if (now.deploying.empty() && has_others) {
    const bool steps = spec != nullptr && !spec->steps.empty();
    orders.AddText("deploy", ready +
                                 (steps ? "its rollout begins: " + StepSentence(*spec, spec->steps.front())
                                        : std::string("it answers every row")) +
                                 ".");
    if (steps) orders.AddText("deploy_now", ready + "it answers every row.");
  }
  if (now.deploying.empty() && !has_earlier) return orders.text();
  orders.AddText("rollback", now.deploying.empty() ? "The version that scored before " + now.version +
                                                         " is made ready again. Then it answers every row."
                                                   : "The deployment of version " + now.deploying +
                                                         " ends, and version " + now.version + " goes on.");
  return orders.text();
}

// ------------------------------------------------------------------------------------------ answers

std::string ReportJson(const ModelChanges::Report& report, bool whole) {
  JsonObject json;
  json.AddNumber("change", report.change).AddText("action", report.action).AddText("state", report.state);
  json.AddJson("lines", whole ? JsonStrings(report.lines) : "[]");
  return json.AddJson("reasons", whole ? JsonStrings(report.reasons) : "[]").text();
}

const PlanModel* ManagedOf(const LivePipeline::Look& look, const std::string& name) {
  if (look.checked == nullptr || !look.checked->ok()) return nullptr;
  const auto found = std::ranges::find(look.checked->plan->managed, name, &PlanModel::name);
  return found == look.checked->plan->managed.end() ? nullptr : &*found;
}

const RolloutStatus* LiveRollout(const LivePipeline::Look& look, const std::string& name) {
  const auto found = std::ranges::find(look.rollouts, name, &RolloutStatus::model);
  return found == look.rollouts.end() ? nullptr : &*found;
}

// ------------------------------------------------------------------------------------------- wishes

size_t CharactersOf(const std::string& text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

// A body that says what is wanted; every fault names the member.
Status ReadWish(const std::string& text, ModelChangeWish* wish) {
  int64_t seen = 0;
  RequestBody body(text);
  body.Text("reason", &wish->reason);
  if (wish->action == Action::kDeploy) {
    body.Text("version", &wish->version);
    body.Flag("now", &wish->now);
  } else {
    body.Number("generation", UINT32_MAX, &seen);
  }
  if (wish->action == Action::kPromote) body.Flag("to_end", &wish->to_end);
  if (wish->action == Action::kRollBack) body.Text("to", &wish->version);
  RETURN_IF_ERROR(body.Done());
  wish->seen = static_cast<uint32_t>(seen);
  const size_t characters = CharactersOf(wish->reason);
  if (wish->reason.find_first_not_of(" \t\r\n") == std::string::npos) {
    return {Code::kInvalid, "\"reason\" is missing or empty: the history names it"};
  }
  if (characters > kMostReason) {
    return {Code::kInvalid, "\"reason\" has " + std::to_string(characters) + " characters, and may have " +
                                std::to_string(kMostReason)};
  }
  if (wish->action == Action::kDeploy && wish->version.empty()) {
    return {Code::kInvalid, "\"version\" is missing or empty"};
  }
  if (wish->version.size() > kMostVersion) {
    const char* const name = wish->action == Action::kDeploy ? "version" : "to";
    return {Code::kInvalid, "\"" + std::string(name) + "\" has more than " + std::to_string(kMostVersion) + " bytes"};
  }
  return Status::Ok();
}

const char* BodyOf(Action action) {
  switch (action) {
    case Action::kDeploy:
      return "write {\"version\": one of those that GET /api/v1/models lists, \"reason\": \"…\"}, and \"now\": true to "
             "go without the rollout";
    case Action::kPromote: return "write {\"reason\": \"…\"}, and \"to_end\": true to skip the steps between";
    case Action::kHold: return "write {\"reason\": \"…\"}";
    case Action::kRollBack: return "write {\"reason\": \"…\"}, and \"to\": a version to go back to that one";
  }
  return "";
}

}  // namespace

std::vector<ModelDesk::Version> ModelDesk::VersionsOf(const PlanModel& model) {
  {
    const MutexLock lock(mutex_);
    Versions& known = versions_[model.name];
    if (known.being_read || Clock::Real().NowNs() < known.good_until_ns) return known.all;
    known.being_read = true;
  }
  const int64_t begin = Clock::Real().NowNs();
  std::set<std::string> scored;
  (void)context_.live.LookAtModels([&](const ControlState& state) {
    for (const ControlState::Generation& each : state.generations()) {
      if (each.record().model != model.name) continue;
      for (const GenerationRecord::Arm& arm : each.record().arms) scored.insert(arm.digest);
    }
  });
  std::vector<std::string> skipped;
  std::vector<Version> all;
  const auto entries = ListRegistry(model.registry, &skipped);
  for (const RegistryEntry& each : entries.ok() ? *entries : std::vector<RegistryEntry>()) {
    if (each.name == model.name) all.push_back({each.version, each.digest, scored.contains(each.digest)});
  }
  const int64_t now = Clock::Real().NowNs();
  const MutexLock lock(mutex_);
  versions_[model.name] = {all, now + std::max(kVersionsAgeNs, 10 * (now - begin)), false};
  return all;
}

std::string ModelDesk::DeployedJson(const LivePipeline::Look& look, const ApiRequest& request) {
  std::vector<std::string> models;
  for (const ModelAgent::Serving& each : look.models) {
    const PlanModel* const model = ManagedOf(look, each.model);
    if (model == nullptr) continue;
    const RolloutStatus* const rollout = LiveRollout(look, each.model);
    const RolloutSpec* const spec = rollout == nullptr ? model->rollout.get() : &SpecOrHeld(model->rollout);
    const ModelChanges::Report report = changes_.Last(each.model);
    bool has_others = false, has_earlier = false;
    (void)context_.live.LookAtModels(
        [&](const ControlState& state) { has_earlier = GoesBackTo(state, each.model, "") != nullptr; });
    std::vector<std::string> versions;
    for (const Version& version : VersionsOf(*model)) {
      JsonObject one;
      one.AddText("version", version.version).AddText("digest", version.digest).AddFlag("scored", version.scored);
      versions.push_back(one.text());
      has_others = has_others || version.digest != each.digest;
    }
    JsonObject json;
    json.AddText("model", each.model).AddText("version", each.version).AddText("digest", each.digest);
    json.AddNumber("generation", each.generation).AddText("since", FormatInstant(each.since_ms));
    if (!each.deploying.empty()) json.AddText("deploying", each.deploying);
    if (!each.swapping.empty()) {
      json.AddText("swapping", each.swapping).AddText("swapping_since", FormatInstant(each.swapping_since_ms));
    }
    json.AddJson("steps", StepsJson(spec)).AddJson("versions", JsonList(versions));
    json.AddJson("orders", report.at_work() ? "{}" : OrdersJson(each, *model, rollout, has_others, has_earlier));
    if (rollout != nullptr) json.AddJson("rollout", RolloutJson(*rollout, *spec));
    if (report.change != 0) json.AddJson("change", ReportJson(report, request.caller.may_read));
    models.push_back(json.text());
  }
  return JsonList(models);
}

ModelDesk::Subject ModelDesk::SubjectOf(const ApiRequest& request) const {
  Subject subject;
  subject.look = context_.live.Now();
  const std::vector<ModelAgent::Serving>& models = subject.look.models;
  const std::string& name = request.parameters.at("model");
  if (const auto found = std::ranges::find(models, name, &ModelAgent::Serving::model); found != models.end()) {
    subject.now = *found;
    return subject;
  }
  std::string known;
  for (const ModelAgent::Serving& each : models) known += (known.empty() ? "" : ", ") + each.model;
  const std::string message = "no versions of a model \"" + Printable(name) + "\" are deployed here";
  subject.refused = known.empty() ? NotRunning() : ErrorResponse(404, "not_found", message, "known: " + known);
  return subject;
}

HttpResponse ModelDesk::NotRunning() const {
  return ErrorResponse(409, "not_running", "no run with a model whose versions are deployed is at work",
                       context_.next.run);
}

HttpResponse ModelDesk::History(const ApiRequest& request) const {
  const Subject subject = SubjectOf(request);
  if (subject.refused) return *subject.refused;
  std::vector<ModelEvent> events;
  const bool runs =
      context_.live.LookAtModels([&](const ControlState& state) { events = ModelEvents(state, subject.now.model); });
  if (!runs) return NotRunning();
  std::ranges::reverse(events);
  const auto most = static_cast<size_t>(QueryNumber(request.http, "limit", kUsualEvents, kMostEvents));
  if (events.size() > most) events.resize(most);
  return JsonResponse(JsonObject().AddJson("history", ModelEventsJson(events)).text());
}

HttpResponse ModelDesk::Compare(const ApiRequest& request) const {
  const Subject subject = SubjectOf(request);
  if (subject.refused) return *subject.refused;
  const auto asked = static_cast<uint32_t>(QueryNumber(request.http, "generation", 0, UINT32_MAX));
  Result<ModelComparison> comparison = Status(Code::kInvalid, "");
  bool is_newest = false;
  const bool runs = context_.live.LookAtModels([&](const ControlState& state) {
    const ControlState::Generation* const newest = state.Newest(subject.now.model);
    is_newest = newest != nullptr && newest->record().draws() && (asked == 0 || asked == newest->number);
    comparison = is_newest ? ModelComparison{subject.now.model, newest->number, newest->record(), {}, {}}
                           : ComparisonIn(state, subject.now.model, asked);
  });
  if (!runs) return NotRunning();
  if (!comparison.ok()) return ErrorResponse(404, "no_comparison", comparison.status().message(), "");
  if (is_newest) comparison->counts = context_.live.ModelCounts(subject.now.model);  // the log has them a moment later
  // Figures are open. Values of single records are not, and sensitive ones are never shown here.
  CompareMask mask = OpenIn(*subject.look.checked->plan);
  mask.values = !request.caller.may_read;
  return JsonResponse(CompareJson(*comparison, {}, mask));
}

HttpResponse ModelDesk::LastChange(const ApiRequest& request) const {
  const Subject subject = SubjectOf(request);
  if (subject.refused) return *subject.refused;
  return JsonResponse(ReportJson(changes_.Last(subject.now.model), true));
}

ModelChanges::Work ModelDesk::Work(ModelChangeWish wish) const {
  return
      [context = context_, wish = std::move(wish)](const CancelToken& cancel, const ModelChanges::Progress& progress) {
        const CheckedTopology checked = context.check();
        if (!checked.ok()) {
          ModelChangeResult failed;
          failed.status = {Code::kInvalid, "the topology's file has errors now; to see them: anabranch check " +
                                               context.live.identity().file};
          return failed;
        }
        const RunOptions options = context.live.Now().options;
        return ChangeModel(wish, {.plan = *checked.plan,
                                  .allow_paths = context.allow_paths,
                                  .state_dir = options.state_dir,
                                  .instance = options.instance,
                                  .gates = context.gates,
                                  .progress = progress,
                                  .cancel = &cancel});
      };
}

HttpResponse ModelDesk::Order(Action action, const ApiRequest& request) {
  ModelChangeWish wish;
  wish.action = action;
  wish.by = request.caller.name;
  if (const Status sound = ReadWish(request.http.body, &wish); !sound.ok()) {
    return ErrorResponse(400, "bad_request", sound.message(), BodyOf(action));
  }
  const Subject subject = SubjectOf(request);
  if (subject.refused) return *subject.refused;
  wish.model = subject.now.model;
  if (wish.seen != 0 && wish.seen < subject.now.generation) {
    return ErrorResponse(409, "other_generation",
                         "generation " + std::to_string(subject.now.generation) + " scores now, not " +
                             std::to_string(wish.seen) + ": another change was faster",
                         "look again, and order it again");
  }
  const std::optional<int64_t> change = changes_.Start(subject.now.model, NameOf(action), Work(wish));
  if (!change) {
    return ErrorResponse(409, "busy", "another change of model \"" + subject.now.model + "\" is carried out",
                         "GET /api/v1/models/" + subject.now.model + "/change says how it goes");
  }
  return JsonResponse(JsonObject().AddNumber("change", *change).text(), 202);
}

}  // namespace anabranch
