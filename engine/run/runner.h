#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/cancel.h"
#include "engine/clock.h"
#include "engine/plan.h"
#include "engine/registry.h"
#include "engine/restart/restart_plan.h"
#include "engine/status.h"

namespace anabranch {

// How a run begins.
enum class RunStart : uint8_t {
  kRun,      // goes on; refuses a state whose stage failed (kStage, naming the command)
  kRestart,  // from the failed stage: feeds it what was kept, then goes on with live input
  kGiveUp,   // as kRestart, but the rows that wait for the failed stage become dead letters; ends when they are
             // committed
  kReplay,   // dead letters, instead of the plan's sources; the state of the pipeline is only used, not changed
};

struct RunOptions {
  RunStart start = RunStart::kRun;
  RestartChoices choices;  // kRestart
  std::string token;       // kRestart: only when the plan still has this token; empty = whatever it is
  std::shared_ptr<const SourceProgram> letters;  // kReplay: MakeReplay() (engine/run/replay.h)
  std::string state_dir;                         // holds the ledger; made when absent
  std::string instance = "0";
  int workers = 0;                  // compute threads; 0 = one per core
  bool once = false;                // end at what is there now
  bool accept_loss = false;         // kRestart: where positions are lost, go on at the first record that is there
  bool fresh = false;               // archive the state and start over
  bool new_ledger = false;          // archive a state whose ledger is damaged or gone; go on where the outside says
  bool new_identity = false;        // with fresh: new group, transactional ids and progress keys
  int64_t tick_ns = 1'000'000'000;  // how often the observer is called
  const Clock* clock = nullptr;     // default: Clock::Real()
};

// What one stage did so far in this run.
struct StageCounts {
  std::string id;
  std::string kind;         // "source" for sources
  int64_t invocations = 0;  // calls with at least one row
  int64_t rows_in = 0;
  int64_t rows_out = 0;
  int64_t filtered = 0;
  int64_t skipped = 0;
  int64_t failed = 0;     // record errors, whatever their policy did
  int64_t missed = 0;     // of these: went on with nulls
  int64_t defaulted = 0;  // of these: went on with default values
  int64_t dead_lettered = 0;
  int64_t retried = 0;
  int64_t busy_ns = 0;
  std::map<std::string, int64_t> tallies;  // by NodeProgram::Tallies(); what was counted only
  struct Reason {
    int64_t count = 0;
    std::string example;  // the first message
  };
  std::map<std::string, Reason> reasons;  // of `failed`, by error code
};

struct RunSnapshot {
  std::vector<StageCounts> stages;  // in plan order
  int64_t rows_read = 0;
  int64_t rows_committed = 0;  // source rows whose effects are durable
  int64_t elapsed_ns = 0;
};

struct RunSummary {
  // Ok: the input ended or a stop was asked for. With `failure`: its stage stopped; what was complete is committed,
  // what was not is kept. Without: nothing was left to restart (a target or broker that could not be reached at start).
  Status status;
  std::optional<Failure> failure;  // what was written to the ledger about it
  // Set where that could not be written (the disk of the state folder is full), with the code of `status`: nobody can
  // restart from this failure. `run` goes on from what is committed, or `restart` from the one before, if one waits.
  Status not_recorded;
  bool restart_waits = false;
  // A stage never returned: its thread still runs. The caller reports and ends the process with _exit.
  bool stuck = false;
  bool already_done = false;  // nothing was to be run: a finished bounded input, a restart without failure; see `note`
  std::string note;
  RunSnapshot totals;
};

// Called from the thread that called RunPlan.
struct RunObserver {
  std::function<void()> started;  // models, targets and sources are open; records come next
  std::function<void(const RunSnapshot&)> tick;
  std::function<void(const std::string&)> warn;  // one line for the operator's log; any thread
};

// What a restart of the plan would do with the state as it is; reads only. kInvalid when there is no state,
// already_running when a process owns it.
struct RestartOutlook {
  bool nothing_failed = false;  // then `plan` is empty
  bool already_running = false;
  Failure failure;
  RestartPlan plan;
};
Result<RestartOutlook> LookAtRestart(const Plan& plan, const RunOptions& options);

// Runs a plan until its input ends, `cancel` is raised, or a stage stops. Blocks. A lane that fails raises `cancel` to
// kDrain for the others. Opens models first, then targets, then sources; closes in reverse. Every row that was taken in
// is committed with its effects or left where it was: a second call goes on from there.
RunSummary RunPlan(const Plan& plan, const Registry& registry, const RunOptions& options, CancelToken& cancel,
                   const RunObserver& observer);

}  // namespace anabranch
