#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/plan.h"
#include "engine/record_batch.h"

namespace anabranch {

// Headers of dead letters (topology.md §4) begin with this. Beyond those named there:
//   source          id of the record's source
//   results         a kept frame (engine/keep/kept_batch.h) with what the stage needs of the stages above it
//   behind          stages that the record failed in before this one (a list): what lies below them too is theirs
//   origin.*        failed_at, node, code of its first failure, when it was a dead letter before
inline constexpr std::string_view kErrorPrefix = "anabranch.error.";

// Writes dead letters: the record's key, value, timestamp and headers byte for byte, then the anabranch.error.*
// headers. A text is cut at 1 KiB. Results stay out where they are larger than 64 KiB (the value: 512 KiB), and where
// no node made any that the stage needs: a replay then computes from the record. One per compute thread; the plan
// outlives it.
class DeadLetterWriter {
 public:
  explicit DeadLetterWriter(const Plan& plan);

  struct Failed {
    const RowError* error;
    StageId stage;
  };
  // All failures of one batch, by row, those of one row by stage.
  void Append(const RecordBatch& batch, std::span<const Failed> failures, std::string_view failed_at, EncodedRows* out);

 private:
  struct StageText {
    std::string headers;          // those that are the same for every letter of the stage, encoded
    std::vector<bool> and_below;  // by StageId
    std::vector<bool> needs;      // by StageId: those and what is above them
  };
  void AppendOne(const RecordBatch& batch, std::span<const Failed> of_row, size_t index, std::string_view failed_at,
                 EncodedRows* out);
  void AppendRecord(const RecordBatch& batch, uint32_t r, EncodedRows* out, EncodedRows::Row* row) const;
  void AppendOrigin(const RecordBatch& batch, uint32_t r, EncodedRows* out) const;
  void AppendResults(const RecordBatch& batch, std::span<const Failed> of_row, StageId stage, EncodedRows* out);

  const Plan& plan_;
  std::vector<StageText> stages_;
  std::vector<bool> done_;  // scratch
};

}  // namespace anabranch
