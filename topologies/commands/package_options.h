#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "topologies/commands/command.h"

namespace anabranch {

// `anabranch model pack`, `check`, `import` and `export`, below `model`. `act` gets the action of the command that was
// named. `args` outlives the parser.
void AddPackageCommands(CLI::App* model, PackageArgs* args,
                        const std::function<void(std::function<int(CommandIo&)>)>& act);

}  // namespace anabranch
