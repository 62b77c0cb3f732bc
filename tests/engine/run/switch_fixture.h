#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/generation.h"
#include "engine/lane_context.h"
#include "engine/managed_model.h"
#include "engine/mutex.h"
#include "engine/record_batch.h"
#include "engine/testing/memory_target.h"
#include "engine/unbound_connector.h"

namespace anabranch {

// Generations that a test activates. It answers like an agent that loads and unloads: Ready() says whether a node may
// score with one now.
class FakeGenerations : public Generations {
 public:
  GenerationId active() const override { return GenerationId(active_.load()); }
  std::optional<PlannedSwitch> Planned(const SourcePartition& partition) const override {
    const MutexLock lock(mutex_);
    const auto found = planned_.find(partition);
    return found == planned_.end() ? std::nullopt : std::optional<PlannedSwitch>(found->second);
  }
  Status Require(int /*lane*/, std::span<const CommittedGeneration> generations, const CancelToken&) override {
    const MutexLock lock(mutex_);
    for (const CommittedGeneration& each : generations) {
      const bool other = each.check != 0 && each.check != CheckOf(each.generation);
      if (other) return {Code::kUnavailable, each.partition.topic + " is of another log"};
      required_.insert(each.generation);
      ready_.insert(each.generation);
    }
    return Status::Ok();
  }
  uint32_t Check(GenerationId generation) const override {
    const MutexLock lock(mutex_);
    return CheckOf(generation);
  }
  // From now on the numbers mean something else.
  void BecomeAnotherLog() {
    const MutexLock lock(mutex_);
    ++log_;
  }
  void Uses(int lane, GenerationId oldest) override {
    const MutexLock lock(mutex_);
    used_[lane] = oldest;
    ready_.erase(ready_.begin(), ready_.lower_bound(oldest));
  }
  void Switched(const SourcePartition& partition, const Scoring& scoring) override {
    const MutexLock lock(mutex_);
    GenerationId& known = history_[partition][scoring.since];
    known = std::max(known, scoring.generation);
  }

  std::shared_ptr<const ArmRules> Rules(std::string_view, GenerationId generation) const override {
    return rules ? rules(generation) : nullptr;
  }
  void Counted(std::string_view, GenerationId generation, const ArmCounts& counts) override {
    counted(generation, counts);
  }
  bool HasCandidate(std::string_view) const override { return give_up != nullptr; }
  Result<bool> GiveUpCandidate(std::string_view, const std::string& why) override { return give_up(why); }

  // Of generations with several arms; set before a run.
  std::function<std::shared_ptr<const ArmRules>(GenerationId)> rules;
  std::function<void(GenerationId, const ArmCounts&)> counted;
  std::function<Result<bool>(const std::string& why)> give_up;  // empty: no node has a candidate

  // The next generation scores from now on, in these partitions only from these positions on.
  GenerationId Activate(std::map<SourcePartition, int64_t> positions = {}) {
    const MutexLock lock(mutex_);
    const auto generation = GenerationId(active_.load() + 1U);
    planned_.clear();
    for (const auto& [partition, position] : positions) {
      planned_[partition] = {generation, position};
      plans_[{partition, generation}] = position;
    }
    ready_.insert(generation);
    active_ = generation;
    return generation;
  }
  bool rests() const override { return rests_; }
  void Works(int lane, LaneWork work) override {
    const MutexLock lock(mutex_);
    works_[lane] = work;
  }
  void SetRests(bool rests) { rests_ = rests; }
  bool AllRest() const {
    const MutexLock lock(mutex_);
    return std::ranges::all_of(works_, [](const auto& each) { return each.second == LaneWork::kRests; });
  }
  // It is unloaded: no row may be scored by it any more.
  void Unload(GenerationId generation) {
    const MutexLock lock(mutex_);
    ready_.erase(generation);
  }
  // The process that ran is gone: another one has the active generation only.
  void Restart() {
    const MutexLock lock(mutex_);
    ready_ = {active()};
    required_.clear();
  }

  bool Ready(GenerationId generation) const {
    const MutexLock lock(mutex_);
    return ready_.contains(generation);
  }
  std::set<GenerationId> required() const {
    const MutexLock lock(mutex_);
    return required_;
  }
  // Of all lanes: what is older may be unloaded.
  GenerationId oldest_used() const {
    const MutexLock lock(mutex_);
    GenerationId oldest = active();
    for (const auto& [lane, used] : used_) oldest = std::min(oldest, used);
    return oldest;
  }
  // By what was reported of durable switches.
  GenerationId At(const SourcePartition& partition, int64_t offset) const {
    const MutexLock lock(mutex_);
    const auto switches = history_.find(partition);
    if (switches == history_.end()) return GenerationId{0};
    const auto behind = switches->second.upper_bound(offset);
    return behind == switches->second.begin() ? GenerationId{0} : std::prev(behind)->second;
  }
  size_t switches(const SourcePartition& partition) const {
    const MutexLock lock(mutex_);
    const auto found = history_.find(partition);
    return found == history_.end() ? 0 : found->second.size();
  }
  // Where a plan said that it begins; 0: nowhere.
  int64_t PlannedAt(const SourcePartition& partition, GenerationId generation) const {
    const MutexLock lock(mutex_);
    const auto found = plans_.find({partition, generation});
    return found == plans_.end() ? 0 : found->second;
  }

 private:
  uint32_t CheckOf(GenerationId generation) const REQUIRES(mutex_) {
    return generation == 0 ? 0 : log_ * 1000 + uint32_t{generation};
  }

  std::atomic<uint32_t> active_{0};
  std::atomic<bool> rests_{false};
  mutable Mutex mutex_;
  std::map<int, LaneWork> works_ GUARDED_BY(mutex_);
  uint32_t log_ GUARDED_BY(mutex_) = 1;
  std::set<GenerationId> ready_ GUARDED_BY(mutex_), required_ GUARDED_BY(mutex_);
  std::map<int, GenerationId> used_ GUARDED_BY(mutex_);
  std::map<SourcePartition, PlannedSwitch> planned_ GUARDED_BY(mutex_);
  std::map<std::pair<SourcePartition, GenerationId>, int64_t> plans_ GUARDED_BY(mutex_);
  std::map<SourcePartition, std::map<int64_t, GenerationId>> history_ GUARDED_BY(mutex_);
};

// What lies outside and outlives runs: a topic with some partitions, its group, and commit units that store rows and
// progress. Thread-safe once it runs.
class Outside {
 public:
  struct Place {
    int64_t next = kNoPosition;
    Scoring scoring = {};
  };
  struct Unit {
    std::map<SourcePartition, Place> progress;
    std::map<std::pair<SourcePartition, int64_t>, std::string> rows;
  };

  std::vector<int64_t> records;  // by partition: how many
  enum class Positions : uint8_t { kNone, kCarried, kStored } positions = Positions::kNone;
  // Asked by the lane before each poll: an event instead of rows.
  std::function<std::optional<SourceEvent>()> poll = [] { return std::nullopt; };
  // How many rows of the partition the next batch has, at most.
  std::function<int64_t(int)> take = [](int) { return int64_t{4}; };
  // Asked by whoever commits: what happens instead of the commit, or right behind it ("a", "b", "group").
  std::function<Status(const std::string& unit, bool behind)> fault = [](const std::string&, bool) { return Status(); };

  bool forgets = false;       // units do not say how the rows that they have were scored
  std::set<int64_t> refuses;  // offsets whose rows the unit "b" refuses for good
  std::function<void()> refused = [] {};

  Mutex mutex;
  std::map<std::string, Unit> units;
  Unit group;  // where positions are stored by themselves
  int doubled = 0;

  static SourcePartition Named(int partition) { return {"topic", partition}; }
  Unit& carrier() { return positions == Positions::kCarried ? units["b"] : group; }
};

class OutsideSource : public Source {
 public:
  OutsideSource(Outside& outside, SourceTable* table) : outside_(outside), table_(table) {
    for (int i = 0; i < static_cast<int>(outside.records.size()); ++i) ids_.push_back(*table->Find(Outside::Named(i)));
  }
  Status Open() override { return Status::Ok(); }
  Result<SourceEvent> Poll(RecordBatch& batch, const BatchLimits&, int64_t) override {
    if (!assigned_ && !told_) {
      told_ = true;
      return SourceEvent::kAssigned;
    }
    if (!assigned_) return SourceEvent::kIdle;
    if (const auto event = outside_.poll()) return *event;
    bool left = false;
    for (size_t i = 0; i < ids_.size(); ++i) {
      const int64_t first = next_[i], end = outside_.records[i];
      left = left || first < end;
      const int64_t next = std::min(end, first + (first < end ? outside_.take(static_cast<int>(i)) : 0));
      for (; next_[i] < next; ++next_[i]) batch.AddRow(ids_[i], next_[i], -1, "k", true, "v");
      if (first < next) batch.positions.push_back({ids_[i], first, next});
    }
    batch.partitions = table_;
    if (batch.rows() > 0) return SourceEvent::kRows;
    return left ? SourceEvent::kIdle : SourceEvent::kEnd;
  }
  std::vector<PartitionId> partitions() const override { return ids_; }
  std::string position_owner() const override { return outside_.positions == Outside::Positions::kNone ? "" : "group"; }
  Result<std::vector<int64_t>> StoredPositions(std::span<const PartitionId> partitions) override {
    const MutexLock lock(outside_.mutex);
    std::vector<int64_t> stored;
    for (const PartitionId id : partitions) stored.push_back(outside_.carrier().progress[table_->at(id)].next);
    return stored;
  }
  Scoring StoredScoring(PartitionId id) const override {
    const MutexLock lock(outside_.mutex);
    return outside_.carrier().progress[table_->at(id)].scoring;
  }
  Status Assign(std::span<const PartitionId>, std::span<const int64_t> next) override {
    next_.clear();
    for (const int64_t each : next) next_.push_back(std::max<int64_t>(each, 0));
    assigned_ = true;
    return Status::Ok();
  }
  Status Release() override {
    assigned_ = told_ = false;
    return Status::Ok();
  }
  Status CommitPositions(std::span<const PositionRange> positions) override {
    RETURN_IF_ERROR(outside_.fault("group", false));
    {
      const MutexLock lock(outside_.mutex);
      for (const PositionRange& range : positions) {
        outside_.carrier().progress[table_->at(range.partition)] = {range.next, range.scoring};
      }
    }
    return outside_.fault("group", true);
  }
  void Close() override {}

 private:
  Outside& outside_;
  SourceTable* const table_;
  std::vector<PartitionId> ids_;
  std::vector<int64_t> next_;
  bool assigned_ = false, told_ = false;
};

class OutsideSourceProgram : public SourceProgram {
 public:
  explicit OutsideSourceProgram(Outside& outside) : outside_(outside) {}
  int Lanes(int) const override { return 1; }
  Result<std::unique_ptr<Source>> OpenLane(const LaneContext& lane) const override {
    return std::unique_ptr<Source>(std::make_unique<OutsideSource>(outside_, lane.partitions));
  }
  bool bounded() const override { return false; }
  bool NumbersRecords() const override { return true; }
  std::string Describe() const override { return "outside"; }

 private:
  Outside& outside_;
};

class OutsideTarget : public MemoryTargetProgram {
 public:
  explicit OutsideTarget(const std::string& unit) : MemoryTargetProgram(nullptr, unit) {}
  std::string connector() const override { return "outside"; }
};

class OutsideCommitter : public Committer {
 public:
  OutsideCommitter(Outside& outside, std::string unit, std::vector<TargetId> targets, const SourceTable& table)
      : outside_(outside), unit_(std::move(unit)), targets_(std::move(targets)), table_(table) {}
  Status Open() override { return Status::Ok(); }
  Result<std::vector<TargetProgress>> Progress(std::span<const PartitionId> partitions) override {
    const MutexLock lock(outside_.mutex);
    TargetProgress progress{targets_.front(), {}};
    for (const PartitionId id : partitions) {
      const Outside::Place& place = outside_.units[unit_].progress[table_.at(id)];
      progress.next.push_back(place.next);
      progress.scoring.push_back(outside_.forgets ? Scoring() : place.scoring);
    }
    return std::vector<TargetProgress>{progress};
  }
  Status Write(const EncodedBatch& batch) override {
    const EncodedRows& rows = batch.targets[targets_.front()];
    for (const EncodedRows::Row& row : rows.rows) {
      if (unit_ == "b" && outside_.refuses.contains(row.offset)) {
        refused_.push_back({targets_.front(), table_.at(row.partition), row.offset, RefusedRow::Why::kContent, "no"});
      }
      written_.emplace_back(std::make_pair(table_.at(row.partition), row.offset), rows.value(row));
    }
    if (refused_.empty()) return Status::Ok();
    written_.clear();
    return {Code::kAborted, "rows were refused"};
  }
  std::vector<RefusedRow> TakeRefused() override {
    if (!refused_.empty()) outside_.refused();
    return std::exchange(refused_, {});
  }
  Status Commit(const EpochEnd& end) override {
    if (Status fault = outside_.fault(unit_, false); !fault.ok()) {
      written_.clear();
      return fault;
    }
    {
      const MutexLock lock(outside_.mutex);
      Outside::Unit& unit = outside_.units[unit_];
      for (auto& [where, value] : written_) outside_.doubled += unit.rows.emplace(where, value).second ? 0 : 1;
      for (const PositionRange& range : end.positions) {
        Outside::Place& place = unit.progress[table_.at(range.partition)];
        if (range.next >= place.next) place = {range.next, range.scoring};
      }
    }
    written_.clear();
    return outside_.fault(unit_, true);
  }
  Status Abort() override {
    written_.clear();
    return Status::Ok();
  }
  bool CarriesPositions() const override { return unit_ == "b" && outside_.positions == Outside::Positions::kCarried; }
  CommitOrder commit_order() const override {
    return unit_ == "a" ? CommitOrder::kLocalDatabase : CommitOrder::kDistributedTransaction;
  }
  void Close() override {}

 private:
  Outside& outside_;
  const std::string unit_;
  const std::vector<TargetId> targets_;
  const SourceTable& table_;
  std::vector<std::pair<std::pair<SourcePartition, int64_t>, std::string>> written_;
  std::vector<RefusedRow> refused_;
};

// A node whose model has versions.
class VersionedProgram : public NodeProgram {
 public:
  explicit VersionedProgram(std::shared_ptr<const NodeProgram> node) : node_(std::move(node)) {}
  Result<std::unique_ptr<Node>> Open() const override { return node_->Open(); }
  ManagedModel* managed() const override { return &model_; }

 private:
  class Model : public ManagedModel {
   public:
    const std::string& model() const override { return name_; }
    Status Prepare(const ModelVersion&) override { return Status::Ok(); }
    void Add(GenerationId, const GenerationRecord&) override {}
    void Forget(GenerationId, const std::vector<std::string>&) override {}

   private:
    const std::string name_ = "m";
  };
  const std::shared_ptr<const NodeProgram> node_;
  mutable Model model_;
};

class OutsideConnector : public UnboundConnector {
 public:
  explicit OutsideConnector(Outside& outside) : UnboundConnector("outside"), outside_(outside) {}
  Result<std::unique_ptr<Committer>> OpenCommitter(
      const LaneContext& lane, const std::vector<std::pair<TargetId, const TargetProgram*>>& targets,
      const SourceProgram&, Source&) const override {
    std::vector<TargetId> ids;
    for (const auto& [id, program] : targets) ids.push_back(id);
    const std::string unit = targets.front().second->commit_unit();
    return std::unique_ptr<Committer>(std::make_unique<OutsideCommitter>(outside_, unit, ids, *lane.partitions));
  }

 private:
  Outside& outside_;
};

}  // namespace anabranch
