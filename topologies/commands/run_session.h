#pragma once

#include <cstdint>
#include <string>

#include "engine/plan.h"
#include "engine/run/run_options.h"
#include "topologies/commands/command.h"
#include "topologies/commands/failure_view.h"

namespace anabranch {

// What the commands share that run a plan or look at its state.

// False (and the reason on io.err) when --instance cannot name a folder.
bool CheckInstance(const std::string& command, const StateArgs& args, CommandIo& io);
// The state folder of the topology `name` in `file`.
std::string StateDirOf(const StateArgs& args, const std::string& file, const std::string& name);
// The commands that go on with this state, with the flags that name it.
NextCommands NextOf(const StateArgs& args);

// Asks on the terminal; without one says what to type (`cure`) and answers no. `*code` is then what to exit with.
bool Confirm(const std::string& command, const std::string& question, const std::string& cure, CommandIo& io,
             int* code);

// How a run ended.
struct SessionEnd {
  int code = kExitOk;
  bool stage_stopped = false;  // a failure was written: `restart` goes on
  bool input_ended = false;    // and nothing failed or was stopped
  int64_t records = 0;         // source records whose effects are durable
  int64_t dead_letters = 0;
  int64_t results = 0;  // rows of persist nodes
};

// Runs `plan` as `options` say, shows it on io.err from its start to what an operator must know at its end. When a
// stage never came back, this ends the process: its thread cannot be.
SessionEnd RunAndShow(const std::string& command, const Plan& plan, const StateArgs& args, const RunOptions& options,
                      CommandIo& io);

// The options that follow from the arguments.
RunOptions OptionsOf(const StateArgs& args, const Plan& plan);

}  // namespace anabranch
