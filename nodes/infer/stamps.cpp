#include "nodes/infer/stamps.h"

#include <string_view>

#include "nodes/infer/arms.h"

namespace anabranch {
namespace {

constexpr size_t kMostLabels = 250;  // StageRows::version is a byte

}  // namespace

Status VersionStamps::NoteRows(const VersionTable::Entry& entry, const NodeRun& rows, const ArmScores* scores,
                               size_t arm) {
  const size_t first = labels_.size(), arms = scores == nullptr ? 1 : entry.arms.size();
  if (first + arms > kMostLabels) return {Code::kInternal, "the rows of one batch are of too many versions"};
  for (size_t i = 0; i < arms; ++i) labels_.push_back({&entry, scores == nullptr ? arm : i});
  if (first == 0) {
    answered_.assign(rows.batch.rows(), 0);
    drawn_.assign(rows.batch.rows(), 0);
  }
  for (uint32_t row = 0; row < rows.batch.rows(); ++row) {
    if (rows.active[row] == 0) continue;
    answered_[row] = static_cast<uint8_t>(first + (scores == nullptr ? 0 : scores->answered[row]));
    drawn_[row] = static_cast<uint8_t>(first + (scores == nullptr ? 0 : scores->drawn[row]));
  }
  return Status::Ok();
}

void VersionStamps::Write(const NodeRun& run) const {
  WriteVersions(run);
  for (const RowStamp& stamp : start_->loader.plan().stamps) {
    const bool is_name = stamp.what == RowStamp::What::kVersion || stamp.what == RowStamp::What::kArm;
    is_name ? WriteNames(run, stamp) : WriteNumbers(run, stamp);
  }
}

// Not where all rows are of the version that the file names.
void VersionStamps::WriteVersions(const NodeRun& run) const {
  if (labels_.empty() || (labels_.size() == 1 && labels_[0].entry->arms[labels_[0].arm] == start_)) return;
  StageRows& rows = run.rows();
  if (labels_.size() == 1) {
    rows.version.assign(run.batch.rows(), 0);
  } else {
    rows.version = answered_;
  }
  for (const Label& label : labels_) rows.versions.push_back(label.plan().label);
}

void VersionStamps::WriteNames(const NodeRun& run, const RowStamp& stamp) const {
  std::vector<std::string_view> names;
  for (const Label& label : labels_) {
    names.push_back(run.batch.columns[stamp.id].text().Copy(label.plan().package->manifest.version));
  }
  WriteColumn(run, stamp, names);
}

void VersionStamps::WriteNumbers(const NodeRun& run, const RowStamp& stamp) const {
  if (stamp.what == RowStamp::What::kGeneration) {
    std::vector<int64_t> numbers;
    for (const Label& label : labels_) numbers.push_back(static_cast<int64_t>(uint32_t{label.entry->from}));
    return WriteColumn(run, stamp, numbers);
  }
  std::vector<double> shares;
  for (const Label& label : labels_) shares.push_back(PropensityOf(label.entry->record, label.arm));
  WriteColumn(run, stamp, shares);
}

// `values`: by label.
template <typename T>
void VersionStamps::WriteColumn(const NodeRun& run, const RowStamp& stamp, const std::vector<T>& values) const {
  Column& column = run.batch.columns[stamp.id];
  const bool drawn = stamp.what == RowStamp::What::kArm || stamp.what == RowStamp::What::kPropensity;
  const std::vector<uint8_t>& label_of = drawn ? drawn_ : answered_;
  const bool one = labels_.size() == 1;
  for (uint32_t row = 0; row < run.batch.rows(); ++row) {
    if (run.active[row] == 0 || run.rows().outcome[row] != Outcome::kOk) continue;
    column.values<T>()[row] = values[one ? 0 : label_of[row]];
    column.states()[row] = kValid;
  }
}

}  // namespace anabranch
