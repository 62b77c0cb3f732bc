#pragma once

#include <cstdint>
#include <deque>

#include "engine/column.h"
#include "engine/plan.h"
#include "engine/record_batch.h"

namespace anabranch {

// The default values of one node ("on_error": {"default": …}), read once from their canonical JSON text. Immutable.
class DefaultCells {
 public:
  DefaultCells() = default;
  DefaultCells(const Plan& plan, const PlanNode& node);

  // Sets the defaults in one row of the batch's columns, as valid cells.
  void Apply(RecordBatch& batch, uint32_t row) const;

 private:
  struct Cell {
    ColumnId column;
    Column value;  // one row
  };
  std::deque<Cell> cells_;
};

}  // namespace anabranch
