#include "engine/run/position_witness.h"

#include <algorithm>
#include <chrono>
#include <system_error>

namespace anabranch {
namespace {

constexpr int64_t kNoteNs = 1'000'000'000;

bool UnderWay(const std::future<void>& note) {
  return note.valid() && note.wait_for(std::chrono::seconds(0)) != std::future_status::ready;
}

}  // namespace

PositionWitness::PositionWitness(Ledger* ledger, const Clock& clock, std::function<void(const std::string&)> warn,
                                 std::string source_id, const SourceTable& partitions, bool stores_positions)
    : ledger_(ledger),
      clock_(clock),
      warn_(std::move(warn)),
      source_id_(std::move(source_id)),
      partitions_(partitions),
      stores_positions_(stores_positions) {}

std::string PositionWitness::FactName(const char* what, PartitionId partition) const {
  const SourcePartition& from = partitions_.at(partition);
  return std::string(what) + ":" + source_id_ + ":" + from.topic + "/" + std::to_string(from.partition);
}

Status PositionWitness::Check(const std::vector<PartitionId>& partitions, const std::vector<int64_t>& stored) {
  if (ledger_ == nullptr || !stores_positions_) return Status::Ok();
  for (size_t i = 0; i < partitions.size(); ++i) {
    ASSIGN_OR_RETURN(const auto seen, ledger_->Get(FactName("position", partitions[i])));
    if (!seen || stored[i] >= std::stoll(*seen)) continue;
    const SourcePartition& from = partitions_.at(partitions[i]);
    return {Code::kStage, "source \"" + source_id_ + "\": the stored position of " + from.topic + "/" +
                              std::to_string(from.partition) + " is " +
                              (stored[i] == kNoPosition ? std::string("gone") : std::to_string(stored[i])) +
                              ", but this pipeline has committed up to " + *seen +
                              ": the group's offsets expired or were reset. Set them back to " + *seen +
                              " with the tools of the outside system, or start over with --fresh --new-identity"};
  }
  return Status::Ok();
}

Result<std::vector<int64_t>> PositionWitness::Starts(Source& source, const std::vector<PartitionId>& partitions) {
  std::vector<int64_t> starts(partitions.size(), kNoPosition);
  if (ledger_ == nullptr) return starts;
  std::vector<PartitionId> fresh;
  for (size_t i = 0; i < partitions.size(); ++i) {
    ASSIGN_OR_RETURN(const auto known, ledger_->Get(FactName("start", partitions[i])));
    if (known) {
      starts[i] = std::stoll(*known);
    } else {
      fresh.push_back(partitions[i]);
    }
  }
  if (fresh.empty()) return starts;
  ASSIGN_OR_RETURN(const std::vector<int64_t> now, source.StartPositions(fresh));
  std::map<std::string, std::string> facts;
  for (size_t i = 0; i < fresh.size(); ++i) {
    facts[FactName("start", fresh[i])] = std::to_string(now[i]);
    starts[static_cast<size_t>(std::ranges::find(partitions, fresh[i]) - partitions.begin())] = now[i];
  }
  RETURN_IF_ERROR(ledger_->Put(facts));
  return starts;
}

void PositionWitness::Committed(const std::vector<PositionRange>& positions) {
  if (ledger_ == nullptr || !stores_positions_) return;
  for (const PositionRange& range : positions) pending_[range.partition] = range.next;
  const int64_t now = clock_.NowNs();
  if (now - noted_ns_ < kNoteNs || UnderWay(note_)) return;
  noted_ns_ = now;
  try {
    note_ = std::async(std::launch::async, [this, facts = PendingFacts()] { Put(facts); });
    pending_.clear();
  } catch (const std::system_error&) {
    // No thread to be had: the positions wait for the next note.
  }
}

void PositionWitness::Flush() {
  if (note_.valid()) note_.get();
  Put(PendingFacts());
  pending_.clear();
}

std::map<std::string, std::string> PositionWitness::PendingFacts() const {
  std::map<std::string, std::string> facts;
  for (const auto& [partition, next] : pending_) facts[FactName("position", partition)] = std::to_string(next);
  return facts;
}

void PositionWitness::Put(const std::map<std::string, std::string>& facts) {
  if (facts.empty()) return;
  if (Status s = ledger_->Put(facts); !s.ok()) warn_("the ledger: " + s.message());
}

}  // namespace anabranch
