#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/measure/measure_snapshot.h"
#include "engine/measure/verdict.h"
#include "engine/models/control_state.h"
#include "engine/models/model_agent.h"
#include "engine/models/rollout_judge.h"
#include "engine/mutex.h"
#include "engine/run/pipeline.h"
#include "topologies/language/check.h"

namespace anabranch {

// Why a pipeline is not ready.
struct NotReady {
  std::string part;  // "target:out", "source:payments", "stage:gbt", "run"
  std::string why;   // without record data
};

// A line for operators, folded: said `times` times, last at `at_ms`.
struct Warning {
  int64_t at_ms = 0;
  std::string text;
  int64_t times = 1;
};

// The pipeline that one process runs, as others see it: probes, metrics, API, page, history. It outlives the sessions
// of `run --on-stop stay`: after a stage stopped it still tells why, and takes the order to restart.
// Thread-safe. The command's thread tells it what happens; server threads and the ticker read.
class LivePipeline {
 public:
  enum class State : uint8_t { kStarting, kRunning, kDraining, kFailed, kStopped };
  struct Identity {
    std::string file, state_dir, instance;
  };
  explicit LivePipeline(Identity identity);
  ~LivePipeline();

  // The command's thread, in this order, once per session; Running() and Leaving() only if it started. `checked` has a
  // plan, and stays alive as long as a reader uses it; `pipeline` and `models` (may be null) are used until Leaving(),
  // which comes before Finish().
  void Starting(std::shared_ptr<const CheckedTopology> checked, const RunOptions& options);
  void Running(const Pipeline& pipeline, const ModelAgent* models = nullptr);
  void Leaving();
  void Ended(const RunSummary& summary);
  // Any thread: the run's own tick and its lines for operators (RunObserver).
  void Ticked();
  void Warn(const std::string& line);
  // The orders of operators, for the command's thread while it waits after a failure. Empty: none came.
  struct RestartOrder {
    std::string token;
    std::string by;  // for the audit
  };
  std::optional<RestartOrder> TakeRestart();

  // Readers.
  struct Look {
    State state = State::kStarting;
    int64_t since_ms = 0;                            // of the state
    int64_t started_ms = 0;                          // of the process's first session
    int restarts = 0;                                // sessions that began as restarts
    std::shared_ptr<const CheckedTopology> checked;  // null before the first session
    RunOptions options;
    RunSnapshot run;
    MeasureSnapshot measures;
    std::vector<ModelAgent::Serving> models;  // those whose versions are deployed
    std::vector<RolloutStatus> rollouts;      // of them that are under way
    // What follows is of the last 10 s.
    MeasureSnapshot before;           // how the measures were at their beginning
    std::vector<LaneMeasures> lanes;  // where their time went
    LoadReport load;
    // Over the last minute, by target: from intake until durable.
    std::map<std::string, HistogramCounts> record_seconds;
    double read_per_s = 0, committed_per_s = 0;      // over the last 10 s
    std::map<std::string, double> stage_rows_per_s;  // by stage
    std::optional<Failure> failure;                  // kFailed
    std::vector<NotReady> not_ready;                 // empty: ready
    std::vector<Warning> warnings;                   // the last 20
  };
  Look Now() const;
  // Looks at all that the control log says: for a short time, without a call of this object. False: no run with such
  // models is at work.
  bool LookAtModels(const std::function<void(const ControlState&)>& look) const;
  // What is counted of the arms of the model's newest generation, by all instances. Empty: no run is at work.
  CountsByNode ModelCounts(const std::string& model) const;
  // False where nothing waits for a restart: `*why`.
  bool OrderRestart(RestartOrder order, std::string* why);
  // The loops of the process, and of the run where one is at work, ticked within the last 10 s.
  bool alive() const;
  // Models are loaded and sources have joined once.
  bool started() const;
  const Identity& identity() const { return identity_; }

  // Once a second, on the ticker's thread; set before the first session.
  void OnTick(std::function<void(const Look&)> tick);

 private:
  class Core;
  const Identity identity_;
  std::unique_ptr<Core> core_;
};

const char* NameOf(LivePipeline::State state);  // "running", …

}  // namespace anabranch
