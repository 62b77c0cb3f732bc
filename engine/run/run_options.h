#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/clock.h"
#include "engine/restart/restart_plan.h"

namespace anabranch {

class ControlView;
class Generations;
class SourceProgram;

// How a run begins.
enum class RunStart : uint8_t {
  kRun,      // continues; refuses a state whose stage failed (kStage, with the command that restarts it)
  kRestart,  // from the failed stage: feeds it the kept rows, then continues with live input
  kGiveUp,   // as kRestart, but the rows that wait for the failed stage become dead letters; ends when they are
             // committed
  kReplay,   // reads dead letters instead of the plan's sources; uses the state of the pipeline without changing it
  kRescore,  // reads ranges of a source whose records were computed before; nothing of it is the pipeline's own
};

struct RunOptions {
  RunStart start = RunStart::kRun;
  RestartChoices choices;  // kRestart
  std::string token;       // kRestart: only if the plan still has this token; empty: whatever the plan is
  // What is read instead of the plan's sources. kReplay: MakeReplay() (engine/run/replay.h); kRescore:
  // MakeRescoreInput() (engine/run/rescore.h)
  std::shared_ptr<const SourceProgram> input;
  std::string state_dir;  // holds the ledger; created when absent
  std::string instance = "0";
  int workers = 0;            // compute threads; 0 = one per core
  bool once = false;          // end at the present end of the input
  bool accept_loss = false;   // kRestart: where positions are lost, continue at the first readable record
  bool fresh = false;         // archive the state and start over
  bool new_ledger = false;    // archive a state whose ledger is damaged or gone; continue at the outside positions
  bool new_identity = false;  // with fresh: new group, transactional ids and progress keys
  std::string make_command;   // makes what is missing outside (Connector::MakeOutside), for messages; empty: none
  int64_t tick_ns = 1'000'000'000;     // how often the observer is called
  Generations* generations = nullptr;  // of its managed models; null: it has none. Outlives the run
  ControlView* control = nullptr;      // for the targets that are bandits; null: there are none. Outlives the run
  const Clock* clock = nullptr;        // default: Clock::Real(); outlives the run
};

}  // namespace anabranch
