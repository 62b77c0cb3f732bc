#pragma once

#include "topologies/commands/command_options.h"
#include "topologies/operate/service_options.h"

namespace anabranch {

// The flags of a page: --http and what belongs to it.
void AddPage(CLI::App* command, ServiceOptions* options);
// The flags of what a process with a pipeline serves.
void AddServe(CLI::App* command, ServiceOptions* options);

}  // namespace anabranch
