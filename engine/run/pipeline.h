#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/cancel.h"
#include "engine/measure/measure_snapshot.h"
#include "engine/plan.h"
#include "engine/registry.h"
#include "engine/restart/failure.h"
#include "engine/run/away_part.h"
#include "engine/run/run_counts.h"
#include "engine/run/run_observer.h"
#include "engine/run/run_options.h"
#include "engine/run/run_summary.h"
#include "engine/status.h"

namespace anabranch {

// A plan that runs. One object is one run: make it, Start() it, Wait() for its end, take its summary.
//
//   Pipeline pipeline(plan, registry, options, observer);
//   if (pipeline.Start().ok()) while (!pipeline.Wait(std::chrono::seconds(1))) Show(pipeline.Snapshot());
//   const RunSummary summary = pipeline.Finish();
//
// Each row that was read is committed with its effects, or left where it was: the next run continues from there.
//
// Threads: a run has a thread per lane, the crew's, and a supervisor that calls RunObserver::tick, keeps the ledger
// up to date and writes down the end. Start() and Finish() belong to one thread; all else may be called from any.
// A process may have many pipelines, each with a state folder of its own (a second one on the same folder is refused).
//
// Lifetimes: plan, registry, clock and `cancel` outlive the pipeline. A run that is stuck holds on to them until the
// process ends.
class Pipeline {
 public:
  enum class State : uint8_t {
    kNew,      // Start() has not returned
    kRunning,  // lanes are at work, also while they drain
    kEnded,    // everything is committed or kept, and the ledger says so
    kStuck,    // the same, but a call of a node never returned: its thread cannot be ended. The caller decides whether
               // the process goes on with it
  };

  // `cancel`: this run's alone; a caller may raise it in a signal handler. Null: the pipeline has its own.
  Pipeline(const Plan& plan, const Registry& registry, RunOptions options, RunObserver observer,
           CancelToken* cancel = nullptr);
  // Stops what runs, and waits for it.
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  // Opens the state, then models, then targets and sources of each lane, then reads. Blocks until then; Drain() and
  // Stop() end it between two steps (kCancelled). Not Ok: nothing runs, Finish() has the details. Ok with
  // State::kEnded: there was nothing to run.
  Status Start();
  // Reads no more and ends when everything read is committed. Signal-safe.
  void Drain() { cancel_.Raise(CancelToken::kDrain); }
  // Ends at once; what is not committed is read again by the next run. Signal-safe.
  void Stop() { cancel_.Raise(CancelToken::kNow); }

  State state() const;
  // A stop was asked for, or a stage failed.
  bool draining() const { return cancel_.draining(); }
  // All zero before Start().
  RunSnapshot Snapshot() const;
  // Empty before Start() has returned.
  MeasureSnapshot Measures() const;
  // What this run cannot reach now, without record data. Any thread, between Start() and Finish().
  std::vector<AwayPart> Away() const;
  // Why a stage stopped. Set at the end.
  std::optional<Failure> failure() const;
  // True when the run has ended or is stuck; false after `at_most`.
  bool Wait(std::chrono::nanoseconds at_most) const;

  // Waits for the end, closes everything and frees the state folder. Where the run is stuck, its lanes' memory and
  // threads stay behind. The last call, once.
  RunSummary Finish();

 private:
  class Core;

  std::unique_ptr<CancelToken> own_cancel_;
  CancelToken& cancel_;
  std::unique_ptr<Core> core_;
};

}  // namespace anabranch
