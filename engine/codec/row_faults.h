#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "engine/record_batch.h"

namespace anabranch {

// The record errors of one decode: rows of the batch's source stage that fail. Entries of earlier steps stay; on
// destruction all are in row order.
class RowFaults {
 public:
  explicit RowFaults(RecordBatch& batch) : stage_(batch.stages[batch.source]), earlier_(stage_.errors.size()) {}
  RowFaults(const RowFaults&) = delete;
  RowFaults& operator=(const RowFaults&) = delete;
  ~RowFaults() {
    if (earlier_ == 0 || earlier_ == stage_.errors.size()) return;
    std::stable_sort(stage_.errors.begin(), stage_.errors.end(),
                     [](const RowError& a, const RowError& b) { return a.row < b.row; });
  }

  bool Wanted(uint32_t row) const { return stage_.outcome[row] == Outcome::kOk; }
  void Fail(uint32_t row, std::string_view code, std::string message) {
    stage_.outcome[row] = Outcome::kFailed;
    stage_.errors.push_back({row, std::string(code), std::move(message)});
  }

 private:
  StageRows& stage_;
  const size_t earlier_;
};

}  // namespace anabranch
