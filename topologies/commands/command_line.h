#pragma once

#include <string>
#include <utility>
#include <vector>

#include "topologies/commands/command.h"

namespace anabranch {

// Parses the arguments (without the program's name), runs the command they name and returns the exit
// code. Usage errors are reported on io.err with "did you mean" and return 2. Does not throw.
int RunCommandLine(const std::vector<std::string>& arguments, CommandIo& io);

// Name and --help text of every visible command, in the order of --help.
std::vector<std::pair<std::string, std::string>> CommandHelp();

std::string ProgramVersion();  // "0.1.0"

}  // namespace anabranch
