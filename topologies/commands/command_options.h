#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "topologies/commands/command.h"

namespace anabranch {

// What the commands of the command line share. The values that options set must outlive the parser.

// Shows an example at the top of --help.
void ShowExample(CLI::App& app, const std::string& example);
CLI::App* Command(CLI::App& parent, const std::string& name, const std::string& what, const std::string& example);

void AddFile(CLI::App* command, std::string* file);
void AddAllowPath(CLI::App* command, std::vector<std::string>* paths);
// Which topology and which state of it.
void AddState(CLI::App* command, StateArgs* args);
void AddLog(CLI::App* command, LogArgs* log);
void AddWorkers(CLI::App* command, int* workers);
// An option whose value is one of `words`.
CLI::Option* AddWord(CLI::App* command, const std::string& flag, std::string* value,
                     const std::vector<std::string>& words);
void AddReveal(CLI::App* command, bool* reveal);
// Refuses a value with "VALUE" `fault`.
CLI::Validator Judged(const std::function<bool(const std::string&)>& sound, const std::string& fault);

}  // namespace anabranch
