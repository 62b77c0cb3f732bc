#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/run/run_state.h"
#include "topologies/commands/failure_view.h"
#include "topologies/commands/outside_view.h"

namespace anabranch {

// What a ledger says, by names. Pure data: made by ReadStatus, shown by the functions below.
struct StatusFacts {
  std::string name;
  StateReport state;                                                // as the ledger has it
  int64_t owner = 0;                                                // pid of the process that owns the state; 0: none
  std::vector<std::string> nodes;                                   // in the order of the file
  std::map<std::string, std::map<std::string, int64_t>> counters;   // by stage
  std::map<std::string, std::map<std::string, int64_t>> positions;  // by source: next position by "topic/partition"
  std::vector<std::string> actions;                                 // newest last
  std::string identity;  // under which positions are kept; empty: the topology is faulty
  OutsideFacts outside;  // what the brokers say now
};

// running | failed | done | stopped.
std::string StateWord(const StatusFacts& facts);
std::string StatusText(const StatusFacts& facts, const NextCommands& next);
std::string StatusJson(const StatusFacts& facts, const NextCommands& next);  // topology.md §3

}  // namespace anabranch
