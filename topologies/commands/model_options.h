#pragma once

#include <functional>

#include "topologies/commands/command_options.h"

namespace anabranch {

// The command line of `model deploy`, `promote`, `hold`, `rollback` and `history`. `act` gets what to do.
void AddModelChanges(CLI::App& model, ModelChangeArgs* args,
                     const std::function<void(std::function<int(CommandIo&)>)>& act);

void AddModelCompare(CLI::App& model, ModelCompareArgs* args,
                     const std::function<void(std::function<int(CommandIo&)>)>& act);

void AddModelEvaluate(CLI::App& model, ModelEvaluateArgs* args,
                      const std::function<void(std::function<int(CommandIo&)>)>& act);

void AddModelRescore(CLI::App& model, ModelRescoreArgs* args,
                     const std::function<void(std::function<int(CommandIo&)>)>& act);

}  // namespace anabranch
