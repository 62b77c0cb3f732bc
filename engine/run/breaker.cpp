#include "engine/run/breaker.h"

#include <algorithm>
#include <cstdio>

namespace anabranch {

Status RowBreaker::NoteErrors(const StageRows& rows, const RecordBatch* batch) {
  const MutexLock lock(mutex_);
  if (!tripped_.ok()) return tripped_;
  // A row that failed before the stage's work (by `when`) is not active; it counts as the others do.
  uint32_t worked = 0;
  auto error = rows.errors.begin();
  for (uint32_t row = 0; row < rows.active.size(); ++row) {
    const bool failed = error != rows.errors.end() && error->row == row;
    if (failed) ++error;
    worked += failed || rows.active[row] ? 1 : 0;
  }
  uint64_t at = rows_seen_.fetch_add(worked, std::memory_order_relaxed);
  uint32_t added = 0;
  error = rows.errors.begin();
  for (uint32_t row = 0; error != rows.errors.end() && row < rows.active.size(); ++row) {
    const bool failed = error->row == row;
    if (!failed && !rows.active[row]) continue;
    ++at;
    if (!failed) continue;
    Record record{nullptr, 0};
    // Each letter that is replayed has a table of its own, which goes with it.
    const bool known = batch != nullptr && batch->encoded.replayed == nullptr;
    if (known) record = {&batch->partitions->at(batch->partition[row]), batch->offset[row]};
    added += Add(at, *error++, record) ? 1 : 0;
    if (window_.size() < limits_.failures) continue;
    stopped_ = std::min<uint32_t>(added, limits_.failures);  // the oldest leave the window first
    return tripped_ = Trip(at);
  }
  return Status::Ok();
}

bool RowBreaker::Add(uint64_t at, const RowError& error, const Record& record) {
  while (!window_.empty() && window_.front().at + limits_.rows <= at) {
    const auto reason = window_.front().reason;
    if (--reason->second.count == 0) reasons_.erase(reason);
    records_.erase(window_.front().record);
    window_.pop_front();
  }
  if (record.first != nullptr && !records_.insert(record).second) return false;
  const auto reason = reasons_.try_emplace(error.code).first;
  if (reason->second.count++ == 0) reason->second.first_message = error.message;
  window_.push_back({at, reason, record});
  return true;
}

uint32_t RowBreaker::Count() const {
  const MutexLock lock(mutex_);
  return static_cast<uint32_t>(window_.size()) - stopped_;
}

void RowBreaker::Resume(uint32_t failed, const std::string& code, const std::string& message) {
  const MutexLock lock(mutex_);
  rows_seen_ = failed;
  for (uint32_t row = 0; row < failed; ++row) (void)Add(row + 1, {row, code, message}, {nullptr, 0});
}

std::pair<std::string, std::string> RowBreaker::Most() const {
  const MutexLock lock(mutex_);
  if (reasons_.empty()) return {};
  const auto most = MostFrequent();
  return {most->first, most->second.first_message};
}

std::map<std::string, RowBreaker::Reason>::const_iterator RowBreaker::MostFrequent() const {
  return std::max_element(reasons_.begin(), reasons_.end(),
                          [](const auto& a, const auto& b) { return a.second.count < b.second.count; });
}

Status RowBreaker::Trip(uint64_t at) const {
  const auto most = MostFrequent();
  char share[32];
  std::snprintf(share, sizeof share, "%g", static_cast<double>(limits_.failures) / limits_.rows);
  return {Code::kStage, std::to_string(window_.size()) + " of the last " +
                            std::to_string(std::min<uint64_t>(at, limits_.rows)) +
                            " records failed (dead_letter_max is " + share + " of " + std::to_string(limits_.rows) +
                            " rows); most: \"" + most->first + "\": " + most->second.first_message};
}

}  // namespace anabranch
