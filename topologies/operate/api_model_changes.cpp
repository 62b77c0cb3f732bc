#include <memory>

#include "topologies/operate/api.h"
#include "topologies/operate/model_desk.h"

namespace anabranch {

void AddModelChangeRoutes(const std::shared_ptr<ModelDesk>& desk, Routes* routes) {
  using Action = ModelChangeWish::Action;
  routes->push_back({"GET", "/api/v1/models/{model}/history", Needs::kValues,
                     "Generations of a model, newest first: who changed what, why, and with which figures; ?limit=100.",
                     [desk](const ApiRequest& request) { return desk->History(request); }});
  routes->push_back({"GET", "/api/v1/models/{model}/compare", Needs::kNothing,
                     "How two versions of a model answer the same rows; ?generation=. Values of single records need a "
                     "token; those that are x-sensitive are masked.",
                     [desk](const ApiRequest& request) { return desk->Compare(request); }});
  routes->push_back({"GET", "/api/v1/models/{model}/change", Needs::kValues,
                     "How the last change goes that was ordered here: \"none\", \"running\", \"done\", \"refused\" or "
                     "\"failed\".",
                     [desk](const ApiRequest& request) { return desk->LastChange(request); }});
  const auto add = [&](const char* path, Action action, const char* summary) {
    routes->push_back({"POST", path, Needs::kChange, summary,
                       [desk, action](const ApiRequest& request) { return desk->Order(action, request); }});
  };
  add("/api/v1/models/{model}/deploy", Action::kDeploy,
      "Deploys {\"version\", \"reason\"} with the rollout of the topology, or at once with \"now\": true. 202: it is "
      "being done.");
  add("/api/v1/models/{model}/promote", Action::kPromote,
      "The rollout goes on to its next step, or to the end with \"to_end\": true; {\"reason\", \"generation\": the one "
      "that was seen}.");
  add("/api/v1/models/{model}/hold", Action::kHold,
      "The rollout makes no step by itself any more; {\"reason\", \"generation\": the one that was seen}.");
  add("/api/v1/models/{model}/rollback", Action::kRollBack,
      "Ends the rollout, or goes back to the version before, or to the version \"to\"; {\"reason\", \"generation\": "
      "the "
      "one that was seen}.");
}

}  // namespace anabranch
