#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/expression/expression.h"
#include "engine/models/package.h"
#include "engine/node.h"
#include "engine/record_batch.h"
#include "nodes/infer/gate_rows.h"

namespace anabranch {

// A package as a node of its own: its inputs are the columns, its `set` expressions and its model follow. The model is
// bound, opened and called by the same code as in a topology. For one thread.
class GateScorer {
 public:
  // `by_name`: the model has several inputs. `references`: the parts of outputs that are wanted, as a node writes them.
  // Null when there is a fault.
  static std::unique_ptr<GateScorer> Bind(const ModelPackage& package, bool by_name,
                                          const std::vector<std::string>& references,
                                          std::vector<PackageFault>* faults);
  ~GateScorer();

  // Loads the model and warms it up. One that cannot be ended ends the process, with kGateHangsExit.
  Status Open();
  // Scores rows. Faults of rows that do not fit, or that the model fails (with `code`, or "nan").
  void Score(const std::vector<GateRow>& rows, const std::string& code, std::vector<PackageFault>* faults);

  uint32_t rows() const;
  // Made of the reference by the last Score(). Null when it is not one of `references`.
  const Column* column(const std::string& reference) const;
  // What expressions over the outputs may read, and where.
  const Scope& scope() const;
  const RecordBatch& batch() const;
  // CPU time per row of the last rows again, features included, in microseconds: the least of a few passes. Below
  // 0 when they cannot be computed.
  double MeasureRowMicros();

 private:
  class Context;
  class Services;
  struct State;
  explicit GateScorer(std::unique_ptr<State> state);
  Status Compute();
  std::unique_ptr<State> state_;
};

}  // namespace anabranch
