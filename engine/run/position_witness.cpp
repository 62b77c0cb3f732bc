#include "engine/run/position_witness.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <string_view>
#include <system_error>

namespace anabranch {
namespace {

constexpr int64_t kNoteNs = 1'000'000'000;
constexpr char kStart[] = "start";
constexpr char kPosition[] = "position";
constexpr char kLost[] = "lost";
constexpr std::string_view kWhy[] = {"gone", "out_of_range", "unreadable"};  // by LostPosition::Why

std::string WordOf(LostPosition::Why why) { return std::string(kWhy[static_cast<size_t>(why)]); }

LostPosition::Why WhyOf(std::string_view fact) {
  const auto found = std::ranges::find(kWhy, fact.substr(0, fact.find(' ')));
  return found == std::end(kWhy) ? LostPosition::Why::kGone : static_cast<LostPosition::Why>(found - std::begin(kWhy));
}

std::string Name(const SourcePartition& partition) {
  return partition.topic + "/" + std::to_string(partition.partition);
}

Result<bool> ReadUnderAnotherOwner(Ledger& ledger, const std::string& source_id, const SourcePartition& partition) {
  ASSIGN_OR_RETURN(const auto starts, ledger.Facts(std::string(kStart) + ":" + source_id + ":"));
  return std::ranges::any_of(starts, [&](const auto& fact) { return fact.first.ends_with(":" + Name(partition)); });
}

bool UnderWay(const std::future<void>& note) {
  return note.valid() && note.wait_for(std::chrono::seconds(0)) != std::future_status::ready;
}

}  // namespace

PositionWitness::PositionWitness(Ledger* ledger, const Clock& clock, std::function<void(const std::string&)> warn,
                                 std::string source_id, const SourceTable& partitions, std::string owner)
    : ledger_(ledger),
      clock_(clock),
      warn_(std::move(warn)),
      source_id_(std::move(source_id)),
      partitions_(partitions),
      owner_(std::move(owner)) {}

// WHAT:SOURCE:OWNER:TOPIC/PARTITION. A file has no owner, and no such part.
std::string PositionWitness::Prefix(const char* what) const {
  return std::string(what) + ":" + source_id_ + ":" + (owner_.empty() ? "" : owner_ + ":");
}

std::string PositionWitness::FactName(const char* what, PartitionId partition) const {
  return Prefix(what) + Name(partitions_.at(partition));
}

Result<std::optional<int64_t>> PositionWitness::Known(const char* what, PartitionId partition) const {
  ASSIGN_OR_RETURN(const auto fact, ledger_->Get(FactName(what, partition)));
  return fact ? std::optional<int64_t>(std::stoll(*fact)) : std::nullopt;
}

// Records that were passed over by hand are no longer lost.
Result<std::optional<LostPosition>> PositionWitness::NotedLost(PartitionId partition, int64_t stored) const {
  ASSIGN_OR_RETURN(const auto fact, ledger_->Get(FactName(kLost, partition)));
  if (!fact || fact->empty()) return std::optional<LostPosition>();
  LostPosition lost{.partition = partition, .position = 0, .why = WhyOf(*fact)};
  lost.position = std::stoll(fact->substr(fact->find(' ') + 1));
  const bool passed = lost.why != LostPosition::Why::kGone && stored > lost.position;
  return passed ? std::nullopt : std::optional<LostPosition>(lost);
}

Result<std::vector<LostPosition>> PositionWitness::FindLost(std::span<const PartitionId> partitions,
                                                            std::span<const int64_t> stored,
                                                            std::span<const int64_t> targets) {
  std::vector<LostPosition> lost;
  if (ledger_ == nullptr || owner_.empty()) return lost;
  for (size_t i = 0; i < partitions.size(); ++i) {
    ASSIGN_OR_RETURN(const auto noted, NotedLost(partitions[i], stored[i]));
    ASSIGN_OR_RETURN(const auto seen, Known(kPosition, partitions[i]));
    if (noted) {
      lost.push_back(*noted);
      if (seen && noted->why == LostPosition::Why::kGone) lost.back().position = *seen;
    } else if (seen && stored[i] < *seen) {
      lost.push_back({.partition = partitions[i], .position = *seen, .why = LostPosition::Why::kGone});
    } else if (!seen && stored[i] == kNoPosition && targets[i] != kNoPosition) {
      // This state never read it, a target has it, and whoever wrote that stored a position first.
      ASSIGN_OR_RETURN(const bool renamed, ReadUnderAnotherOwner(*ledger_, source_id_, partitions_.at(partitions[i])));
      if (!renamed) lost.push_back({.partition = partitions[i], .position = targets[i]});
    }
  }
  return lost;
}

Status PositionWitness::Refusal(const std::vector<LostPosition>& lost, std::span<const PartitionId> partitions,
                                std::span<const int64_t> stored, const Source& source) const {
  const LostPosition& first = lost.front();
  const std::string name = Name(partitions_.at(first.partition));
  const std::string position = std::to_string(first.position);
  const int64_t now = stored[static_cast<size_t>(std::ranges::find(partitions, first.partition) - partitions.begin())];
  std::string text = "source \"" + source_id_ + "\": ";
  if (now == kNoPosition) {
    text += "group \"" + owner_ + "\" has no position of " + name +
            " any more, but this pipeline has committed up to " + position +
            ": the topic was deleted, or the group's positions expired or were deleted";
  } else if (now < first.position) {
    text += "the position of " + name + " in group \"" + owner_ + "\" is " + std::to_string(now) +
            ", but this pipeline has committed up to " + position + ": it was set back";
  } else {
    text += "topic " + partitions_.at(first.partition).topic + " was deleted while it was read, so position " +
            std::to_string(now) + " of " + name + " does not count any more";
  }
  if (lost.size() > 1) text += " (and so for " + std::to_string(lost.size() - 1) + " more)";
  text += kAcceptLoss;
  const std::string command = source.SetPositionCommand(first.partition, first.position);
  if (now < first.position && !command.empty()) {
    text += ". If nothing was deleted, set the position back instead, and restart: " + command;
  }
  return {Code::kStage, text};
}

Status PositionWitness::NoteLost(const std::vector<LostPosition>& lost) {
  if (ledger_ == nullptr || owner_.empty()) return Status::Ok();
  std::map<std::string, std::string> facts;
  for (const LostPosition& each : lost) {
    const std::string value = WordOf(each.why) + " " + std::to_string(each.position);
    facts[FactName(kLost, each.partition)] = value;
    if (each.why != LostPosition::Why::kGone) continue;
    const std::string topic = partitions_.at(each.partition).topic + "/";
    ASSIGN_OR_RETURN(const auto known, ledger_->Facts(Prefix(kPosition) + topic));
    for (const auto& [name, position] : known) {
      facts.try_emplace(Prefix(kLost) + name.substr(Prefix(kPosition).size()), WordOf(each.why) + " " + position);
    }
  }
  return ledger_->Put(facts);
}

Status PositionWitness::Moved(std::span<const PartitionId> partitions, std::span<const int64_t> next) {
  if (ledger_ == nullptr || owner_.empty()) return Status::Ok();
  std::map<std::string, std::string> facts;
  for (size_t i = 0; i < partitions.size(); ++i) {
    facts[FactName(kPosition, partitions[i])] = std::to_string(next[i]);
    facts[FactName(kStart, partitions[i])] = std::to_string(next[i]);
    facts[FactName(kLost, partitions[i])] = "";
  }
  return ledger_->Put(facts);
}

Result<std::vector<int64_t>> PositionWitness::Starts(Source& source, const std::vector<PartitionId>& partitions) {
  std::vector<int64_t> starts(partitions.size(), kNoPosition);
  if (ledger_ == nullptr) return starts;
  std::vector<PartitionId> fresh;
  for (size_t i = 0; i < partitions.size(); ++i) {
    ASSIGN_OR_RETURN(const auto known, Known(kStart, partitions[i]));
    if (known) {
      starts[i] = *known;
    } else {
      fresh.push_back(partitions[i]);
    }
  }
  if (fresh.empty()) return starts;
  const SourcePartition& first = partitions_.at(fresh.front());
  ASSIGN_OR_RETURN(const bool renamed, ReadUnderAnotherOwner(*ledger_, source_id_, first));
  if (renamed) {
    warn_("source \"" + source_id_ + "\": this pipeline read " + Name(first) + " under another group before. Group \"" +
          owner_ + "\" has positions of its own: records may be read again, or not at all");
  }
  ASSIGN_OR_RETURN(const std::vector<int64_t> now, source.StartPositions(fresh));
  std::map<std::string, std::string> facts;
  for (size_t i = 0; i < fresh.size(); ++i) {
    facts[FactName(kStart, fresh[i])] = std::to_string(now[i]);
    starts[static_cast<size_t>(std::ranges::find(partitions, fresh[i]) - partitions.begin())] = now[i];
  }
  RETURN_IF_ERROR(ledger_->Put(facts));
  return starts;
}

void PositionWitness::Committed(const std::vector<PositionRange>& positions) {
  if (ledger_ == nullptr || owner_.empty()) return;
  for (const PositionRange& range : positions) pending_[range.partition] = range.next;
  const int64_t now = clock_.NowNs();
  if (now - noted_ns_ < kNoteNs || UnderWay(note_)) return;
  noted_ns_ = now;
  try {
    note_ = std::async(std::launch::async, [this, facts = PendingFacts()] { Put(facts); });
    pending_.clear();
  } catch (const std::system_error&) {  // NOLINT(bugprone-empty-catch): see below
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
  for (const auto& [partition, next] : pending_) facts[FactName(kPosition, partition)] = std::to_string(next);
  return facts;
}

void PositionWitness::Put(const std::map<std::string, std::string>& facts) {
  if (facts.empty()) return;
  if (Status s = ledger_->Put(facts); !s.ok()) warn_("the ledger: " + s.message());
}

}  // namespace anabranch
