#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/mutex.h"
#include "topologies/operate/api.h"
#include "topologies/operate/model_changes.h"

namespace anabranch {

// What the routes about models with versions share: which versions there are, and the changes that people ordered.
// Thread-safe.
class ModelDesk {
 public:
  explicit ModelDesk(const ApiContext& context) : context_(context) {}

  // [{"model", "version", "digest", "generation", "since", "deploying", "swapping", "steps", "versions", "orders",
  // "rollout", "change"}]: the models whose versions are deployed; "orders" says which orders can be given now, and
  // what they do.
  std::string DeployedJson(const LivePipeline::Look& look, const ApiRequest& request);

  HttpResponse History(const ApiRequest& request) const;
  HttpResponse Compare(const ApiRequest& request) const;
  HttpResponse LastChange(const ApiRequest& request) const;
  HttpResponse Order(ModelChangeWish::Action action, const ApiRequest& request);

 private:
  // The model that a request names, of the run at work.
  struct Subject {
    LivePipeline::Look look;
    ModelAgent::Serving now;
    std::optional<HttpResponse> refused;  // there is none
  };
  struct Version {
    std::string version, digest;
    bool scored = false;
  };
  // What the registry of a model has. A look is good for ten seconds, or ten times what it took.
  struct Versions {
    std::vector<Version> all;
    int64_t good_until_ns = 0;
    bool being_read = false;
  };
  HttpResponse NotRunning() const;
  Subject SubjectOf(const ApiRequest& request) const;
  std::vector<Version> VersionsOf(const PlanModel& model);
  ModelChanges::Work Work(ModelChangeWish wish) const;

  const ApiContext context_;
  Mutex mutex_;
  std::map<std::string, Versions> versions_ GUARDED_BY(mutex_);
  ModelChanges changes_;  // last: its threads use the members above
};

}  // namespace anabranch
