#include "topologies/operate/start_view.h"

#include <algorithm>

#include "engine/models/start_edit.h"
#include "engine/printable.h"
#include "engine/text/instant.h"
#include "engine/text/json_object.h"

namespace anabranch {
namespace {

using StartEdit = ControlState::Deployment;

// The entry with which the version of now began to serve.
const ControlEntry& BeganToServe(const ControlState& state, const ControlState::Generation& newest) {
  const ControlEntry* began = &newest.active;
  for (auto at = state.generations().rbegin(); at != state.generations().rend(); ++at) {
    if (at->record().model != newest.record().model) continue;
    if (at->serving().digest != newest.serving().digest) break;
    began = &at->active;
  }
  return *began;
}

// Why the version of the file does not score: state, and what is said of it.
void Explain(const ControlState& state, const ControlState::Generation& newest, StartDifference* out) {
  const std::string& model = newest.record().model;
  const std::vector<ControlState::FileStart>& known = state.StartsOf(model);
  const StartEdit* edit = DeploymentOfEdit(state, model, out->start);
  const StartEdit* open = state.Open(model);
  const bool is_known = std::ranges::count(known, out->start, &ControlState::FileStart::version) > 0;
  if (open != nullptr && open->prepare.generation.newest().version == out->start) {
    out->state = "deploying";
    out->text += "; its deployment is not finished";
  } else if (newest.record().newest().version == out->start) {
    out->state = "rollout";
    out->text += "; its rollout is under way";
  } else if (edit != nullptr && edit->state == StartEdit::State::kAbandoned) {
    out->state = "refused";
    out->reasons = edit->end.reasons;
    out->text += "; its deployment by edit was refused at " + FormatInstant(edit->end.at_ms);
    for (const std::string& reason : out->reasons) out->text += "\n    " + Printable(reason);
  } else if (known.back().version == out->start) {
    out->state = "replaced";
  } else if (is_known) {
    out->state = "lags_behind";
    out->text += "; a newer edit said " + Printable(known.back().version) + " at " + FormatInstant(known.back().at_ms);
  } else {
    out->state = "not_deployed";
    out->text += "; the next start deploys it";
  }
}

}  // namespace

std::optional<StartDifference> StartDifferenceOf(const ControlState& state, const PlanModel& model) {
  const ControlState::Generation* newest = state.Newest(model.name);
  const bool bandit = model.bandit != nullptr || (newest != nullptr && newest->record().rule == ArmRule::kBandit);
  if (newest == nullptr || bandit || state.StartsOf(model.name).empty()) return std::nullopt;
  if (newest->serving().version == model.start) return std::nullopt;
  const ControlEntry& began = BeganToServe(state, *newest);
  StartDifference out{
      .start = model.start, .serving = newest->serving().version, .state = {}, .reasons = {}, .text = {}};
  out.text = "the file says " + Printable(out.start) + ": " + Printable(out.serving) + " serves since " +
             FormatInstant(began.at_ms) + ", by " + began.action;
  if (!began.by.empty()) out.text += " by " + Printable(began.by);
  if (!began.reason.empty()) out.text += ": " + Printable(began.reason);
  Explain(state, *newest, &out);
  return out;
}

std::string StartDifferenceJson(const StartDifference& difference) {
  JsonObject json;
  json.AddText("start", difference.start).AddText("serving", difference.serving).AddText("state", difference.state);
  json.AddJson("reasons", JsonStrings(difference.reasons)).AddText("text", difference.text);
  return json.text();
}

}  // namespace anabranch
