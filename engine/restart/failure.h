#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/plan.h"
#include "engine/restart/error_class.h"
#include "engine/status.h"

namespace anabranch {

// The facts about a plan that the ledger stores, by name, to compare it with the plan of a later start.
struct StageFacts {
  std::string id;
  std::string kind;  // "source" for sources
  std::string fingerprint;
  std::string closure;
  std::vector<std::string> inputs;
  std::string position_owner;  // source: the owner of its stored positions
  std::string target;          // persist: where it writes: commit unit and Describe()
};
struct PlanFacts {
  std::string topology;  // name@hash
  std::string identity;  // name of groups, transactional ids and progress
  bool exactly_once = true;
  std::vector<StageFacts> stages;  // in plan order
};
PlanFacts FactsOf(const Plan& plan, const std::string& identity);

// Why a pipeline stopped in a stage. Written to the ledger with the kept results; read by status and restart.
struct Failure {
  std::string stage;
  ErrorClass error_class = ErrorClass::kNone;
  std::string message;
  int attempts = 1;
  int64_t at_ms = 0;                 // wall clock, since 1970
  std::vector<std::string> records;  // up to 10 ids topic/partition/offset: where it failed
  int64_t kept_rows = 0;
  int64_t kept_bytes = 0;
  std::string not_kept;  // why nothing could be kept (the source still has the records); empty: everything was kept
  // The counts of the breakers, for each stage with failed rows. A restart in which the stage is unchanged continues
  // from them.
  struct Breaker {
    std::string stage;
    uint32_t failed = 0;
    std::string code, message;  // the most frequent
  };
  std::vector<Breaker> breakers;
  int rounds = 0;  // consecutive restarts without a change that ended in this stage again
  PlanFacts plan;
};

// Each is one JSON object; kInvalid if the text is not.
std::string PrintFailure(const Failure& failure);
Result<Failure> ParseFailure(const std::string& text);

}  // namespace anabranch
