#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/run/run_state.h"
#include "topologies/commands/outside_view.h"
#include "topologies/operate/failure_view.h"

namespace anabranch {

// The content of a ledger, by names. Pure data: made by ReadStatus, shown by the functions below.
struct StatusFacts {
  std::string name;
  StateReport state;                                                // from the ledger
  int64_t owner = 0;                                                // pid of the process that owns the state; 0: none
  std::vector<std::string> nodes;                                   // in the order of the file
  std::map<std::string, std::map<std::string, int64_t>> counters;   // by stage
  std::map<std::string, std::map<std::string, int64_t>> positions;  // by source: next position by "topic/partition"
  std::vector<std::string> actions;                                 // newest last
  std::string identity;  // name under which positions are kept; empty: the topology is faulty
  OutsideFacts outside;  // what the brokers report now, and how far the process itself has come
  // Which versions score, of models whose versions are deployed; empty: there are none, or nothing was run.
  std::string models, models_json;
  // What its process answers; empty: none does.
  std::string verdict, live_lag;  // for people
  std::string verdict_json;       // as in GET /api/v1/snapshot
};

// running | failed | done | stopped.
std::string StateWord(const StatusFacts& facts);
std::string StatusText(const StatusFacts& facts, const NextCommands& next);
std::string StatusJson(const StatusFacts& facts, const NextCommands& next);

}  // namespace anabranch
