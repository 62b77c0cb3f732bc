#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/node.h"
#include "nodes/infer/call.h"

namespace anabranch {

// A row that cannot have a result, and why.
struct BadRow {
  uint32_t row = 0;
  std::string code;
  std::string message;
  bool timed_out = false;
};

// Of ascending rows, at least one.
inline bool Contiguous(std::span<const uint32_t> rows) { return rows.back() - rows.front() + 1 == rows.size(); }

// The columns that feed a model: of the batch, and those that the node made for itself.
struct Features {
  const RecordBatch& batch;
  std::span<const Column> own;

  const Column& operator[](const FeatureColumn& feature) const {
    return feature.own < 0 ? batch.columns[feature.id] : own[static_cast<size_t>(feature.own)];
  }
};

// Finds the active rows whose features the model can take, ascending; the others go to `bad`: rows with
// nulls (unless the model gets NaN for them) and with numbers that the model's type cannot hold. `usable` is scratch
// memory.
void SelectRows(const Features& features, std::span<const uint8_t> active, const InferPlan& plan,
                std::vector<uint8_t>* usable, std::vector<uint32_t>* rows, std::vector<BadRow>* bad);

// Writes `rows` into the call's inputs, padded with copies of the last one up to `call_rows`. A tensor column
// whose memory layout already fits the model is not copied.
void PackRows(const Features& features, std::span<const uint32_t> rows, uint32_t call_rows, ModelCall* call);

// Lets the model write outputs that are exactly one column into that column. Call it before Run, for unpadded calls.
void BorrowColumns(RecordBatch& batch, std::span<const uint32_t> rows, uint32_t call_rows, ModelCall* call);

// Whether the outputs of the last call match the columns (number of values, classes). kInvalid otherwise.
Status CheckOutputs(const ModelCall& call);

// Copies the call's results into the columns (values, not states); rows with a number that is not finite go to `bad`
// unless they are allowed. Errors as CheckOutputs.
Status UnpackRows(const ModelCall& call, std::span<const uint32_t> rows, RecordBatch& batch, std::vector<BadRow>* bad);

}  // namespace anabranch
