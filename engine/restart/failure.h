#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/plan.h"
#include "engine/restart/error_class.h"
#include "engine/status.h"

namespace anabranch {

// What can be remembered of a plan, by names: kept in the ledger to be compared with the plan of a later start.
struct StageFacts {
  std::string id;
  std::string kind;  // "source" for sources
  std::string fingerprint;
  std::string closure;
  std::vector<std::string> inputs;
  std::string position_owner;  // source: what its stored positions belong to
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
  std::string not_kept;  // why nothing could be kept; empty: everything was. The source has the records then
  // What the breakers had counted, of each stage that had failed rows: a restart in which the stage is as it was goes
  // on counting there.
  struct Breaker {
    std::string stage;
    uint32_t failed = 0;
    std::string code, message;  // the most frequent
  };
  std::vector<Breaker> breakers;
  int rounds = 0;  // restarts in a row, with nothing changed, that ended in this stage again
  PlanFacts plan;
};

// One JSON object each; kInvalid when the text is none.
std::string PrintFailure(const Failure& failure);
Result<Failure> ParseFailure(const std::string& text);

}  // namespace anabranch
