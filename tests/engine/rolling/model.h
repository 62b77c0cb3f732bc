#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/state/rolling/rolling_entry.h"

namespace anabranch {

// What the features of one key are, by their definition: every row is kept, every value is computed from all of them.
class RollingModel {
 public:
  struct Row {
    int64_t time_us;
    std::vector<std::optional<uint64_t>> values;
    bool remembered = false;
  };
  struct Value {
    std::optional<uint64_t> bits;
    bool is_near = false;  // may differ by `tolerance`
    double tolerance = 0;
  };
  struct Answer {
    RollingFault fault = RollingFault::kNone;
    std::vector<Value> values;
  };

  RollingModel(std::vector<RollingType> columns, std::vector<RollingFeature> features, uint32_t max_rows)
      : columns_(std::move(columns)), features_(std::move(features)), max_rows_(max_rows) {}

  Answer Update(const Row& row, int64_t horizon_us);
  void Drop() { rows_.clear(); }
  // Times of the rows that are remembered at this horizon, in order.
  std::vector<int64_t> Remembered(int64_t horizon_us) const;
  size_t rows() const { return rows_.size(); }

 private:
  using Cells = std::vector<std::optional<uint64_t>>;
  Cells Window(const RollingFeature& feature, int64_t horizon_us) const;
  RollingFault Compute(const RollingFeature& feature, int64_t horizon_us, std::vector<Value>* values) const;
  Value Summary(const RollingFeature& feature, const Cells& cells, RollingFault* fault) const;
  Value Ewma(const RollingFeature& feature) const;
  Value Spread(const RollingFeature& feature, const std::vector<double>& numbers) const;
  Value SumOrMean(const RollingFeature& feature, const Cells& present, RollingFault* fault) const;
  Value Extreme(const RollingFeature& feature, const Cells& present) const;

  std::vector<RollingType> columns_;
  std::vector<RollingFeature> features_;
  uint32_t max_rows_;
  std::vector<Row> rows_;  // by arrival
};

}  // namespace anabranch
