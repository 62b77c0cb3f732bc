#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/run/run_observer.h"
#include "engine/status.h"
#include "topologies/operate/api.h"
#include "topologies/operate/live_pipeline.h"
#include "topologies/operate/service_options.h"

namespace anabranch {

// Everything that a process with a pipeline serves. It outlives the sessions of `run --on-stop stay`.
class Service {
 public:
  struct Parts {
    LivePipeline::Identity identity;
    const Registry& registry;
    NextCommands next;
    std::function<CheckedTopology()> check;
    std::vector<std::string> allow_paths = {};
    ModelChangePlace::Gates gates = {};
  };
  // Listens at the addresses of `options`. kInvalid: options that exclude each other, an address that needs more of
  // them; kUnavailable: an address that is taken. The texts name the option and the cure.
  static Result<std::unique_ptr<Service>> Start(ServiceOptions options, Parts parts);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  LivePipeline& live();
  // Where it listens, one line each, for the operator; with the token where one was made. Empty from the second call
  // on.
  std::vector<std::string> TakeLines();
  // Of a session that is about to start: added to what `observer` does already.
  void Observe(RunObserver* observer);
  // The session is at work, and so owns the state folder, which from now on has control.sock; where another process
  // that waits for a restart serves it, that one goes on.
  void Began(const Pipeline& pipeline, const ModelAgent* models = nullptr);
  // `owned`: Began was called, or it ended before it could be. `input_ended`: because there is no more to read.
  void Finished(const RunSummary& summary, bool owned, bool input_ended);
  // Of the traces of all sessions, for the metrics.
  std::atomic<int64_t>& spans_dropped();

 private:
  class Core;
  explicit Service(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace anabranch
