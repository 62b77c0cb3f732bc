#pragma once

#include <functional>
#include <future>
#include <map>
#include <string>
#include <vector>

#include "engine/clock.h"
#include "engine/connector.h"
#include "engine/run/ledger.h"

namespace anabranch {

// What the ledger knows of one lane's positions: where the `start` rule began, and the last positions that were seen
// committed. The outside's stored position is the truth; this is its witness: a group that forgot would be read again
// from its start, so the run is refused instead.
class PositionWitness {
 public:
  // `ledger` null: nothing is known, nothing is noted. `stores_positions`: the outside keeps them (a Kafka group),
  // else there is nothing to bear witness to. `warn` may be called from any thread. All outlive the witness.
  PositionWitness(Ledger* ledger, const Clock& clock, std::function<void(const std::string&)> warn,
                  std::string source_id, const SourceTable& partitions, bool stores_positions);
  ~PositionWitness() = default;  // waits for a note under way

  // Lane thread. kStage: a stored position is behind what was seen committed; the message names the cure.
  Status Check(const std::vector<PartitionId>& partitions, const std::vector<int64_t>& stored);
  // Lane thread. Where the `start` rule began when this state first read each partition: a process that dies before
  // its first commit must not make the next one begin elsewhere. kNoPosition without a ledger.
  Result<std::vector<int64_t>> Starts(Source& source, const std::vector<PartitionId>& partitions);

  // Writer thread. Never waits for the disk: once a second at most the positions go to the ledger, on a thread of
  // their own; while that is under way they gather for the next time.
  void Committed(const std::vector<PositionRange>& positions);
  // While no Committed() can come (the writer is idle, or ended): everything is in the ledger, or was warned of.
  void Flush();

 private:
  std::string FactName(const char* what, PartitionId partition) const;
  std::map<std::string, std::string> PendingFacts() const;
  void Put(const std::map<std::string, std::string>& facts);

  Ledger* const ledger_;
  const Clock& clock_;
  const std::function<void(const std::string&)> warn_;
  const std::string source_id_;
  const SourceTable& partitions_;
  const bool stores_positions_;

  std::map<PartitionId, int64_t> pending_;  // committed, not given to a note yet
  int64_t noted_ns_ = 0;
  std::future<void> note_;  // last: it uses the members above
};

}  // namespace anabranch
