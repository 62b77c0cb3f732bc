#pragma once

#include <functional>
#include <future>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/clock.h"
#include "engine/run/ledger.h"
#include "engine/source.h"

namespace anabranch {

// What an operator may do about a position that is lost: the end of each message about one.
inline constexpr char kAcceptLoss[] =
    ". To go on at the first record that can be read, restart with --accept-loss; what lies between is lost";

// The ledger's own record of one lane's positions: where the `start` rule began, the last positions that were seen
// committed, and which positions were lost. The position that the outside stores counts; this record shows when it was
// lost. A group without its position would be read again from its start, so the run stops instead. Records are kept per
// owner (the group's name): positions of another group prove nothing about this one.
class PositionWitness {
 public:
  // `ledger` null: nothing is known, nothing is noted. `owner` as Source::position_owner(); empty: the outside keeps no
  // positions, so nothing is recorded. `warn` may be called from any thread. All outlive the witness.
  PositionWitness(Ledger* ledger, const Clock& clock, std::function<void(const std::string&)> warn,
                  std::string source_id, const SourceTable& partitions, std::string owner);
  ~PositionWitness() = default;  // waits for a note under way

  // Lane thread. Those of `partitions` whose position is lost: noted as lost, stored no more, or stored behind what was
  // seen committed. `stored` is the outside's, `targets` what the targets have; kNoPosition: none.
  Result<std::vector<LostPosition>> FindLost(std::span<const PartitionId> partitions, std::span<const int64_t> stored,
                                             std::span<const int64_t> targets);
  // kStage: positions that are gone (`lost`, not empty) in words, with the cure.
  Status Refusal(const std::vector<LostPosition>& lost, std::span<const PartitionId> partitions,
                 std::span<const int64_t> stored, const Source& source) const;
  // Lane thread. Where the `start` rule began when this state first read each partition: a process that dies before
  // its first commit must not make the next one begin elsewhere. kNoPosition without a ledger.
  Result<std::vector<int64_t>> Starts(Source& source, const std::vector<PartitionId>& partitions);
  // Any thread. Remembers that positions are lost, until Moved(). One that is gone makes every partition of its topic
  // lost: the topic was deleted.
  Status NoteLost(const std::vector<LostPosition>& lost);
  // Lane thread. The outside stores these positions from now on, whatever it stored before.
  Status Moved(std::span<const PartitionId> partitions, std::span<const int64_t> next);

  // Writer thread. Never waits for the disk: once a second at most the positions go to the ledger, on a thread of
  // their own; while that is under way they gather for the next time.
  void Committed(const std::vector<PositionRange>& positions);
  // While no Committed() can come (the writer is idle, or ended): everything is in the ledger, or was warned of.
  void Flush();

 private:
  std::string Prefix(const char* what) const;
  std::string FactName(const char* what, PartitionId partition) const;
  Result<std::optional<int64_t>> Known(const char* what, PartitionId partition) const;
  Result<std::optional<LostPosition>> NotedLost(PartitionId partition, int64_t stored) const;
  std::map<std::string, std::string> PendingFacts() const;
  void Put(const std::map<std::string, std::string>& facts);

  Ledger* const ledger_;
  const Clock& clock_;
  const std::function<void(const std::string&)> warn_;
  const std::string source_id_;
  const SourceTable& partitions_;
  const std::string owner_;

  std::map<PartitionId, int64_t> pending_;  // committed, not given to a note yet
  int64_t noted_ns_ = 0;
  std::future<void> note_;  // last: it uses the members above
};

}  // namespace anabranch
