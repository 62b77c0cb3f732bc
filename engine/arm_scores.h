#pragma once

#include <cstdint>
#include <vector>

#include "engine/column.h"
#include "engine/ids.h"

namespace anabranch {

enum class Outcome : uint8_t;

// How the rows of one generation with several arms were scored in one stage of a batch. Made by the node; read by the
// lane once the batch is handed over (engine/run/arm_counting.h). Rows that the stage did not work on, or that belong
// to another generation, have kNoArm in `drawn`.
struct ArmScores {
  static constexpr uint8_t kNoArm = 255;

  GenerationId generation{0};     // its own number, not that of a newer generation of another model
  std::vector<uint8_t> drawn;     // by row: the arm that the row drew. Of a shadow: 1 where it is scored too, else 0
  std::vector<uint8_t> answered;  // by row: the arm whose values are in the batch; where the stage failed the row: 0
  // The rows that two arms scored, and what the arm that did not answer (1 - answered) said. Such a row has a
  // "first" (serving) and a "second" (candidate) answer: the one is in the batch, the other one here.
  std::vector<uint8_t> paired;            // by row: 1
  std::vector<Outcome> other_outcome;     // by row: kOk, kFailed, kTimedOut
  std::vector<ColumnId> columns;          // what is compared, as ManagedModel::AddCompared() lists it
  std::vector<Column> other;              // by `columns`
  int64_t first_ns = -1, second_ns = -1;  // of one row, over the paired rows of this batch; -1: unknown
};

}  // namespace anabranch
