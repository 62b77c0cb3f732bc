#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "connectors/feedback/feedback_target.h"
#include "engine/clock.h"
#include "engine/fault_point.h"
#include "engine/models/bandit_learner.h"
#include "engine/models/control_view.h"
#include "engine/models/reward_totals.h"
#include "engine/record_id.h"

namespace anabranch {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kLogWaitMs = 100;
constexpr std::chrono::seconds kSwitchWait{30}, kNewPartitionWait{10}, kDrainWait{2};
constexpr std::chrono::seconds kIdleEntry{10};  // a partition without rewards says so often how far it is

std::string PartitionText(const SourcePartition& partition) {
  return partition.topic + "/" + std::to_string(partition.partition);
}

// The rewards of one lane. What a partition has earned is a function of its position: whoever appends it, and however
// often, the log says the same. So an entry needs no transaction with the source's positions, and one of an instance
// that lost the partition does no harm.
class FeedbackCommitter : public Committer {
 public:
  FeedbackCommitter(const LaneContext& lane, TargetId target, const FeedbackTargetProgram& program)
      : lane_(lane), target_(target), program_(program) {}

  Status Open() override {
    if (lane_.control == nullptr) {
      return {Code::kInvalid, program_.Describe() +
                                  " has no control log here: rewards are given by a run of the "
                                  "topology that also scores with the model"};
    }
    opened_ = SteadyClock::now();
    return Status::Ok();
  }
  Result<std::vector<TargetProgress>> Progress(std::span<const PartitionId> partitions) override;
  Status MoveProgress(std::span<const PartitionId> partitions, std::span<const int64_t> next) override;
  Status Write(const EncodedBatch& batch) override;
  Status Commit(const EpochEnd& end) override;
  std::vector<RefusedRow> TakeRefused() override { return std::exchange(refused_, {}); }
  Status Abort() override {
    pending_.clear();
    return Status::Ok();
  }
  void Interrupt() override { interrupted_ = true; }
  void Resume() override { interrupted_ = false; }
  CommitOrder commit_order() const override { return CommitOrder::kDistributedTransaction; }
  void Close() override {}

 private:
  struct Stored {
    int64_t position = kNoPosition;
    uint32_t era = 0;
    RewardTotals totals;
    SteadyClock::time_point written = {};
  };
  struct Pending {
    int64_t offset = 0;
    std::optional<std::string> key;
    ParsedRecordId id;
    double reward = 0;
  };

  struct Asked {
    uint32_t newest = 0;                        // generation of the model
    std::map<std::string, uint32_t> committed;  // by partition, instead of it
  };

  Status Load(PartitionId partition);
  std::string WhyRefused(const EncodedReward& reward, std::optional<ParsedRecordId>* id) const;
  Status AwaitSwitches();
  bool GivesRewards(const SourcePartition& partition) const;
  std::map<std::string, uint32_t> Committed(const ControlState& state) const;
  std::set<std::string> DecidedIn() const;
  std::string NotYetSwitched(const ControlState& state, const Asked& asked, const std::set<std::string>& decided_in,
                             bool waits_for_new) const;
  const std::optional<BanditGeneration>& GenerationOf(const ControlState& state, uint32_t number);
  Status Count(const ControlState& state, const Pending& row, RewardTotals* totals);
  Status CountAll(const std::vector<Pending>& rows, int64_t from, RewardTotals* totals);
  Status Store(PartitionId partition, const Stored& stored);

  const LaneContext& lane_;
  const TargetId target_;
  const FeedbackTargetProgram& program_;
  SteadyClock::time_point opened_ = {};
  std::atomic<bool> interrupted_{false};
  std::map<PartitionId, Stored> stored_;
  std::map<PartitionId, std::vector<Pending>> pending_;
  std::map<uint32_t, std::optional<BanditGeneration>> generations_;
  std::vector<RefusedRow> refused_;
};

// ------------------------------------------------------------------ progress

// What the log has of a partition.
Status FeedbackCommitter::Load(PartitionId partition) {
  const std::string name = PartitionText(lane_.partitions->at(partition));
  const auto entry = lane_.control->Look([&](const ControlState& state) -> std::optional<ControlEntry> {
    const auto* entries = state.RewardsOf(program_.model());
    if (entries == nullptr || !entries->contains(name)) return std::nullopt;
    return entries->at(name);
  });
  Stored& stored = stored_[partition] = {};
  if (!entry) return Status::Ok();
  auto totals = RewardTotals::Parse(entry->rewards);
  if (!totals.ok()) {
    return {Code::kInvalid,
            lane_.control->Describe() + ", entry " + std::to_string(entry->number) + ": " + totals.status().message()};
  }
  stored = {entry->position, entry->era, std::move(*totals)};
  return Status::Ok();
}

Result<std::vector<TargetProgress>> FeedbackCommitter::Progress(std::span<const PartitionId> partitions) {
  RETURN_IF_ERROR(lane_.control->ReadOn(0));
  TargetProgress progress{target_, {}};
  for (const PartitionId partition : partitions) {
    RETURN_IF_ERROR(Load(partition));
    progress.next.push_back(stored_[partition].position);
    progress.scoring.push_back(stored_[partition].totals.scoring);
  }
  return std::vector<TargetProgress>{std::move(progress)};
}

Status FeedbackCommitter::MoveProgress(std::span<const PartitionId> partitions, std::span<const int64_t> next) {
  for (size_t i = 0; i < partitions.size(); ++i) {
    Stored stored = stored_[partitions[i]];
    if (stored.position == kNoPosition || stored.position == next[i]) continue;
    stored.position = next[i];
    ++stored.era;
    stored.totals.scoring.since = std::min(stored.totals.scoring.since, next[i]);
    RETURN_IF_ERROR(Store(partitions[i], stored));
  }
  return Status::Ok();
}

// ------------------------------------------------------------------ rows

std::string FeedbackCommitter::WhyRefused(const EncodedReward& reward, std::optional<ParsedRecordId>* id) const {
  *id = reward.has_id ? ParseRecordId(reward.id) : std::nullopt;
  if (!*id) {
    return "the id of a reward is " + (reward.has_id ? "\"" + std::string(reward.id.substr(0, 100)) + "\"" : "null") +
           ", and not that of a record: \"TOPIC/PARTITION/OFFSET\"";
  }
  if (!reward.has_reward) return "a reward is null; give a number";
  const Status fits = CheckReward(program_.policy(), reward.reward);
  return fits.ok() ? std::string() : fits.message();
}

Status FeedbackCommitter::Write(const EncodedBatch& batch) {
  const EncodedRows& rows = batch.targets[target_];
  const SourceTable& table = batch.replayed != nullptr ? batch.replayed->record : *lane_.partitions;
  for (const EncodedRows::Row& row : rows.rows) {
    const EncodedReward reward = ReadReward(rows.value(row));
    std::optional<ParsedRecordId> id;
    if (std::string why = WhyRefused(reward, &id); !why.empty()) {
      refused_.push_back({target_, table.at(row.partition), row.offset, RefusedRow::Why::kContent, std::move(why)});
      continue;
    }
    const EncodedBatch::Place read = batch.ReadAt(row);
    Pending pending{read.offset, std::nullopt, std::move(*id), reward.reward};
    if (row.key_size != EncodedRows::kNone) pending.key = rows.key(row);
    pending_[read.partition].push_back(std::move(pending));
  }
  if (refused_.empty()) return Status::Ok();
  pending_.clear();
  return {Code::kAborted, "rewards were refused"};
}

// ------------------------------------------------------------------ which generation scored

bool IsOfKnownTopic(const ControlState& state, const std::string& partition) {
  const std::string topic = partition.substr(0, partition.rfind('/') + 1);
  return std::ranges::any_of(state.served(), [&](const auto& each) { return each.first.starts_with(topic); });
}

// Rewards come by other topics than the records that they are about.
bool FeedbackCommitter::GivesRewards(const SourcePartition& partition) const {
  return std::ranges::any_of(stored_,
                             [&](const auto& own) { return lane_.partitions->at(own.first).topic == partition.topic; });
}

// Which generation the log must have as scoring each of the partitions that give rewards themselves. They switch with
// the commits that wait here, so no more is asked of them than what they committed with their last rewards.
std::map<std::string, uint32_t> FeedbackCommitter::Committed(const ControlState& state) const {
  std::map<std::string, uint32_t> committed;
  if (const auto* entries = state.RewardsOf(program_.model())) {
    for (const auto& [partition, entry] : *entries) {
      const auto totals = RewardTotals::Parse(entry.rewards);
      committed[partition] = totals.ok() ? uint32_t{totals->scoring.generation} : 0;
    }
  }
  for (const auto& [partition, stored] : stored_) {
    committed.try_emplace(PartitionText(lane_.partitions->at(partition)), uint32_t{stored.totals.scoring.generation});
  }
  return committed;
}

// The partitions that the rewards name.
std::set<std::string> FeedbackCommitter::DecidedIn() const {
  std::set<SourcePartition> from;
  for (const auto& [partition, rows] : pending_) {
    for (const Pending& row : rows) from.insert(row.id.from);
  }
  std::set<std::string> names;
  for (const SourcePartition& each : from) {
    if (!GivesRewards(each)) names.insert(PartitionText(each));
  }
  return names;
}

// One of them whose switches the log may not have yet; empty: none.
std::string FeedbackCommitter::NotYetSwitched(const ControlState& state, const Asked& asked,
                                              const std::set<std::string>& decided_in, bool waits_for_new) const {
  const bool young = SteadyClock::now() - opened_ < kSwitchWait;
  for (const std::string& decided : decided_in) {
    const auto own = asked.committed.find(decided);
    const uint32_t least = own == asked.committed.end() ? asked.newest : own->second;
    const auto served = state.served().find(decided);
    const bool is_new = served == state.served().end();
    if (is_new ? !waits_for_new || least == 0 : served->second.back().number >= least) continue;
    if (!is_new || young || IsOfKnownTopic(state, decided)) return decided;
  }
  return {};
}

// Rows that a generation scored are seen before the log says from where on it scores. What the log says of the
// generations that are in it by now is true of every row that a reward can be about.
Status FeedbackCommitter::AwaitSwitches() {
  RETURN_IF_ERROR(lane_.control->ReadOn(0));
  const Asked asked = lane_.control->Look([&](const ControlState& state) {
    const ControlState::Generation* newest = state.Newest(program_.model());
    return Asked{newest == nullptr ? 0 : newest->number, Committed(state)};
  });
  const std::set<std::string> decided_in = DecidedIn();
  const auto begin = SteadyClock::now();
  while (true) {
    const auto waited = SteadyClock::now() - begin;
    const std::string partition = lane_.control->Look([&](const ControlState& state) {
      return NotYetSwitched(state, asked, decided_in, waited < kNewPartitionWait);
    });
    if (partition.empty()) return Status::Ok();
    if (interrupted_ || lane_.cancel->now() || (lane_.cancel->draining() && waited > kDrainWait)) {
      return {Code::kCancelled, "stopped while rewards waited for partition " + partition};
    }
    if (waited > kSwitchWait) {
      return {Code::kAborted, program_.Describe() + ": rewards name records of partition " + partition +
                                  ", and no instance has said yet that generation " + std::to_string(asked.newest) +
                                  " scores it; is an instance missing?"};
    }
    RETURN_IF_ERROR(lane_.control->ReadOn(kLogWaitMs));
  }
}

const std::optional<BanditGeneration>& FeedbackCommitter::GenerationOf(const ControlState& state, uint32_t number) {
  const auto known = generations_.find(number);
  if (known != generations_.end()) return known->second;
  return generations_[number] = number == 0 ? std::nullopt : BanditAt(state, program_.model(), number);
}

// ------------------------------------------------------------------ commit

Status FeedbackCommitter::Count(const ControlState& state, const Pending& row, RewardTotals* totals) {
  const bool stranger = GivesRewards(row.id.from);
  const auto& generation =
      GenerationOf(state, stranger ? 0 : ScoredBy(state, PartitionText(row.id.from), row.id.offset));
  if (!generation || generation->began < totals->began) {
    ++totals->unmatched;
    return Status::Ok();
  }
  if (generation->began > totals->began) totals->Restart(generation->began, generation->record.arms.size());
  const std::string_view key = row.key ? std::string_view(*row.key) : std::string_view();
  const size_t arm = generation->ArmFor(row.key ? &key : nullptr, RecordId(row.id.from, row.id.offset));
  return totals->Reward(arm, generation->record.probabilities[arm], row.reward);
}

Status FeedbackCommitter::Store(PartitionId partition, const Stored& stored) {
  ControlEntry entry;
  entry.kind = ControlEntry::Kind::kRewards;
  entry.at_ms = Clock::Real().WallMs();
  entry.instance = lane_.instance;
  entry.model = program_.model();
  entry.partition = PartitionText(lane_.partitions->at(partition));
  entry.position = stored.position;
  entry.era = stored.era;
  entry.rewards = stored.totals.Print();
  FaultPoint("rewards.append", entry.partition);
  const auto appended = lane_.control->Append(entry);
  // Nobody knows whether it is there; to append it again does no harm.
  if (!appended.ok()) return {Code::kAborted, appended.status().message()};
  FaultPoint("rewards.appended", entry.partition);
  stored_[partition] = stored;
  stored_[partition].written = SteadyClock::now();
  return Status::Ok();
}

// Of one partition: what its rows add to what it has.
Status FeedbackCommitter::CountAll(const std::vector<Pending>& rows, int64_t from, RewardTotals* totals) {
  return lane_.control->Look([&](const ControlState& state) {
    for (const Pending& row : rows) {
      if (row.offset >= from) RETURN_IF_ERROR(Count(state, row, totals));
    }
    return Status::Ok();
  });
}

Status FeedbackCommitter::Commit(const EpochEnd& end) {
  Status waited = pending_.empty() ? Status::Ok() : AwaitSwitches();
  if (waited.code() == Code::kUnavailable) waited = {Code::kAborted, waited.message()};
  const std::map<PartitionId, std::vector<Pending>> rows = std::exchange(pending_, {});
  RETURN_IF_ERROR(waited);
  for (const PositionRange& range : end.positions) {
    Stored next = stored_[range.partition];
    const auto own = rows.find(range.partition);
    const bool switched = range.scoring.generation != next.totals.scoring.generation;
    const bool due = SteadyClock::now() - next.written > kIdleEntry;
    if (own == rows.end() && !switched && !due) continue;
    if (own != rows.end()) RETURN_IF_ERROR(CountAll(own->second, next.position, &next.totals));
    if (range.next >= next.position) next.totals.scoring = range.scoring;
    next.position = std::max(next.position, range.next);
    RETURN_IF_ERROR(Store(range.partition, next));
  }
  return Status::Ok();
}

}  // namespace

std::unique_ptr<Committer> MakeFeedbackCommitter(const LaneContext& lane, TargetId target,
                                                 const FeedbackTargetProgram& program) {
  return std::make_unique<FeedbackCommitter>(lane, target, program);
}

}  // namespace anabranch
