#pragma once

#include "topologies/commands/command_options.h"

namespace anabranch {

// The command line of commands that watch a pipeline, apart from what they do. Each returns its command.
CLI::App* AddMetrics(CLI::App& app, MetricsArgs* args);
CLI::App* AddTap(CLI::App& app, TapArgs* args);
CLI::App* AddTop(CLI::App& app, TopArgs* args);
CLI::App* AddUi(CLI::App& app, UiArgs* args);

}  // namespace anabranch
