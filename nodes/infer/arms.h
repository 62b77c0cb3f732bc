#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/arm_scores.h"
#include "engine/node.h"
#include "nodes/infer/version_table.h"

namespace anabranch {

// Which generation scores a row, and which of its arms the row draws.

// The generation of all rows; null when there are several.
const VersionTable::Entry* OnlyGeneration(const VersionTable& table, const RecordBatch& batch);

// The rows of one generation; where it has a cut, of one of its arms.
struct GenerationRows {
  const VersionTable::Entry* entry = nullptr;
  size_t arm = 0;  // where it has a cut
  std::vector<uint8_t> active;
  uint32_t count = 0;
};

// Divides the active rows of a batch by what scores them. Rows of a partition usually stand side by side.
class RowDivision {
 public:
  // `only`: the generation of all rows; null: each partition says it.
  Status Divide(const VersionTable& table, const VersionTable::Entry* only, const NodeRun& run);
  // Valid until the next call.
  std::span<const GenerationRows> parts() const { return {parts_.data(), count_}; }
  // Rows that have no time and are of a generation with a cut.
  uint32_t without_time() const { return without_time_; }

 private:
  GenerationRows& PartOf(const VersionTable::Entry& entry, size_t arm, uint32_t rows);

  std::vector<GenerationRows> parts_;  // the first `count_` of them are in use
  size_t count_ = 0;
  uint32_t without_time_ = 0;
};

// Draws for rows. It depends on the record of the generation and on the row's key, or the record's id, alone.
class ArmDraw {
 public:
  // The arm of each active row; ArmScores::kNoArm of the others. Of a shadow: 1 where it scores too.
  void DrawAll(const GenerationRecord& record, const NodeRun& run, std::vector<uint8_t>* arms);

 private:
  std::string_view UnitOf(const GenerationRecord& record, const RecordBatch& batch, uint32_t row);

  std::string id_;
};

// The probability with which a row draws this arm. Where only one may answer: 1.
double PropensityOf(const GenerationRecord& record, size_t arm);

}  // namespace anabranch
