#include "engine/text/json_object.h"
#include "topologies/operate/model_change.h"

namespace anabranch {

const char* NameOf(ModelChangeWish::Action action) {
  using enum ModelChangeWish::Action;
  switch (action) {
    case kDeploy: return "deploy";
    case kPromote: return "promote";
    case kHold: return "hold";
    case kRollBack: return "rollback";
  }
  return "";
}

const char* NameOf(ModelChangeResult::Kind kind) {
  using enum ModelChangeResult::Kind;
  switch (kind) {
    case kActive: return "active";
    case kAlready: return "already";
    case kHeld: return "held";
    case kRefused: return "refused";
    case kWrong:
    case kFailed: return "failed";
  }
  return "";
}

std::string ModelChangeJson(const ModelChangeResult& result) {
  using enum ModelChangeResult::Kind;
  JsonObject json;
  json.AddText("result", NameOf(result.kind));
  if (result.kind == kFailed || result.kind == kWrong) {
    return json.AddText("message", result.status.message()).text();
  }
  json.AddText("model", result.model).AddText("version", result.version);
  if (result.kind == kRefused) return json.AddJson("reasons", JsonStrings(result.reasons)).text();
  json.AddText("digest", result.digest).AddNumber("generation", result.generation);
  if (result.step > 0) json.AddNumber("step", result.step).AddNumber("steps", result.steps);
  json.AddJson("instances", JsonStrings(result.instances)).AddJson("waiting", JsonStrings(result.waiting));
  return json.AddText("text", result.text).text();
}

}  // namespace anabranch
