#pragma once

#include <cstdint>
#include <vector>

#include "nodes/infer/call.h"

namespace anabranch {

// How a model is called so that a record gets the same bytes whatever its neighbours. Determined once per program.
struct CallShape {
  uint32_t records = 2;        // records per call, at most
  uint32_t fixed_rows = 0;     // every call is padded to this many rows; 0 = as many as there are, but never one
  bool invariant = false;      // results do not vary with the rows of a call
  bool runs = false;           // the model accepted the made-up rows of the probe
  std::vector<bool> in_place;  // per output: written where the caller says
  bool borrows = false;        // results do not vary with where inputs and outputs lie in memory
  // Measured time of a call by its number of rows (ascending); empty if the model did not run.
  struct Cost {
    uint32_t rows = 0;
    int64_t ns = 0;
  };
  std::vector<Cost> costs;

  // For `n` records, in calls of at most `records`; 0 = not measured.
  int64_t EstimateNs(uint32_t n) const;

  void ApplyTo(ModelCall* call) const;

  // Rows of the call for `n` records; copies of the last record fill the rest.
  uint32_t Rows(uint32_t n) const { return fixed_rows != 0 ? fixed_rows : n < 2 ? 2 : n; }
};

// Calls the model with made-up rows (the same in every process) in calls of many sizes and compares the results byte
// by byte; then, if the plan does not say, measures how many records a call should have. Takes at most about a second,
// or a few calls if one call takes longer. kStage: the outputs do not match the node, or the same rows get other
// results when computed again, although the model must be deterministic.
Result<CallShape> ProbeModel(ModelCall* call);

// Makes a call of the usual size with made-up rows. True when the model accepts them.
bool WarmUp(ModelCall* call, const CallShape& shape);

}  // namespace anabranch
