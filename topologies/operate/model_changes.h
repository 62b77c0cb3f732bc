#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/cancel.h"
#include "engine/mutex.h"
#include "topologies/operate/model_change.h"

namespace anabranch {

// Changes of models that people order while a pipeline runs: one at a time per model, each on a thread of its own. They
// end with this object: a change that is cancelled leaves its deployment open, and another one goes on with it.
// Thread-safe.
class ModelChanges {
 public:
  // Of the last change of a model.
  struct Report {
    int64_t change = 0;                // its number, from 1; 0: there was none
    std::string action;                // "deploy", …
    std::string state = "none";        // "none", "running", "done", "refused", "failed"
    std::vector<std::string> lines;    // what was done, and what it came to, for people
    std::vector<std::string> reasons;  // why nothing changed
    bool at_work() const { return state == "running"; }
  };
  using Progress = std::function<void(const std::string& line)>;
  using Work = std::function<ModelChangeResult(const CancelToken&, const Progress&)>;

  ModelChanges() = default;
  ~ModelChanges();
  ModelChanges(const ModelChanges&) = delete;
  ModelChanges& operator=(const ModelChanges&) = delete;

  // The number of the change; none: another one of the model is at work.
  std::optional<int64_t> Start(const std::string& model, const std::string& action, Work work);
  Report Last(const std::string& model) const;

 private:
  struct Slot {
    Report report;
    std::thread thread;
  };
  void Ended(const std::string& model, const ModelChangeResult& result);

  CancelToken cancel_;
  mutable Mutex mutex_;
  int64_t last_ GUARDED_BY(mutex_) = 0;
  std::map<std::string, Slot> slots_ GUARDED_BY(mutex_);
};

}  // namespace anabranch
