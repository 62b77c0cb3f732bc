#include "engine/run/kept_feed.h"

#include <algorithm>

#include "engine/fault_point.h"

namespace anabranch {

KeptFeed::KeptFeed(const Plan& plan, const RestoreRules& rules, KeptStore* store, std::string source_id,
                   SourceTable& partitions)
    : plan_(plan), store_(store), source_id_(std::move(source_id)), table_(partitions), rules_(rules) {}

Status KeptFeed::Claim(const std::vector<PartitionId>& partitions, std::vector<int64_t> next) {
  Close();
  partitions_ = partitions;
  next_ = std::move(next);
  pending_ = true;
  if (store_ == nullptr) return Status::Ok();
  std::vector<SourcePartition> names;
  for (const PartitionId partition : partitions) names.push_back(table_.at(partition));
  ASSIGN_OR_RETURN(entries_, store_->Claim(source_id_, names, &next_));
  FaultPoint("restart.claimed");
  return Status::Ok();
}

std::vector<KeptHeader::Range> KeptFeed::Scored() const {
  std::vector<KeptHeader::Range> scored;
  for (const KeptStore::Entry& entry : entries_) {
    const auto& ranges = entry.header.ranges;
    if (IsScored(entry.header)) scored.insert(scored.end(), ranges.begin(), ranges.end());
  }
  return scored;
}

bool KeptFeed::IsScored(const KeptHeader& header) const {
  if (header.outputs) return true;
  const auto source = std::ranges::find(plan_.sources, header.source, &PlanSource::id) - plan_.sources.begin();
  bool some = false;
  for (const PlanNode& node : plan_.nodes) {
    if (node.program->managed() == nullptr || !node.from_source[static_cast<size_t>(source)]) continue;
    const auto kept = [&](const KeptHeader::Stage& stage) { return IsKeptAs(node, stage.id); };
    if (std::ranges::none_of(header.done, kept)) return false;
    some = true;
  }
  return some;
}

Status KeptFeed::Next(RecordBatch* batch, int64_t* rows) {
  FaultPoint("restart.feed");
  const KeptStore::Entry& entry = entries_[fed_];
  ASSIGN_OR_RETURN(auto frame, store_->Load(entry.id));
  rules_.next = NextOf(entry.header);
  RETURN_IF_ERROR(RestoreKeptBatch(plan_, std::move(frame), rules_, table_, batch)
                      .WithContext("kept results " + entry.file + " cannot be taken up"));
  *rows = entry.header.rows;
  ++fed_;
  return Status::Ok();
}

Status KeptFeed::SettleTo(size_t end) {
  if (settled_ == end) return Status::Ok();
  FaultPoint("restart.settle");
  for (; settled_ < end; ++settled_) RETURN_IF_ERROR(store_->Done(entries_[settled_].id));
  return Status::Ok();
}

Result<bool> KeptFeed::Drop(const SourcePartition& partition, int64_t offset) {
  const auto holds = [&](const KeptStore::Entry& entry) {
    return std::ranges::any_of(entry.header.ranges, [&](const KeptHeader::Range& range) {
      return range.partition == partition && range.first <= offset && offset < range.next;
    });
  };
  const auto first = std::ranges::find_if(entries_, holds);
  if (first == entries_.end()) return false;
  for (auto entry = first; entry != entries_.end(); ++entry) RETURN_IF_ERROR(store_->Done(entry->id));
  entries_.erase(first, entries_.end());
  for (size_t* count : {&fed_, &released_, &settled_}) *count = std::min(*count, entries_.size());
  return true;
}

void KeptFeed::Close() {
  entries_.clear();
  fed_ = released_ = settled_ = 0;
  pending_ = false;
}

}  // namespace anabranch
