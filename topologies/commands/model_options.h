#pragma once

#include <functional>

#include "topologies/commands/command_options.h"

namespace anabranch {

// The command line of `model deploy`, `model rollback` and `model history`. `act` gets what to do.
void AddModelChanges(CLI::App& model, ModelChangeArgs* args,
                     const std::function<void(std::function<int(CommandIo&)>)>& act);

}  // namespace anabranch
