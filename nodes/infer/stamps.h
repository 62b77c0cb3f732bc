#pragma once

#include <cstdint>
#include <vector>

#include "engine/arm_scores.h"
#include "nodes/infer/version_table.h"

namespace anabranch {

// Says which version scored each row of a batch, and the columns that a node makes of that. For one thread.
class VersionStamps {
 public:
  // Of the version that the file names.
  explicit VersionStamps(std::shared_ptr<const BoundVersion> start) : start_(std::move(start)) {}

  void Begin() { labels_.clear(); }
  // All rows were scored by the first arm.
  void NoteAll(const VersionTable::Entry& entry) { labels_.push_back({&entry, 0}); }
  // The active rows were, by the arms that `scores` says; without it, all of them by `arm`. kInternal: too many
  // versions in one batch.
  Status NoteRows(const VersionTable::Entry& entry, const NodeRun& rows, const ArmScores* scores, size_t arm = 0);
  // Fills StageRows::version, and the columns of the rows that have a result.
  void Write(const NodeRun& run) const;

 private:
  struct Label {
    const VersionTable::Entry* entry = nullptr;
    size_t arm = 0;
    const InferPlan& plan() const { return entry->arms[arm]->loader.plan(); }
  };
  void WriteVersions(const NodeRun& run) const;
  template <typename T>
  void WriteColumn(const NodeRun& run, const RowStamp& stamp, const std::vector<T>& values) const;
  void WriteNumbers(const NodeRun& run, const RowStamp& stamp) const;
  void WriteNames(const NodeRun& run, const RowStamp& stamp) const;

  const std::shared_ptr<const BoundVersion> start_;
  std::vector<Label> labels_;
  // By row an index into labels_; unused where there is only one.
  std::vector<uint8_t> answered_, drawn_;
};

}  // namespace anabranch
