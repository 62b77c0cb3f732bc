#include "engine/run/arm_counting.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "engine/record_id.h"

namespace anabranch {
namespace {

using What = RolloutSpec::Guard::What;

// Generations of a stage that are remembered: those that partitions switch between, and some of a short rollout.
constexpr size_t kCountersKept = 16;

std::vector<ColumnId> ColumnsNamed(const Plan& plan, const std::string& name) {
  std::vector<ColumnId> found;
  for (size_t i = 0; i < plan.columns.size() && !name.empty(); ++i) {
    if (plan.columns[i].name == name) found.push_back(ColumnId(i));
  }
  return found;
}

// Both arms have the outputs that the rules compare.
bool IsComparable(const RecordBatch& batch, const ArmScores& arms, const CompareSpec& spec) {
  size_t answered = 0, other = 0;
  for (const ColumnId column : arms.columns) answered += ComparedCells::OutputsOf(batch.columns[column].type());
  for (const Column& column : arms.other) other += ComparedCells::OutputsOf(column.type());
  return arms.columns.size() == arms.other.size() && answered == other && other == spec.outputs.size();
}

bool IsNan(const ComparedValue& value) {
  return value.kind == ComparedValue::Kind::kNumber && std::isnan(value.number);
}

// One of the two says something, and the other one does not.
bool IsOneSided(const ComparedValue& a, const ComparedValue& b) {
  return (a.kind == ComparedValue::Kind::kNull) != (b.kind == ComparedValue::Kind::kNull) || IsNan(a) != IsNan(b);
}

bool IsOutputEvent(const RolloutSpec::Guard& guard, const ComparedValue& a, const ComparedValue& b) {
  using Kind = ComparedValue::Kind;
  const bool numbers = a.kind == Kind::kNumber && b.kind == Kind::kNumber;
  switch (guard.what) {
    case What::kDisagrees:
      if (IsOneSided(a, b)) return true;
      if (numbers) return (a.number > guard.size) != (b.number > guard.size);
      return a.kind == Kind::kLabel && b.kind == Kind::kLabel && a.label != b.label;
    case What::kNan: return IsNan(b) && !IsNan(a);
    case What::kDiffers: return IsOneSided(a, b) || (numbers && std::abs(b.number - a.number) > guard.size);
    case What::kErrors:
    case What::kSlower:
    case What::kPsi: break;
  }
  return false;
}

}  // namespace

void ArmCounting::Count(const RecordBatch& batch, const WrittenRows& written, bool closed) {
  if (generations_ == nullptr || batch.complete || batch.restored) return;
  const auto begins_below = [&](const PositionRange& range) {
    return written.IsEverywhere(range.partition, range.first);
  };
  written_ = std::ranges::any_of(batch.positions, begins_below) ? &written : nullptr;
  for (StageId stage = 0; stage < batch.stages.size(); ++stage) {
    for (const auto& arms : batch.stages[stage].arms) {
      if (arms != nullptr) CountArms(batch, stage, *arms);
    }
  }
  if (closed) CountInClosed();
}

ArmCounting::Counter& ArmCounting::CounterOf(Place place) {
  const auto known = counters_.find(place);
  if (known != counters_.end()) return known->second;
  if (counters_.size() >= kCountersKept) {
    const auto oldest = std::ranges::min_element(
        counters_, {}, [](const auto& each) { return std::make_pair(each.second.open != nullptr, each.first.second); });
    if (oldest->second.open == nullptr) counters_.erase(oldest);
  }
  Counter& counter = counters_[place];
  counter.rules = generations_->Rules(plan_.StageName(place.first), place.second);
  if (counter.rules != nullptr) counter.segment = ColumnsNamed(plan_, counter.rules->compare.segment);
  return counter;
}

bool ArmCounting::IsCounted(const RecordBatch& batch, const ArmScores& arms, uint32_t row, size_t arm_count) const {
  if (arms.drawn[row] >= arm_count) return false;
  return written_ == nullptr || !written_->IsEverywhere(batch.partition[row], batch.offset[row]);
}

void ArmCounting::CountArms(const RecordBatch& batch, StageId stage, const ArmScores& arms) {
  Counter& counter = CounterOf({stage, arms.generation});
  if (counter.rules == nullptr) return;
  const ArmRules& rules = *counter.rules;
  if (counter.open == nullptr) {
    counter.open = std::make_unique<ArmCounts>(rules.compare, rules.guards.size(), rules.arms);
  }
  const StageRows& rows = batch.stages[stage];
  bool paired = false;
  for (uint32_t row = 0; row < arms.drawn.size(); ++row) {
    if (!IsCounted(batch, arms, row, rules.arms)) continue;
    const uint8_t answered = arms.answered[row];
    counter.open->drawn[arms.drawn[row]] += 1;
    if (answered < rules.arms && rows.outcome[row] == Outcome::kOk) counter.open->answered[answered] += 1;
    paired = paired || arms.paired[row] != 0;
  }
  if (paired && IsComparable(batch, arms, rules.compare)) CountPairs(batch, rows, arms, &counter);
}

void ArmCounting::CountPairs(const RecordBatch& batch, const StageRows& rows, const ArmScores& arms, Counter* counter) {
  const ArmRules& rules = *counter->rules;
  const Column* segment = nullptr;
  for (const ColumnId id : counter->segment) {
    if (batch.columns[id].rows() == batch.rows()) segment = &batch.columns[id];
  }
  pair_ = {};
  pair_.a_ns = arms.first_ns;
  pair_.b_ns = arms.second_ns;
  timed_ = false;
  for (uint32_t row = 0; row < arms.paired.size(); ++row) {
    if (arms.paired[row] == 0 || !IsCounted(batch, arms, row, rules.arms)) continue;
    id_.clear();
    AppendRecordId(batch.partitions->at(batch.partition[row]), batch.offset[row], &id_);
    segment_.clear();
    if (segment != nullptr) ComparedCells::AppendText(*segment, row, &segment_);
    pair_.id = id_;
    pair_.segment = segment_;
    ReadPair(batch, rows, arms, row, rules.compare.outputs);
    counter->open->compare.Add(pair_);
    CountGuards(batch, row, counter);
  }
}

// Sets pair_ to what the serving version (a) and the candidate (b) said of the row.
void ArmCounting::ReadPair(const RecordBatch& batch, const StageRows& rows, const ArmScores& arms, uint32_t row,
                           std::span<const CompareSpec::Output> outputs) {
  const bool candidate_answered = arms.answered[row] == 1;
  const bool answer_failed = rows.outcome[row] != Outcome::kOk, other_failed = arms.other_outcome[row] != Outcome::kOk;
  pair_.a_failed = candidate_answered ? other_failed : answer_failed;
  pair_.b_failed = candidate_answered ? answer_failed : other_failed;
  pair_.a = pair_.b = {};
  if (!pair_.a_failed) pair_.a = Read(batch, arms, row, !candidate_answered, outputs, &serving_);
  if (!pair_.b_failed) pair_.b = Read(batch, arms, row, candidate_answered, outputs, &candidate_);
}

std::span<const ComparedValue> ArmCounting::Read(const RecordBatch& batch, const ArmScores& arms, uint32_t row,
                                                 bool answered, std::span<const CompareSpec::Output> outputs,
                                                 ComparedCells* cells) {
  cells->Begin(outputs);
  for (size_t i = 0; i < arms.columns.size(); ++i) {
    cells->Add(answered ? batch.columns[arms.columns[i]] : arms.other[i], row);
  }
  return cells->values();
}

void ArmCounting::CountGuards(const RecordBatch& batch, uint32_t row, Counter* counter) {
  const std::vector<RolloutSpec::Guard>& guards = counter->rules->guards;
  bool first_of_key = true;
  if (std::ranges::any_of(guards, &RolloutSpec::Guard::per_key)) {
    first_of_key = batch.key_present[row] != 0 ? counter->keys.IsFirst(batch.key[row]) : counter->keys.IsFirst();
  }
  const bool both = !pair_.a_failed && !pair_.b_failed;
  const bool timed = both && pair_.a_ns >= 0 && pair_.b_ns >= 0;
  const bool first_timed = timed && !std::exchange(timed_, true);
  for (size_t i = 0; i < guards.size(); ++i) {
    const RolloutSpec::Guard& guard = guards[i];
    const bool is_slower = guard.what == What::kSlower;
    const bool judged = guard.what == What::kErrors ? !pair_.a_failed : (is_slower ? timed : both);
    if (!IsRate(guard.what) || !judged) continue;
    const bool is_unit = is_slower ? first_timed : !guard.per_key || first_of_key;
    counter->open->guards[i].Add(is_unit, IsEvent(guard));
  }
}

bool ArmCounting::IsEvent(const RolloutSpec::Guard& guard) const {
  if (guard.what == What::kErrors) return pair_.b_failed;
  if (guard.what == What::kSlower) {
    return static_cast<double>(pair_.b_ns) > guard.size * static_cast<double>(pair_.a_ns);
  }
  for (size_t i = 0; i < pair_.a.size(); ++i) {
    if (IsOutputEvent(guard, pair_.a[i], pair_.b[i])) return true;
  }
  return false;
}

ArmCounting::Epoch ArmCounting::TakeOpen() {
  Epoch epoch;
  for (auto& [place, counter] : counters_) {
    if (counter.open != nullptr) epoch.counts.emplace_back(place, std::move(counter.open));
  }
  return epoch;
}

// The open epoch is empty: what is counted is of the one before. It may be durable by now.
void ArmCounting::CountInClosed() {
  Epoch late = TakeOpen();
  {
    const MutexLock lock(mutex_);
    if (!closed_.empty()) {
      std::ranges::move(late.counts, std::back_inserter(closed_.back().counts));
      return;
    }
  }
  Report(late);
}

void ArmCounting::Report(const Epoch& epoch) const {
  for (const auto& [place, counts] : epoch.counts) {
    generations_->Counted(plan_.StageName(place.first), place.second, *counts);
  }
}

void ArmCounting::Closed() {
  if (generations_ == nullptr) return;
  Epoch epoch = TakeOpen();
  const MutexLock lock(mutex_);
  closed_.push_back(std::move(epoch));
}

void ArmCounting::Forget() {
  for (auto& [place, counter] : counters_) counter.open.reset();
  const MutexLock lock(mutex_);
  closed_.clear();
}

void ArmCounting::Committed() {
  Epoch epoch;
  {
    const MutexLock lock(mutex_);
    if (closed_.empty()) return;
    epoch = std::move(closed_.front());
    closed_.pop_front();
  }
  Report(epoch);
}

}  // namespace anabranch
