#pragma once

#include <string>
#include <vector>

#include "engine/keep/kept_store.h"
#include "engine/plan.h"
#include "engine/source.h"

namespace anabranch {

// The kept rows that one lane computes before live input: claimed at an assignment, fed batch by batch, done when all
// of them are durable. Lane thread only.
class KeptFeed {
 public:
  // `store` null: there are never kept rows. All outlive the feed.
  KeptFeed(const Plan& plan, const RestoreRules& rules, KeptStore* store, std::string source_id,
           SourceTable& partitions);

  // The lane was assigned `partitions` and would continue at `next`: claims the kept rows that follow there. Live input
  // continues at next().
  Status Claim(const std::vector<PartitionId>& partitions, std::vector<int64_t> next);
  // An assignment waits for its kept rows to be fed (may be none) and settled.
  bool pending() const { return pending_; }
  const std::vector<PartitionId>& partitions() const { return partitions_; }
  const std::vector<int64_t>& next() const { return next_; }

  // What it feeds of rows whose scoring stands: nothing of theirs runs, or every model with versions scored them.
  std::vector<KeptHeader::Range> Scored() const;
  // Whether that holds for what Next() gives.
  bool NextIsScored() const { return IsScored(entries_[fed_].header); }

  bool has_more() const { return fed_ < entries_.size(); }
  // Fills `batch` (cleared) with the next kept rows; `rows` = how many source rows that is.
  Status Next(RecordBatch* batch, int64_t* rows);

  // The oldest batch that was fed and not released left the lane's hands.
  void NoteReleased() { ++released_; }
  // Everything released is committed: its kept rows are done.
  Status SettleReleased() { return SettleTo(released_); }
  // Everything fed is committed or durable in newer kept results.
  Status SettleFed() { return SettleTo(fed_); }
  // Drops the claimed rows from the frame on that holds this one: their source has them. False: no frame does.
  Result<bool> Drop(const SourcePartition& partition, int64_t offset);
  // The assignment is over: live input takes its place, or the partitions went.
  void Close();

 private:
  Status SettleTo(size_t end);
  bool IsScored(const KeptHeader& header) const;

  const Plan& plan_;
  KeptStore* const store_;
  const std::string source_id_;
  SourceTable& table_;
  RestoreRules rules_;
  std::vector<PartitionId> partitions_;
  std::vector<int64_t> next_;
  std::vector<KeptStore::Entry> entries_;
  size_t fed_ = 0;
  size_t released_ = 0;
  size_t settled_ = 0;
  bool pending_ = false;
};

}  // namespace anabranch
