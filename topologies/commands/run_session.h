#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/plan.h"
#include "engine/run/run_options.h"
#include "topologies/commands/command.h"
#include "topologies/operate/failure_view.h"
#include "topologies/operate/service.h"

namespace anabranch {

// Shared by the commands that run a plan or read its state.

// False (and the reason on io.err) when --instance cannot name a folder.
bool CheckInstance(const std::string& command, const StateArgs& args, CommandIo& io);
// The state folder of the topology `name` in `file`.
std::string StateDirOf(const StateArgs& args, const std::string& file, const std::string& name);
// The next commands for this state, with the flags that select it.
NextCommands NextOf(const StateArgs& args);
// The command that makes what is missing outside.
std::string TopicsCommand(const std::string& file, const std::vector<std::string>& allow_paths);

// Asks on the terminal. Without a terminal it prints what to type (`cure`) and returns false; *code is the exit code.
bool Confirm(const std::string& command, const std::string& question, const std::string& cure, CommandIo& io,
             int* code);

// How a run ended.
struct SessionEnd {
  int code = kExitOk;
  bool stage_stopped = false;  // a failure was recorded: `restart` resumes
  bool input_ended = false;    // and no stage failed and nothing was stopped
  bool stop_asked = false;     // by a signal, perhaps while it ended by itself
  int64_t records = 0;         // source records whose effects are durable
  int64_t dead_letters = 0;
  int64_t results = 0;  // rows of sinks
};

// Runs `plan` with `options` and reports on io.err, from the start to the summary. If a stage never returned, this ends
// the process, because its thread cannot be ended. `service` is notified, if there is one.
SessionEnd RunAndShow(const std::string& command, const Plan& plan, const StateArgs& args, const RunOptions& options,
                      CommandIo& io, Service* service = nullptr);

// What a process serves about the topology that `args` selects. Null: it cannot; `*code` tells, and io.err why.
std::unique_ptr<Service> StartService(const std::string& command, const StateArgs& args, const ServiceOptions& serve,
                                      const RunOptions& options, CommandIo& io, int* code);

// The options that follow from the arguments.
RunOptions OptionsOf(const StateArgs& args, const Plan& plan);

}  // namespace anabranch
